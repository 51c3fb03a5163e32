"""What happens between a net's prediction and a scheduler's step, for any scheduler."""

from latentstem.sampling.denoised import DenoisedCoefficients, denoised_coefficients, signal_and_noise_rates
from latentstem.sampling.hooks import DenoisedHook, DenoisedStep, on_denoised, step_from_denoised

__all__ = [
    "DenoisedCoefficients",
    "DenoisedHook",
    "DenoisedStep",
    "denoised_coefficients",
    "on_denoised",
    "signal_and_noise_rates",
    "step_from_denoised",
]
