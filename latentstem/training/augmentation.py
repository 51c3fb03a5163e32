"""Augmentation of crops by random speed, gain and equalizer: timbres that no instrument of the corpus has."""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from latentstem.data.render.effects import equalize

_LARGEST_TERM = 100  # of the ratios of speeds: a semitone is right to 0.2 cents, and the filter bank stays small


def draw_speeds(count: int, varispeed: int) -> list[int]:
    """Draw random changes of speed in whole semitones.

    Args:
        count: Number of crops.
        varispeed: Greatest change of speed in whole semitones, up and down.

    Returns:
        One change in semitones per crop, for `augment`.
    """
    return torch.randint(-varispeed, varispeed + 1, (count,)).tolist()


def samples_to_read(samples: int, varispeed: int) -> int:
    """Return the length in samples of crops that `augment` brings to `samples` at any speed up to `varispeed`."""
    return math.ceil(samples * _speed(varispeed))


def _speed(semitones: int) -> Fraction:
    return Fraction(2 ** (semitones / 12)).limit_denominator(_LARGEST_TERM)


def augment(audio: Tensor, speeds: Sequence[int], samples: int, gain_range: float, equalizer_range: float) -> Tensor:
    """Change the speed of each crop, and apply a random gain and a random equalizer.

    Args:
        audio: Crops `(batch, channels, samples read)`, long enough for the greatest speed, see `samples_to_read`.
        speeds: Change of speed of each crop in semitones.
        samples: Length of the result in samples.
        gain_range: Greatest gain in dB, up and down.
        equalizer_range: Standard deviation in dB of the random equalizer, at points two octaves apart.

    Returns:
        `(batch, channels, samples)`.

    Example:
        >>> audio = torch.randn(2, 1, samples_to_read(4096, 3))
        >>> augment(audio, draw_speeds(2, 3), 4096, gain_range=6.0, equalizer_range=5.0).shape
        torch.Size([2, 1, 4096])
    """
    resampled = torch.stack([_resample(crop, shift, samples) for crop, shift in zip(audio, speeds, strict=True)])
    gain = gain_range * (2 * torch.rand(len(audio), 1) - 1)
    decibels = gain + equalizer_range * torch.randn(len(audio), 6)
    return equalize(resampled, decibels.to(resampled.device))


def _resample(crop: Tensor, semitones: int, samples: int) -> Tensor:
    """Play a crop faster by some semitones, `(channels, samples)`."""
    from torchaudio.functional import resample  # the library beyond training is free of it

    speed = _speed(semitones)
    return resample(crop[:, : math.ceil(samples * speed)], speed.numerator, speed.denominator)[:, :samples]
