"""Musical controls of a pipeline: which of them its net knows, and their conditions for a mix."""

from torch import Tensor

from latentstem.conditioning.controls import Controls
from latentstem.pipelines.input_files import EncodedMix
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


def known_controls(pipe: StemAccompanimentPipeline) -> list[str]:
    """Return the names of the controls that the net of a pipeline was trained with.

    Args:
        pipe: Pipeline with the net.

    Example:
        >>> import latentstem
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> known_controls(pipe)
        []
    """
    return list(pipe.unet.config.get("control_conditions") or {})


def control_conditions(pipe: StemAccompanimentPipeline, controls: Controls, mix: EncodedMix) -> dict[str, Tensor]:
    """Compute the conditions of the controls that are given, for as many frames as a mix has.

    Args:
        pipe: Pipeline that takes the conditions.
        controls: Controls of the stem.
        mix: Mix that it accompanies.

    Returns:
        `(1, channels, frames)` by name, the pipeline's `conditions`.

    Example:
        >>> mix = encode_mix_file(pipe, "mix.flac")  # doctest: +SKIP
        >>> conditions = control_conditions(pipe, Controls(density=4.0), mix)  # doctest: +SKIP
        >>> pipe(mix_latents=mix.latents, conditions=conditions)  # doctest: +SKIP
    """
    return controls.conditions(mix.latents.shape[-1], pipe.sampling_rate / pipe.hop_length)
