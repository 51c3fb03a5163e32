"""What `BassNetModel` sees of audio: log-magnitude constant-Q spectrograms (Grachten et al. 2020, section 4.1)."""

from torch import Tensor

from latentstem.audio.cqt import ConstantQ, log_magnitude
from latentstem.audio.level import normalize_level

BASSNET_RATE = 16_000
"""Sampling rate in Hz of the audio that BassNet sees."""
STEPS_PER_SECOND = 100
"""Steps of BassNet's spectrograms and descriptors a second."""
BASSNET_TRANSFORM = ConstantQ(BASSNET_RATE, BASSNET_RATE // STEPS_PER_SECOND)
"""Transform of BassNet's spectrograms: 36 bins an octave from 27.5 Hz on."""
ONSET_SHAPE = (0.25, 0.5, 1.0, 0.5, 0.25)
"""What an onset is in the targets of the steps around it: a net cannot know it to 10 ms."""

# Natural logarithms of magnitudes at the reference loudness; about the mean and deviation of mixes and basses together.
_MEAN, _DEVIATION = -3.5, 2.0


def bassnet_spectrogram(audio: Tensor) -> Tensor:
    """Analyse audio as `BassNetModel` takes it: at the reference loudness, in 36 bins an octave from 27.5 Hz on.

    Args:
        audio: Mono audio at `BASSNET_RATE`, `(batch, samples)`, of any level.

    Returns:
        Log magnitudes of about mean 0 and deviation 1, float32 `(batch, bins, steps)`; step k covers the time from k to
        k + 1 hundredths of a second.

    Raises:
        ValueError: The audio is not two-dimensional, or there are no samples.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 110.0 * torch.arange(16000) / 16000)
        >>> spectrogram = bassnet_spectrogram(tone[None])
        >>> spectrogram.shape, int(spectrogram[0, :, 50].argmax())
        (torch.Size([1, 264, 100]), 72)
    """
    if audio.ndim != 2:
        raise ValueError(f"got audio of shape {tuple(audio.shape)}; expected (batch, samples): one channel each")
    return scale_spectrum(BASSNET_TRANSFORM(normalize_level(audio.float()[:, None])[:, 0]))


def scale_spectrum(coefficients: Tensor) -> Tensor:
    """Scale constant-Q coefficients of audio at the reference loudness as `bassnet_spectrogram` does.

    Args:
        coefficients: Complex coefficients of any shape.

    Returns:
        Log magnitudes of about mean 0 and deviation 1, float32.

    Example:
        >>> import torch
        >>> round(float(scale_spectrum(torch.ones(1, dtype=torch.complex64))), 2)
        1.75
    """
    return (log_magnitude(coefficients) - _MEAN) / _DEVIATION
