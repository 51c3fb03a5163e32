"""Metrics of an autoencoder's round trip of a bass: pitch, onsets and spectrum.

Waveform errors such as SI-SDR are left out on purpose: the decoder generates its phase.
"""

from dataclasses import dataclass

import numpy as np
import soxr

from latentstem.evaluation.pitch import PitchTrack, track_agreement, track_pitch
from latentstem.evaluation.rhythm import onset_lag
from latentstem.evaluation.spectrum import log_spectral_distance

PERTURBATION_DB = -1.0
PERTURBATION_RATIO = 1.01


@dataclass(frozen=True)
class RoundTrip:
    """Metrics of one round trip.

    Attributes:
        pitch_agreement: Fraction of the original's voiced frames within 50 cents, see `track_agreement`.
        pitch_ceiling: Pitch agreement of the original after `perturb`: the noise of the tracker.
        voiced_ratio: Voiced frames of the reconstruction over those of the original.
        onset_lag: Delay of the reconstruction in seconds, see `onset_lag`.
        log_spectral_distance: Log spectral distance in dB, see `log_spectral_distance`.

    Example:
        >>> RoundTrip(0.72, 0.96, 1.0, 0.001, 4.2).share_of_ceiling
        0.75
    """

    pitch_agreement: float
    pitch_ceiling: float
    voiced_ratio: float
    onset_lag: float
    log_spectral_distance: float

    @property
    def share_of_ceiling(self) -> float:
        """Pitch agreement over its ceiling; 0 where the ceiling is 0."""
        return self.pitch_agreement / self.pitch_ceiling if self.pitch_ceiling else 0.0


def round_trip(
    reference_audio: np.ndarray,
    estimate_audio: np.ndarray,
    sampling_rate: int,
    tracks: tuple[PitchTrack, PitchTrack] | None = None,
) -> RoundTrip:
    """Compare a reconstruction with its original.

    Args:
        reference_audio: Original, `(samples,)`.
        estimate_audio: Reconstruction, `(samples,)`.
        sampling_rate: Sampling rate of the recordings in Hz.
        tracks: Pitch tracks of original and reconstruction, from `track_pitch`, if they are known already: tracking is
            most of the work.

    Returns:
        The metrics. A silent original has pitch agreement and voiced ratio 0.

    Raises:
        ValueError: If an array is not one-dimensional or is empty, or if the lengths differ.

    Example:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 110 * np.arange(11025) / 11025)
        >>> metrics = round_trip(tone, 0.5 * tone, 11025)
        >>> metrics.pitch_agreement, metrics.voiced_ratio, abs(metrics.onset_lag) < 1e-6
        (1.0, 1.0, True)
    """
    reference, estimate = tracks or (track_pitch(audio, sampling_rate) for audio in (reference_audio, estimate_audio))
    ceiling = track_pitch(perturb(reference_audio, sampling_rate), sampling_rate)
    return RoundTrip(
        pitch_agreement=track_agreement(reference, estimate),
        pitch_ceiling=track_agreement(reference, ceiling),
        voiced_ratio=estimate.voiced_share / reference.voiced_share if reference.voiced.any() else 0.0,
        onset_lag=onset_lag(reference_audio, estimate_audio, sampling_rate),
        log_spectral_distance=log_spectral_distance(reference_audio, estimate_audio),
    )


def perturb(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Perturb a recording inaudibly: 1 dB softer, resampled by 1.01 and back.

    The pitch tracker's results on the perturbed recording differ a little from those on the original: that is the
    tracker's noise, and the ceiling of what a reconstruction can reach.

    Args:
        audio: Mono audio `(samples,)`.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Audio of the same length and rate.

    Raises:
        ValueError: If the audio is not one-dimensional.

    Example:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 110 * np.arange(11025) / 11025)
        >>> bool(np.abs(perturb(tone, 11025) - 0.8913 * tone)[100:-100].max() < 1e-3)
        True
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(f"got audio of shape {audio.shape}, expected (samples,): take the mean of the channels")
    there = soxr.resample(audio, sampling_rate, PERTURBATION_RATIO * sampling_rate)
    back = soxr.resample(there, PERTURBATION_RATIO * sampling_rate, sampling_rate)[: len(audio)]
    return np.pad(back, (0, len(audio) - len(back))) * back.dtype.type(10.0 ** (PERTURBATION_DB / 20.0))
