"""What a sound looks like on the page: a spectrogram without axes, and the outline of its waveform."""

import io

import numpy as np
from matplotlib.image import imsave
from torch import Tensor

from latentstem.audio.temporary import TemporaryAudio
from latentstem.plotting.spectrogram import log_frequency_spectrogram

_RANGE_DB = 60.0
_QUIETEST_PEAK_DB = -80.0  # below it everything is drawn dark: rounding is not to look like music
_COLUMNS = 600


def spectrogram_png(audio: Tensor | TemporaryAudio, sampling_rate: int) -> bytes:
    """Draw the spectrogram of a sound, its whole length over the whole width, from C1 at the bottom to C9.

    Args:
        audio: `(channels, samples)`, in memory or in a `TemporaryAudio`.
        sampling_rate: In Hz.

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
    """Least and greatest sample of each of at most 600 equal stretches of a sound, over all channels.

    Args:
        audio: The sound, at least one sample long.

    Returns:
        `(2, stretches)`.

    Example:
        >>> import torch
        >>> with TemporaryAudio(".", channels=1) as spool:
        ...     spool.append(torch.tensor([[0.5, -0.25]]).repeat(1, 600))
        ...     outline = waveform_outline(spool)
        >>> outline.shape, outline[:, 0].tolist()
        ((2, 600), [-0.25, 0.5])
    """
    stretch = -(-audio.samples // _COLUMNS)
    starts = range(0, audio.samples, stretch)
    pieces = (audio.read(start, min(stretch, audio.samples - start)) for start in starts)
    return np.array([(piece.min().item(), piece.max().item()) for piece in pieces]).T
