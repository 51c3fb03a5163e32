"""Musical controls of a pipeline: which of them its net knows."""

from latentstem.conditioning.controls import Controls
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


def known_controls(pipe: StemAccompanimentPipeline) -> list[str]:
    """Return the names of the controls that the net of a pipeline was trained with.

    Args:
        pipe: Pipeline with the net.

    Example:
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> known_controls(pipe)
        ['beat', 'chords', 'density', 'level', 'register']
    """
    return list(pipe.unet.config.get("control_conditions") or {})


def unknown_controls(controls: Controls, pipe: StemAccompanimentPipeline) -> list[str]:
    """Return the names of the controls that are given and that the net of a pipeline does not know.

    Args:
        controls: Controls that are given.
        pipe: Pipeline with the net.

    Example:
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> unknown_controls(Controls(density=3.0), pipe)
        []
    """
    known = known_controls(pipe)
    return [name for name in controls.names if name not in known]
