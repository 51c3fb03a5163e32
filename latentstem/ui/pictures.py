"""Spectrograms without axes and outlines of waveforms for the page."""

import io

import numpy as np
from matplotlib.image import imsave
from torch import Tensor

from latentstem.audio.temporary import TemporaryAudio
from latentstem.plotting.spectrogram import log_frequency_spectrogram

_RANGE_DB = 60.0
_QUIETEST_PEAK_DB = -80.0  # below it everything is dark, or rounding errors would look like music
_COLUMNS = 600


def spectrogram_png(audio: Tensor | TemporaryAudio, sampling_rate: int) -> bytes:
    """Draw the spectrogram of a sound, its whole length over the whole width, from C1 at the bottom to C9.

    Args:
        audio: Audio `(channels, samples)`, in memory or in a `TemporaryAudio`.
        sampling_rate: Sampling rate in Hz.

    Returns:
        A PNG, 288 pixels high and at most 1200 wide.

    Example:
        >>> import torch
        >>> spectrogram_png(torch.sin(torch.arange(44100) * 0.02)[None], 44100)[1:4]
        b'PNG'
    """
    levels = log_frequency_spectrogram(audio, sampling_rate)
    loudest = max(levels.max(), _QUIETEST_PEAK_DB)
    picture = io.BytesIO()
    imsave(picture, levels, vmin=loudest - _RANGE_DB, vmax=loudest, cmap="magma", origin="lower", format="png")
    return picture.getvalue()


def waveform_outline(audio: TemporaryAudio) -> np.ndarray:
    """Return the least and the greatest sample, over all channels, of at most 600 equal segments of a sound.

    Args:
        audio: Sound of at least one sample.

    Returns:
        Minima and maxima `(2, segments)`.

    Example:
        >>> import torch
        >>> with TemporaryAudio(".", channels=1) as audio:
        ...     audio.append(torch.tensor([[0.5, -0.25]]).repeat(1, 600))
        ...     outline = waveform_outline(audio)
        >>> outline.shape, outline[:, 0].tolist()
        ((2, 600), [-0.25, 0.5])
    """
    length = -(-audio.samples // _COLUMNS)
    starts = range(0, audio.samples, length)
    segments = (audio.read(start, min(length, audio.samples - start)) for start in starts)
    return np.array([(segment.min().item(), segment.max().item()) for segment in segments]).T
