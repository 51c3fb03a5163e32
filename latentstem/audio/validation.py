"""Validation of audio from outside: shape, sampling rate, channels and samples, as an autoencoder takes them."""

import functools
import logging

import numpy as np
import torch
from torch import Tensor

from latentstem._checks import is_number, short
from latentstem.audio.level import active_rms
from latentstem.audio.limits import LOUDEST

logger = logging.getLogger(__name__)

# Below this fraction of its channels' level, the mean of a stereo pair counts as cancelled.
_CANCELLED = 1e-4


def prepare_audio(
    audio: Tensor | np.ndarray,
    sampling_rate: int | None,
    *,
    name: str,
    expected_rate: int,
    expected_channels: int,
) -> Tensor:
    """Check audio and bring it to `(batch, channels, samples)` float32 with the channels of the model.

    A mono model takes the mean of stereo channels, and a warning is logged once. Nothing is resampled, cut or repeated.

    Args:
        audio: Floating point, `(batch, channels, samples)`, `(channels, samples)` or `(samples,)`.
        sampling_rate: Sampling rate of the audio in Hz.
        name: Name of the audio in errors.
        expected_rate: Sampling rate of the model in Hz.
        expected_channels: Number of channels of the model, 1 or 2.

    Returns:
        The audio for the model.

    Raises:
        TypeError: The audio is no array, or not of floating point.
        ValueError: The audio is empty, of more than three dimensions or two channels, not finite or over 1e12, at
            another rate, mono for a stereo model, or stereo whose channels cancel.

    Example:
        >>> import torch
        >>> prepare_audio(torch.ones(2, 5), 44100, name="mix", expected_rate=44100, expected_channels=1).shape
        torch.Size([1, 1, 5])
    """
    if isinstance(audio, np.ndarray) and audio.dtype.kind == "f":
        audio = torch.from_numpy(np.require(audio, requirements=["C", "W"]))
    if not isinstance(audio, Tensor) or not audio.is_floating_point():
        kind = getattr(audio, "dtype", type(audio).__name__)
        raise TypeError(f"{name} must be a tensor or array of floats in [-1, 1], got {kind}")
    if sampling_rate is None:
        raise ValueError(f"{name} came without its sampling_rate; pass it in Hz, e.g. sampling_rate=44100")
    if not is_number(sampling_rate):
        raise ValueError(f"{name} came with sampling_rate={short(sampling_rate)}; expected a number in Hz, e.g. 44100")
    if sampling_rate != expected_rate:
        raise ValueError(
            f"{name} is at {sampling_rate} Hz and the weights work at {expected_rate} Hz; resample it first, e.g. "
            f"soxr.resample(audio, {sampling_rate}, {expected_rate}) on (samples, channels)"
        )
    if not 1 <= audio.ndim <= 3:
        raise ValueError(
            f"{name} must be (batch, channels, samples), (channels, samples) or (samples,), got {tuple(audio.shape)}"
        )
    if audio.numel() == 0:
        raise ValueError(f"{name} is empty, of shape {tuple(audio.shape)}; give at least one sample")
    audio = audio.reshape(*[1] * (3 - audio.ndim), *audio.shape).float()
    matched = match_channels(audio, expected_channels, name)
    if not torch.isfinite(audio).all():
        raise ValueError(f"{name} holds NaN or infinite samples; repair the audio first")
    if (peak := audio.abs().max().item()) > LOUDEST:
        raise ValueError(
            f"{name} reaches {peak:.3g}; expected samples in [-1, 1], or at most {LOUDEST:g}: scale it down"
        )
    if audio.shape[1] > expected_channels:
        check_not_cancelled(name, active_rms(audio), active_rms(matched))
    return matched


def match_channels(audio: Tensor, channels: int, name: str) -> Tensor:
    """Bring audio, or a block of it, to the channels of a model: mono is the mean of stereo.

    The mean may cancel: where the whole audio is known, call `check_not_cancelled`.

    Args:
        audio: `(..., channels, samples)`.
        channels: Number of channels of the model, 1 or 2.
        name: Name of the audio in errors.

    Returns:
        `(..., channels, samples)`; the audio itself where it has as many.

    Raises:
        ValueError: The audio has more than two channels, or one for a stereo model.

    Example:
        >>> import torch
        >>> match_channels(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, "mix")
        tensor([[2., 3.]])
    """
    found = audio.shape[-2]
    if found > 2:
        hint = "; is it (samples, channels)? transpose it" if audio.shape[-1] <= 2 else "; mix it down first"
        raise ValueError(f"{name} has {found} channels, expected 1 or 2 as (batch, channels, samples){hint}")
    if found < channels:
        raise ValueError(f"{name} is mono and the weights are stereo; repeat the channel if that is meant")
    return audio if found == channels else audio.mean(dim=-2, keepdim=True)


def check_not_cancelled(name: str, stereo_level: Tensor, mono_level: Tensor) -> None:
    """Refuse stereo whose channels cancel in their mean, and otherwise warn once that the mean is what is encoded.

    Args:
        name: Name of the audio in the error.
        stereo_level: Level of the channels, `(batch,)`, see `latentstem.audio.active_rms`.
        mono_level: Level of the channels' mean, `(batch,)`.

    Raises:
        ValueError: The mean of an item is silent.
    """
    if ((stereo_level > 0) & (mono_level <= _CANCELLED * stereo_level)).any():
        raise ValueError(
            f"{name} is anti-phase stereo: its channels cancel to silence in the mean that a mono model takes; "
            "pass one channel, or flip the sign of one"
        )
    _warn_once("stereo input: this mono model takes, and makes, the mean of the two channels")


@functools.cache
def _warn_once(message: str) -> None:
    logger.warning(message)
