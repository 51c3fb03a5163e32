"""Pitch of a batch of waveforms by YIN (de Cheveigné and Kawahara 2002), in torch: what a decoder is taught by.

The difference function is taken through an FFT, the dip is the first under the threshold, refined by a parabola. It is
fast and has no memory from frame to frame; `latentstem.evaluation` judges with another tracker.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def yin(
    audio: Tensor,
    sampling_rate: int,
    hop_length: int,
    lowest: float = 27.5,
    highest: float = 700.0,
    window_length: int = 2048,
    threshold: float = 0.15,
    silence_db: float = 40.0,
) -> Tensor:
    """Fundamental frequency of each frame.

    `d(tau) = sum_j (x_j - x_{j+tau})^2` over a window, `d'(tau) = d(tau) tau / sum_{k<=tau} d(k)` (equations 6 and 8);
    the period is the first local minimum of d' below the threshold. Works on every second sample.

    Args:
        audio: `(batch, samples)`.
        sampling_rate: In Hz.
        hop_length: Samples a frame, even.
        lowest: Lowest frequency looked for in Hz.
        highest: Highest, likewise.
        window_length: Samples that are compared with those a period later.
        threshold: Greatest share of aperiodic power in a voiced frame.
        silence_db: Frames this far below the loudest of their item are unvoiced.

    Returns:
        `(batch, samples // hop_length)` in Hz, 0 where unvoiced; frame k is centred on the middle of samples
        `[k * hop_length, (k + 1) * hop_length)`.

    Raises:
        ValueError: If the audio has no whole frame or the hop is odd.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 55.0 * torch.arange(22050) / 44100)[None]
        >>> round(float(yin(tone, 44100, 512)[0, 20]), 1)
        55.0
    """
    if audio.ndim != 2 or audio.shape[1] < hop_length or hop_length % 2:
        raise ValueError(
            f"got audio of shape {tuple(audio.shape)} and hop_length={hop_length}; expected (batch, samples) with at "
            "least one hop of samples, and an even hop"
        )
    frames = audio.shape[1] // hop_length
    rate, hop, window = sampling_rate / 2, hop_length // 2, window_length // 2
    halved = F.avg_pool1d(audio[:, None].float(), 3, 2, padding=1, count_include_pad=False)[:, 0]
    longest = int(rate / lowest) + 2
    length = window + longest
    before = (length - hop) // 2
    pieces = F.pad(halved, (before, length)).unfold(1, length, hop)[:, :frames]
    size = 1 << (length - 1).bit_length()
    spectrum = torch.fft.rfft(pieces, size)
    correlation = torch.fft.irfft(torch.fft.rfft(pieces[..., :window], size).conj() * spectrum, size)[..., :longest]
    power = F.pad(pieces.square().cumsum(-1), (1, 0))
    energy = power[..., window : window + longest] - power[..., :longest]
    difference = (energy[..., :1] + energy - 2 * correlation).clamp(min=0)
    lags = torch.arange(longest, device=audio.device)
    normalized = difference * lags / (difference.cumsum(-1) + 1e-9)

    left, middle, right = normalized[..., :-2], normalized[..., 1:-1], normalized[..., 2:]
    dips = (middle < threshold) & (middle < left) & (middle <= right) & (lags[1:-1] >= rate / highest)
    first = dips.int().argmax(-1, keepdim=True)
    before_dip, dip, after_dip = (side.gather(-1, first)[..., 0] for side in (left, middle, right))
    shift = 0.5 * (before_dip - after_dip) / (before_dip - 2 * dip + after_dip).clamp(min=1e-9)
    frequency = rate / (first[..., 0] + 1 + shift.clamp(-1, 1))
    loudness = energy[..., 0]
    voiced = dips.any(-1) & (loudness > 10 ** (-silence_db / 10) * loudness.amax(-1, keepdim=True)) & (loudness > 1e-6)
    return torch.where(voiced, frequency, frequency.new_zeros(()))
