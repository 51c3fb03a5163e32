"""Training losses: the multi-scale spectral distance and the adversarial terms."""

from latentstem.losses.adversarial import hinge_discriminator_loss, hinge_generator_loss, r1_penalty
from latentstem.losses.pitch import pitch_cross_entropy
from latentstem.losses.spectral import (
    MultiScaleSpectralDistance,
    log_magnitude_distance,
    multi_scale_spectral_distance,
)

__all__ = [
    "MultiScaleSpectralDistance",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "log_magnitude_distance",
    "multi_scale_spectral_distance",
    "pitch_cross_entropy",
    "r1_penalty",
]
