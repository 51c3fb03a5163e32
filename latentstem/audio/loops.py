"""Periodic sequences: circular padding, resampling by the Fourier series, and a crossfade over the seam of a loop."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem._checks import check_finite, check_whole


def circular_pad(sequence: Tensor, context: int) -> Tensor:
    """Pad one period of a loop with what comes before its beginning and after its end.

    Args:
        sequence: One period, `(..., length)`, of at least one element.
        context: Number of elements to add on each side; more than `length` are several periods.

    Returns:
        `(..., length + 2 * context)`.

    Raises:
        ValueError: The period is empty, or the number of elements no whole number from 0.

    Example:
        >>> import torch
        >>> circular_pad(torch.arange(4), 2)
        tensor([2, 3, 0, 1, 2, 3, 0, 1])
    """
    length = sequence.shape[-1]
    check_whole(1, 2**62, **{"length of the period": length})
    check_whole(0, 2**31, context=context)
    return sequence[..., torch.arange(-context, length + context, device=sequence.device) % length]


def resample_periodic(audio: Tensor, num_samples: int) -> Tensor:
    """Resample one period of a loop to another number of samples, by its Fourier series, so that it still repeats.

    Args:
        audio: One period, `(..., samples)`.
        num_samples: Number of samples of the result; where they are fewer, frequencies that they cannot hold are left
            out.

    Returns:
        `(..., num_samples)`, in the dtype of the audio. To more samples and back is the identity.

    Raises:
        ValueError: The period is empty, the number of samples no whole number from 1, or the audio not finite.

    Example:
        >>> import torch
        >>> period = torch.sin(2 * torch.pi * 3 * torch.arange(100) / 100)
        >>> torch.allclose(
        ...     resample_periodic(period, 110), torch.sin(2 * torch.pi * 3 * torch.arange(110) / 110), atol=1e-5
        ... )
        True
    """
    samples = audio.shape[-1]
    check_whole(1, 2**62, num_samples=num_samples, **{"length of the period": samples})
    if samples == num_samples:
        check_finite("the period", audio, {"audio": audio})
        return audio
    # In double precision: a loop of a minute has millions of terms. On the CPU, because Apple's GPUs have none.
    series = torch.fft.rfft(audio.to("cpu", torch.float64))
    # An even number of samples has a term of half their rate, which stands for two of half its size.
    if min(samples, num_samples) % 2 == 0:
        series[..., min(samples, num_samples) // 2] *= 0.5 if num_samples > samples else 2.0
    terms = num_samples // 2 + 1
    series = F.pad(series, (0, max(0, terms - series.shape[-1])))[..., :terms]
    resampled = (torch.fft.irfft(series, n=num_samples) * (num_samples / samples)).to(audio)
    check_finite("the resampled period", resampled, {"audio": audio})
    return resampled


def crossfade_seam(turn: Tensor, beyond: Tensor) -> Tensor:
    """Make the end of a loop lead into its beginning, by crossfading what would come next into the beginning.

    The fade keeps the power, whatever the two signals have in common: equal ones pass unchanged, and uncorrelated ones
    by the sine and cosine law. (Signals of opposite sign cancel in the middle; they are raised by 3 dB at most.)

    Args:
        turn: One period, `(..., samples)`.
        beyond: Continuation after the last sample, `(..., any number of samples)`; it fades out over all of them, or
            over the period if that is shorter.

    Returns:
        The period, `(..., samples)`, whose first sample continues its last.

    Raises:
        ValueError: The period or its continuation is not finite.

    Example:
        >>> import torch
        >>> crossfade_seam(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([1.0, 1.0]))
        tensor([0.9239, 0.3827, 1.0000, 1.0000])
    """
    fade = min(turn.shape[-1], beyond.shape[-1])
    fading_in, fading_out = turn[..., :fade], beyond[..., :fade]
    angle = (torch.arange(fade, device=turn.device, dtype=turn.dtype) + 0.5) / fade * (math.pi / 2)
    correlation = F.cosine_similarity(fading_in, fading_out, dim=-1).clamp(min=-0.5).unsqueeze(-1)
    beginning = (angle.sin() * fading_in + angle.cos() * fading_out) / (1 + correlation * (2 * angle).sin()).sqrt()
    faded = torch.cat([beginning, turn[..., fade:]], dim=-1)
    check_finite("the period", faded, {"turn": turn, "beyond": beyond})
    return faded
