"""Spectral distances of two recordings: log-spectral, log-mel and multi-scale distance, and chroma agreement.

The distances in dB floor the two spectra 80 dB below the reference's greatest magnitude, so that they never depend on
inaudible parts, and leave out frames in which the whole reference lies on the floor.
"""

import librosa
import numpy as np
import soxr
import torch

from latentstem.audio.level import ACTIVITY_RANGE_DB
from latentstem.losses.spectral import multi_scale_spectral_distance

SPECTRUM_RANGE_DB = 80.0
MEL_BANDS = 80
CHROMA_RATE = 22050
CHROMA_HOP = 512
CHROMA_LEAST = 3.0  # seconds; the longest filters of the constant-Q transform want that much


def log_spectral_distance(
    reference_audio: np.ndarray, estimate_audio: np.ndarray, window_length: int = 2048, hop_length: int = 512
) -> float:
    """Compute the root mean square over frequency of the difference of two spectra in dB, averaged over frames.

    Gray and Markel, "Distance measures for speech processing" (1976). The spectra are floored 80 dB below the
    reference's greatest magnitude; frames in which the whole reference lies on the floor do not count.

    Args:
        reference_audio: Reference recording, mono, `(samples,)`.
        estimate_audio: Recording to compare, mono, `(samples,)`, of equal length.
        window_length: Length of the Hann window in samples.
        hop_length: Hop between frames in samples.

    Returns:
        The distance in dB; 0 for a silent reference.

    Raises:
        ValueError: If an array is not one-dimensional, or the lengths differ.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).standard_normal(22050)
        >>> round(log_spectral_distance(noise, 0.1 * noise), 3)
        20.0
    """
    reference, estimate = (
        _magnitudes(audio, window_length, hop_length) for audio in _pair(reference_audio, estimate_audio)
    )
    difference = _decibels_apart(reference, estimate)
    return float(np.sqrt((difference**2).mean(axis=0)).mean()) if difference.size else 0.0


def log_mel_l1(
    reference_audio: np.ndarray,
    estimate_audio: np.ndarray,
    sampling_rate: int,
    window_length: int = 2048,
    hop_length: int = 512,
) -> float:
    """Compute the mean absolute difference of two log-mel spectrograms of 80 bands in dB.

    The magnitudes are floored 80 dB below the reference's greatest magnitude; frames in which the whole reference lies
    on the floor do not count.

    Args:
        reference_audio: Reference recording, mono, `(samples,)`.
        estimate_audio: Recording to compare, mono, `(samples,)`, of equal length.
        sampling_rate: Sampling rate of the recordings in Hz.
        window_length: Length of the Hann window in samples.
        hop_length: Hop between frames in samples.

    Returns:
        The distance in dB; 0 for a silent reference.

    Raises:
        ValueError: If an array is not one-dimensional, or the lengths differ.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).standard_normal(22050)
        >>> round(log_mel_l1(noise, 0.1 * noise, 44100), 3)
        20.0
    """
    bands = librosa.filters.mel(sr=sampling_rate, n_fft=window_length, n_mels=MEL_BANDS)
    reference, estimate = (
        bands @ _magnitudes(audio, window_length, hop_length) for audio in _pair(reference_audio, estimate_audio)
    )
    difference = _decibels_apart(reference, estimate)
    return float(np.abs(difference).mean()) if difference.size else 0.0


def multi_scale_distance(reference_audio: np.ndarray, estimate_audio: np.ndarray, sampling_rate: int) -> float:
    """Compute the multi-scale spectral distance, the autoencoder's training loss, between two recordings.

    The distance depends on absolute levels: level-match the recordings first, as for training.

    Args:
        reference_audio: Reference recording, mono, `(samples,)`.
        estimate_audio: Recording to compare, mono, `(samples,)`, of equal length.
        sampling_rate: Sampling rate of the recordings in Hz.

    Returns:
        The distance, see `latentstem.losses.MultiScaleSpectralDistance`.

    Raises:
        ValueError: If an array is not one-dimensional, or the lengths differ.

    Example:
        >>> import numpy as np
        >>> noise = 0.1 * np.random.default_rng(0).standard_normal(22050)
        >>> multi_scale_distance(noise, noise, 44100), multi_scale_distance(noise, 0.1 * noise, 44100) > 1.0
        (0.0, True)
    """
    pair = np.stack(_pair(reference_audio, estimate_audio)).astype(np.float32)
    reference, estimate = torch.from_numpy(pair)[:, None, None]
    return float(multi_scale_spectral_distance(estimate, reference, sampling_rate))


def chroma_agreement(reference_audio: np.ndarray, estimate_audio: np.ndarray, sampling_rate: int) -> float:
    """Compute the mean cosine of two recordings' chroma over the sounding frames of the reference.

    Chroma are the 12 pitch classes of a constant-Q transform over seven octaves from C1 (librosa), every 23 ms. A frame
    sounds within 40 dB of the loudest one, as in `latentstem.audio.active_rms`; where the estimate is silent the cosine
    counts 0. Chroma are never negative, so unrelated music still scores about a half: compare the value with that of
    another song.

    Args:
        reference_audio: Reference recording, mono, `(samples,)`, any level.
        estimate_audio: Recording to compare, mono, `(samples,)`, any level.
        sampling_rate: Sampling rate of the recordings in Hz.

    Returns:
        The agreement in [0, 1]; 0 for a silent reference.

    Raises:
        ValueError: If an array is not one-dimensional, or the lengths differ.

    Example:
        >>> import numpy as np
        >>> time = np.arange(44100) / 22050
        >>> a, b_flat = np.sin(2 * np.pi * 220.0 * time), np.sin(2 * np.pi * 233.08 * time)
        >>> round(chroma_agreement(a, 0.1 * a, 22050), 2), chroma_agreement(a, b_flat, 22050) < 0.2
        (1.0, True)
    """
    pair = _pair(reference_audio, estimate_audio)
    (reference, sounding), (estimate, estimate_sounding) = (_chroma(audio, sampling_rate) for audio in pair)
    if not sounding.any():
        return 0.0
    norms = np.linalg.norm(reference, axis=0) * np.linalg.norm(estimate, axis=0)
    cosine = np.where(estimate_sounding, (reference * estimate).sum(axis=0) / np.maximum(norms, 1e-12), 0.0)
    return float(cosine[sounding].mean())


def _chroma(audio: np.ndarray, sampling_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the chroma `(12, frames)`, and which frames sound, `(frames,)`."""
    audio = np.asarray(soxr.resample(audio, sampling_rate, CHROMA_RATE) if len(audio) else audio, dtype=np.float32)
    audio = np.pad(audio, (0, max(0, round(CHROMA_LEAST * CHROMA_RATE) - len(audio))))
    # Tuning is fixed: estimated, it would differ between the two recordings.
    chroma = librosa.feature.chroma_cqt(y=audio, sr=CHROMA_RATE, hop_length=CHROMA_HOP, tuning=0.0)
    rms = librosa.feature.rms(y=audio, frame_length=4 * CHROMA_HOP, hop_length=CHROMA_HOP)[0]
    return chroma, (rms > 0.0) & (rms >= rms.max() * 10.0 ** (-ACTIVITY_RANGE_DB / 20.0))


def _pair(reference_audio: np.ndarray, estimate_audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference, estimate = np.asarray(reference_audio, dtype=np.float64), np.asarray(estimate_audio, dtype=np.float64)
    if reference.ndim != 1 or reference.shape != estimate.shape:
        raise ValueError(
            f"got audio of shapes {reference.shape} and {estimate.shape}, expected (samples,) twice: "
            "cut both recordings to one length"
        )
    return reference, estimate


def _magnitudes(audio: np.ndarray, window_length: int, hop_length: int) -> np.ndarray:
    """Compute the magnitudes of centred frames `(bins, frames)`; short audio is padded with zeros to a window."""
    audio = np.pad(audio, (0, max(0, window_length - len(audio))))
    return np.abs(librosa.stft(audio, n_fft=window_length, hop_length=hop_length, pad_mode="constant"))


def _decibels_apart(reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Subtract magnitudes `(bands, frames)` in dB over the audible frames; a silent reference has none."""
    floor = float(reference.max(initial=0.0)) * 10.0 ** (-SPECTRUM_RANGE_DB / 20.0)
    audible = (reference > floor).any(axis=0)
    if not audible.any():
        return reference[:, :0]
    reference, estimate = (20.0 * np.log10(np.maximum(s[:, audible], floor)) for s in (reference, estimate))
    return reference - estimate
