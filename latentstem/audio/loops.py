"""Sequences that repeat: continued around their ends, resampled as one turn, and closed without a seam."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def circular_pad(sequence: Tensor, context: int) -> Tensor:
    """Continue one turn of a loop by what comes before its beginning and after its end.

    Args:
        sequence: `(..., length)`, of at least one element.
        context: Elements to add on each side; more than a turn are several turns.

    Returns:
        `(..., length + 2 * context)`.

    Example:
        >>> import torch
        >>> circular_pad(torch.arange(4), 2)
        tensor([2, 3, 0, 1, 2, 3, 0, 1])
    """
    length = sequence.shape[-1]
    return sequence[..., torch.arange(-context, length + context, device=sequence.device) % length]


def resample_periodic(audio: Tensor, num_samples: int) -> Tensor:
    """Resample one turn of a loop to another number of samples, so that it still closes: by its Fourier series.

    Args:
        audio: `(..., samples)`.
        num_samples: Of the result; where there are fewer, what they cannot hold is left out.

    Returns:
        `(..., num_samples)`, in the dtype of the audio. To more samples and back is the identity.

    Example:
        >>> import torch
        >>> turn = torch.sin(2 * torch.pi * 3 * torch.arange(100) / 100)
        >>> torch.allclose(
        ...     resample_periodic(turn, 110), torch.sin(2 * torch.pi * 3 * torch.arange(110) / 110), atol=1e-5
        ... )
        True
    """
    samples = audio.shape[-1]
    if samples == num_samples:
        return audio
    # In double precision: a loop of a minute has millions of terms. On the CPU, because Apple's GPUs have none.
    series = torch.fft.rfft(audio.to("cpu", torch.float64))
    # An even number of samples has a term of half their rate, which stands for two of half its size.
    if min(samples, num_samples) % 2 == 0:
        series[..., min(samples, num_samples) // 2] *= 0.5 if num_samples > samples else 2.0
    terms = num_samples // 2 + 1
    series = F.pad(series, (0, max(0, terms - series.shape[-1])))[..., :terms]
    return (torch.fft.irfft(series, n=num_samples) * (num_samples / samples)).to(audio)


def crossfade_seam(turn: Tensor, beyond: Tensor) -> Tensor:
    """Make the end of a turn lead into its beginning, by fading what would come next into the beginning.

    Args:
        turn: `(..., samples)`.
        beyond: What follows the last sample, `(..., any number of samples)`; it fades out over all of them, or over
            the turn if that is shorter. The power stays what it is, whatever the two have in common: the same sound
            comes through unchanged, and unlike sounds by the sine and cosine law. (Sounds of opposite sign cancel in
            the middle; they are raised by 3 dB at most.)

    Returns:
        The turn, whose first sample continues its last.

    Example:
        >>> import torch
        >>> crossfade_seam(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([1.0, 1.0]))
        tensor([0.9239, 0.3827, 1.0000, 1.0000])
    """
    fade = min(turn.shape[-1], beyond.shape[-1])
    coming, going = turn[..., :fade], beyond[..., :fade]
    angle = (torch.arange(fade, device=turn.device, dtype=turn.dtype) + 0.5) / fade * (math.pi / 2)
    common = F.cosine_similarity(coming, going, dim=-1).clamp(min=-0.5).unsqueeze(-1)
    beginning = (angle.sin() * coming + angle.cos() * going) / (1 + common * (2 * angle).sin()).sqrt()
    return torch.cat([beginning, turn[..., fade:]], dim=-1)
