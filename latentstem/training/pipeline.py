"""The pipeline in which a trained denoiser is validated and published."""

from collections.abc import Sequence
from typing import Any

from diffusers.guiders.guider_utils import BaseGuidance

from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.models.style_encoder import StyleEncoder
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


def build_pipeline(
    unet: StemUNet1DModel,
    autoencoder: Any,
    scheduler: Any,
    target: str = "bass",
    style_encoder: StyleEncoder | None = None,
    targets: Sequence[str] | None = None,
    guider: BaseGuidance | None = None,
) -> StemAccompanimentPipeline:
    """Put a trained denoiser into a pipeline.

    Args:
        unet: The denoiser.
        autoencoder: The codec on whose latents the denoiser was trained.
        scheduler: The scheduler with whose noise levels the denoiser was trained.
        target: Name of the stem that the denoiser generates.
        style_encoder: Encoder with whose codes the denoiser was trained; None for one without such a condition.
        targets: Names of the stems that the denoiser generates, in the order of its condition "target"; None for a
            denoiser of `target` alone.
        guider: Guidance; None is the default one.

    Returns:
        The pipeline.

    Example:
        >>> build_pipeline(unet, autoencoder, scheduler).save_pretrained("pipeline")  # doctest: +SKIP
    """
    guider = guider or RescaledClassifierFreeGuidance()
    return StemAccompanimentPipeline(
        autoencoder, unet, scheduler, guider, target=target, style_encoder=style_encoder, targets=targets
    )
