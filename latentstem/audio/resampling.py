"""Resampling at any ratio of rates by soxr, of whole signals and of signals that come in blocks."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
import torch
from torch import Tensor

from latentstem._checks import check_finite, check_tensors, check_whole
from latentstem.audio.limits import MAX_SAMPLING_RATE

_BLOCK = 1 << 20


def resample(audio: Tensor, from_rate: int, to_rate: int, num_samples: int | None = None) -> Tensor:
    """Change the sampling rate, at a length that is known beforehand.

    Args:
        audio: `(channels, samples)` float32.
        from_rate: Sampling rate of `audio` in Hz.
        to_rate: Sampling rate of the result in Hz.
        num_samples: Length of the result; None is `ceil(samples * to_rate / from_rate)`. Resampling there and
            back with the first length given here returns a signal of exactly that length.

    Returns:
        `(channels, num_samples)` float32, on the CPU; zero-padded or trimmed at the end where the resampler's own
        length differs.

    Raises:
        ValueError: A rate is no whole number from 1 to 768000, or the audio is not finite.

    Example:
        >>> import torch
        >>> from latentstem import resample
        >>> there = resample(torch.zeros(2, 1000), 48000, 44100)
        >>> there.shape, resample(there, 44100, 48000, num_samples=1000).shape
        (torch.Size([2, 919]), torch.Size([2, 1000]))
    """
    if num_samples is None:
        num_samples = resampled_length(_checked(audio).shape[-1], from_rate, to_rate)
    check_whole(0, 2**62, num_samples=num_samples)
    blocks = list(resample_blocks([audio], from_rate, to_rate, num_samples))
    return torch.cat(blocks, dim=1) if blocks else audio[:, :num_samples]


def resampled_length(samples: int, from_rate: int, to_rate: int) -> int:
    """Return the length of what `resample` returns, `ceil(samples * to_rate / from_rate)`.

    Args:
        samples: Number of samples before.
        from_rate: Sampling rate before, in Hz.
        to_rate: Sampling rate after, in Hz.

    Raises:
        ValueError: A rate is no whole number from 1 to 768000.

    Example:
        >>> resampled_length(1000, 48000, 44100)
        919
    """
    _check_rates(from_rate, to_rate)
    return -(-samples * to_rate // from_rate)


def resample_blocks(
    blocks: Iterable[Tensor], from_rate: int, to_rate: int, num_samples: int | None = None
) -> Iterator[Tensor]:
    """Resample a signal that comes and leaves in blocks; together they equal what `resample` returns of the whole.

    Args:
        blocks: Blocks of the signal in order, `(channels, any number of samples)` float32.
        from_rate: Sampling rate of the blocks in Hz.
        to_rate: Sampling rate of the result in Hz.
        num_samples: Length of all that is yielded; None is `ceil(samples * to_rate / from_rate)`.

    Yields:
        Blocks `(channels, samples)` float32, on the CPU.

    Raises:
        ValueError: A rate is no whole number from 1 to 768000, or the audio is not finite.

    Example:
        >>> import torch
        >>> blocks = torch.zeros(2, 1000).split(300, dim=1)
        >>> sum(block.shape[1] for block in resample_blocks(blocks, 48000, 44100))
        919
    """
    _check_rates(from_rate, to_rate)
    taken = given = channels = 0
    stream = None
    # A second of one sample becomes thousands: pieces are cut so that none comes out much longer than a block.
    longest = max(1, _BLOCK * from_rate // to_rate)
    pieces = (piece for block in blocks for piece in _checked(block).split(longest, dim=1))
    for block in pieces:
        channels = block.shape[0]
        taken += block.shape[1]
        if from_rate != to_rate:
            stream = stream or soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32")
            resampled = _from_frames(stream.resample_chunk(_to_frames(block)))
            check_finite("the resampled audio", resampled, {"audio": block})
            block = resampled
        else:
            check_finite("the audio", block, {"audio": block})
        if num_samples is not None:
            block = block[:, : num_samples - given]
        given += block.shape[1]
        if block.shape[1]:
            yield block
    target = resampled_length(taken, from_rate, to_rate) if num_samples is None else num_samples
    if stream is not None:
        block = _from_frames(stream.resample_chunk(np.zeros((0, channels), dtype=np.float32), last=True))
        block = block[:, : target - given]
        given += block.shape[1]
        if block.shape[1]:
            yield block
    if given < target:
        yield torch.zeros(channels, target - given)


def _checked(block: Tensor) -> Tensor:
    check_tensors(audio=block)
    if block.ndim != 2:
        raise ValueError(f"got audio of shape {tuple(block.shape)}; expected (channels, samples)")
    return block


def _check_rates(from_rate: int, to_rate: int) -> None:
    check_whole(1, MAX_SAMPLING_RATE, from_rate=from_rate, to_rate=to_rate)


def _to_frames(audio: Tensor) -> np.ndarray:
    return np.ascontiguousarray(audio.detach().cpu().numpy().T)


def _from_frames(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).T.contiguous()
