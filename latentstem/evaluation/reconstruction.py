"""What an autoencoder's round trip keeps of a bass: pitch, onsets, spectrum.

Waveform errors such as SI-SDR are left out on purpose: the decoder generates its phase.
"""

from dataclasses import dataclass

import librosa
import numpy as np

from latentstem.evaluation.pitch import track_agreement, track_pitch
from latentstem.evaluation.rhythm import onset_lag

SPECTRUM_RANGE_DB = 80.0


@dataclass(frozen=True)
class RoundTrip:
    """Figures of one round trip.

    Attributes:
        pitch_agreement: share of the original's voiced frames within 50 cents, see `track_agreement`.
        voiced_ratio: voiced frames of the reconstruction over those of the original.
        onset_lag: delay of the reconstruction in seconds, see `onset_lag`.
        log_spectral_distance: in dB, see `log_spectral_distance`.

    Example:
        >>> RoundTrip(0.9, 1.0, 0.001, 4.2).pitch_agreement
        0.9
    """

    pitch_agreement: float
    voiced_ratio: float
    onset_lag: float
    log_spectral_distance: float


def round_trip(reference_audio: np.ndarray, estimate_audio: np.ndarray, sampling_rate: int) -> RoundTrip:
    """Compares a reconstruction with its original.

    Args:
        reference_audio: the original, `(samples,)`.
        estimate_audio: what came back, `(samples,)`.
        sampling_rate: of both, in Hz.

    Returns:
        The figures. A silent original has pitch agreement and voiced ratio 0.

    Raises:
        ValueError: if an array is not one-dimensional or is empty, or if the lengths differ.

    Example:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 110 * np.arange(11025) / 11025)
        >>> figures = round_trip(tone, 0.5 * tone, 11025)
        >>> figures.pitch_agreement, figures.voiced_ratio, abs(figures.onset_lag) < 1e-6
        (1.0, 1.0, True)
    """
    reference, estimate = (track_pitch(audio, sampling_rate) for audio in (reference_audio, estimate_audio))
    return RoundTrip(
        pitch_agreement=track_agreement(reference, estimate),
        voiced_ratio=estimate.voiced_share / reference.voiced_share if reference.voiced.any() else 0.0,
        onset_lag=onset_lag(reference_audio, estimate_audio, sampling_rate),
        log_spectral_distance=log_spectral_distance(reference_audio, estimate_audio),
    )


def log_spectral_distance(
    reference_audio: np.ndarray, estimate_audio: np.ndarray, window_length: int = 2048, hop_length: int = 512
) -> float:
    """Root mean square over frequency of the difference of two spectra in dB, averaged over frames.

    Gray and Markel, "Distance measures for speech processing" (1976). Both spectra are floored 80 dB below the
    reference's greatest magnitude, so that the distance never hangs on what cannot be heard; frames in which
    the reference lies on the floor throughout do not count.

    Args:
        reference_audio: `(samples,)`.
        estimate_audio: `(samples,)`, as long.
        window_length: of the Hann window, in samples.
        hop_length: in samples.

    Returns:
        The distance in dB; 0 for a silent reference.

    Raises:
        ValueError: if an array is not one-dimensional, or the lengths differ.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).standard_normal(22050)
        >>> round(log_spectral_distance(noise, 0.1 * noise), 3)
        20.0
    """
    reference_audio, estimate_audio = (np.asarray(a, dtype=np.float64) for a in (reference_audio, estimate_audio))
    if reference_audio.ndim != 1 or reference_audio.shape != estimate_audio.shape:
        raise ValueError(
            f"got audio of shapes {reference_audio.shape} and {estimate_audio.shape}, expected (samples,) twice: "
            "cut both recordings to one length"
        )
    reference, estimate = (
        np.abs(librosa.stft(audio, n_fft=window_length, hop_length=hop_length, pad_mode="constant"))
        for audio in (reference_audio, estimate_audio)
    )
    floor = reference.max() * 10.0 ** (-SPECTRUM_RANGE_DB / 20.0)
    heard = (reference > floor).any(axis=0)
    if not heard.any():
        return 0.0
    reference, estimate = (20.0 * np.log10(np.maximum(s[:, heard], floor)) for s in (reference, estimate))
    return float(np.sqrt(((reference - estimate) ** 2).mean(axis=0)).mean())
