"""The pipeline in which a trained denoiser is validated and published."""

from typing import Any

from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


def build_pipeline(
    unet: StemUNet1DModel, autoencoder: Any, scheduler: Any, target: str = "bass"
) -> StemAccompanimentPipeline:
    """Put a trained denoiser into a pipeline with the default guidance.

    Args:
        unet: The denoiser.
        autoencoder: The codec on whose latents the denoiser was trained.
        scheduler: The scheduler with whose noise levels the denoiser was trained.
        target: Name of the stem that the denoiser generates.

    Returns:
        The pipeline.

    Example:
        >>> build_pipeline(unet, autoencoder, scheduler).save_pretrained("pipeline")  # doctest: +SKIP
    """
    return StemAccompanimentPipeline(autoencoder, unet, scheduler, RescaledClassifierFreeGuidance(), target=target)
