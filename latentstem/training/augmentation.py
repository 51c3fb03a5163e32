"""Speeds, gains and timbres that no soundfont holds: what an autoencoder hears in place of the crops themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from latentstem.data.render.effects import equalize


def draw_speeds(count: int, varispeed: int) -> list[int]:
    """Draw random changes of speed in whole semitones.

    Args:
        count: How many.
        varispeed: Greatest change, up and down.

    Returns:
        One number a sound, for `augment`.
    """
    return torch.randint(-varispeed, varispeed + 1, (count,)).tolist()


def augment(audio: Tensor, speeds: Sequence[int], samples: int, gain_range: float, equalizer_range: float) -> Tensor:
    """Sounds at a speed of their own each, a random gain and a random timbre.

    Args:
        audio: `(batch, channels, samples read)`, long enough for the greatest speed.
        speeds: In semitones, one a sound.
        samples: What is kept of each.
        gain_range: Greatest gain in dB, up and down.
        equalizer_range: Deviation in dB of the random equalizer, at points two octaves apart.

    Returns:
        `(batch, channels, samples)`.

    Example:
        >>> audio = torch.randn(2, 1, 5000)
        >>> augment(audio, draw_speeds(2, 3), 4096, gain_range=6.0, equalizer_range=5.0).shape
        torch.Size([2, 1, 4096])
    """
    chosen = torch.stack(
        [
            interpolate(sound[None, :, : round(samples * 2 ** (shift / 12))], samples, mode="linear")[0]
            for sound, shift in zip(audio, speeds, strict=True)
        ]
    )
    gain = gain_range * (2 * torch.rand(len(audio), 1) - 1)
    decibels = gain + equalizer_range * torch.randn(len(audio), 6)
    return equalize(chosen, decibels.to(chosen.device))
