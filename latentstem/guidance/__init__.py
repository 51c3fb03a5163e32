"""Steering a sampler: towards the mix (guidance), a reference's sound (grounding), and audio to keep (inpainting)."""

from latentstem.guidance.functional import classifier_free_guidance, rescale_std
from latentstem.guidance.grounding import StyleGrounding
from latentstem.guidance.keep import KeepRegions
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance

__all__ = [
    "KeepRegions",
    "RescaledClassifierFreeGuidance",
    "StyleGrounding",
    "classifier_free_guidance",
    "rescale_std",
]
