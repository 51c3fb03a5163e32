"""Scaled log-magnitude spectrograms, `log(1 + |X| / floor) / log(10)`, and their inverse."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem.audio.fourier import stft

# Log magnitudes count from a floor 60 dB under a full-scale sinusoid, in units of 20 dB: silence is 0, full scale is 3.
# Silence at zero matters: a constant background would drown what the sound changes in the first layer.
FLOOR, UNIT = 1e-3, math.log(10.0)
TAIL = 0.1  # scaled log magnitude below which quiet magnitudes fall exponentially


def log_spectrogram(audio: Tensor, window_length: int, hop_length: int) -> Tensor:
    """Compute the scaled log-magnitude spectrogram of audio.

    Args:
        audio: `(batch, channels, samples)`, samples a multiple of `hop_length`.
        window_length: Length of the Hann window in samples.
        hop_length: Distance of neighbouring frames in samples.

    Returns:
        `(batch, channels, bins, frames)` float32: 0 for silence, 3 for a full-scale sinusoid.
    """
    return to_log(stft(audio, window_length, hop_length).abs())


def to_log(magnitude: Tensor) -> Tensor:
    """Scale magnitudes logarithmically: 0 to 0, 1 to 3."""
    return torch.log1p(magnitude / FLOOR) / UNIT


def to_quiet_magnitude(log_magnitude: Tensor, limit: float = 3.5) -> Tensor:
    """Invert `to_log` between 72 dB under full scale and a limit, and fall without end below.

    Below, the logarithm of the magnitude goes on along its tangent. So a net can emit the overtones of a soft bass, 80
    to 100 dB under full scale, with a gradient that grows no further; `to_magnitude` ends at zero, steeper and steeper.

    Args:
        log_magnitude: Scaled log magnitudes, of any shape.
        limit: Greatest log magnitude that is inverted exactly.

    Returns:
        Positive magnitudes, shaped like `log_magnitude`.
    """
    slope = UNIT * math.exp(UNIT * TAIL) / math.expm1(UNIT * TAIL)
    tail = torch.exp(slope * (log_magnitude - TAIL).clamp(max=0))
    return to_magnitude(log_magnitude.clamp(min=TAIL), limit) * tail


def to_magnitude(log_magnitude: Tensor, limit: float = 3.5) -> Tensor:
    """Invert `to_log` up to a limit, and follow its tangent beyond.

    No real magnitude lies beyond, but what a net emits there must neither overflow nor, as behind a clamp, lose its
    gradient. Below zero the inverse is negative: it is held at zero but for a slope, for the gradient again.

    Args:
        log_magnitude: Scaled log magnitudes, of any shape.
        limit: Greatest log magnitude that is inverted exactly.

    Returns:
        Magnitudes, shaped like `log_magnitude`.
    """
    inside = FLOOR * torch.expm1(UNIT * log_magnitude.clamp(max=limit))
    beyond = UNIT * (log_magnitude - limit).clamp(min=0) * FLOOR * math.exp(UNIT * limit)
    return F.leaky_relu(inside + beyond, 0.01)
