"""Timbre of a bass as a vector of MFCC statistics, independent of the nets, and a classifier of instruments on it."""

from collections.abc import Hashable, Sequence

import librosa
import numpy as np
import soxr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from latentstem.evaluation.style import sounding_frames

ANALYSIS_RATE = 22050
WINDOW_LENGTH = 2048
HOP_LENGTH = 512
MEL_BANDS = 64
LOWEST_HZ = 30.0
COEFFICIENTS = 20
FLOOR_DB = 60.0
"""Decibels below the loudest band at which bands are floored, so that the silence between notes does not count."""


def timbre(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Compute the timbre of a recording, whatever its level, from mel-frequency cepstral coefficients.

    Args:
        audio: Mono audio `(samples,)`.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Mean over the sounding frames of coefficients 1 to 20, then their standard deviation, `(40,)`. Coefficient 0,
        the level, is left out. All zero in silence.

    Raises:
        ValueError: If the audio is not one-dimensional.

    Example:
        >>> time = np.arange(22050) / 22050
        >>> dull, bright = (np.sin(2 * np.pi * hertz * time) for hertz in (55.0, 1760.0))
        >>> bool(timbre(dull, 22050)[0] > timbre(bright, 22050)[0])
        True
    """
    audio = np.asarray(audio, dtype=np.float32)
    if audio.ndim != 1:
        raise ValueError(f"got audio of shape {audio.shape}, expected (samples,): take the mean of the channels")
    audio = soxr.resample(audio, sampling_rate, ANALYSIS_RATE)
    sounding = sounding_frames(audio, HOP_LENGTH)
    if not sounding.any():
        return np.zeros(2 * COEFFICIENTS)
    power = librosa.feature.melspectrogram(
        y=audio, sr=ANALYSIS_RATE, n_fft=WINDOW_LENGTH, hop_length=HOP_LENGTH, n_mels=MEL_BANDS, fmin=LOWEST_HZ
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=FLOOR_DB)[:, : len(sounding)]
    coefficients = librosa.feature.mfcc(S=decibels, n_mfcc=COEFFICIENTS + 1)[1:, sounding]
    return np.concatenate([coefficients.mean(axis=1), coefficients.std(axis=1)])


def program_classifier(timbres: Sequence[np.ndarray], programs: Sequence[Hashable]) -> Pipeline:
    """Fit a classifier of instruments by their timbre: logistic regression on standardized vectors.

    Args:
        timbres: Timbre vectors of basses, `(dimensions,)` each.
        programs: Instrument of each timbre, at least two different ones.

    Returns:
        A fitted classifier of scikit-learn: `predict` gives programs, `predict_proba` their probabilities.

    Raises:
        ValueError: If `timbres` and `programs` differ in length, or there are fewer than two instruments.

    Example:
        >>> classifier = program_classifier([np.array([0.0]), np.array([1.0])], [32, 38])
        >>> classifier.predict(np.array([[0.9]])).tolist()
        [38]
    """
    if len(timbres) != len(programs) or len(set(programs)) < 2:
        raise ValueError(
            f"got {len(timbres)} timbres of {len(programs)} programs, {len(set(programs))} of them different; "
            "expected one program a timbre, and at least two instruments"
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    return classifier.fit(np.stack(timbres), list(programs))
