"""Steering a sampler: towards the mix (guidance), a reference's sound (grounding), and audio to keep (inpainting)."""

from latentstem.guidance.functional import classifier_free_guidance, rescale_std
from latentstem.guidance.inpainting import InpaintRegions
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.guidance.style_grounding import StyleGrounding

__all__ = [
    "InpaintRegions",
    "RescaledClassifierFreeGuidance",
    "StyleGrounding",
    "classifier_free_guidance",
    "rescale_std",
]
