"""Musical controls of a pipeline: which of them its net knows."""

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
