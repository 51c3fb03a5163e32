"""Steering a sampler: towards the mix (guidance) and towards a reference's sound (grounding)."""

from latentstem.guidance.functional import classifier_free_guidance, rescale_std
from latentstem.guidance.grounding import StyleGrounding
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance

__all__ = [
    "RescaledClassifierFreeGuidance",
    "StyleGrounding",
    "classifier_free_guidance",
    "rescale_std",
]
