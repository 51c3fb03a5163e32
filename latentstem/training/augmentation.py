"""Augmentation of crops by random speed, gain and equalizer: timbres that no soundfont holds."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from latentstem.data.render.effects import equalize


def draw_speeds(count: int, varispeed: int) -> list[int]:
    """Draw random changes of speed in whole semitones.

    Args:
        count: Number of crops.
        varispeed: Greatest change of speed in whole semitones, up and down.

    Returns:
        One change in semitones per crop, for `augment`.
    """
    return torch.randint(-varispeed, varispeed + 1, (count,)).tolist()


def augment(audio: Tensor, speeds: Sequence[int], samples: int, gain_range: float, equalizer_range: float) -> Tensor:
    """Change the speed of each crop, and apply a random gain and a random equalizer.

    Args:
        audio: Crops `(batch, channels, samples read)`, long enough for the greatest speed.
        speeds: Change of speed of each crop in semitones.
        samples: Length of the result in samples.
        gain_range: Greatest gain in dB, up and down.
        equalizer_range: Standard deviation in dB of the random equalizer, at points two octaves apart.

    Returns:
        `(batch, channels, samples)`.

    Example:
        >>> audio = torch.randn(2, 1, 5000)
        >>> augment(audio, draw_speeds(2, 3), 4096, gain_range=6.0, equalizer_range=5.0).shape
        torch.Size([2, 1, 4096])
    """
    resampled = torch.stack(
        [
            interpolate(crop[None, :, : round(samples * 2 ** (shift / 12))], samples, mode="linear")[0]
            for crop, shift in zip(audio, speeds, strict=True)
        ]
    )
    gain = gain_range * (2 * torch.rand(len(audio), 1) - 1)
    decibels = gain + equalizer_range * torch.randn(len(audio), 6)
    return equalize(resampled, decibels.to(resampled.device))
