"""Brightness that follows a control: the high frequencies of a sound, lowered by a factor."""

import numpy as np
from scipy.signal import lfilter

from latentstem.audio.rate import SAMPLING_RATE


def tilt(audio: np.ndarray, brightness: np.ndarray | float, corner: float, poles: int = 1) -> np.ndarray:
    """Lower what lies above a corner frequency: `low + brightness (audio - low)`.

    Args:
        audio: `(samples,)`.
        brightness: Factor of the high frequencies, at each sample or constant.
        corner: Corner in Hz of the low-pass that gives `low`.
        poles: Number of first-order low-passes in series.

    Returns:
        `(samples,)` float32, without delay.
    """
    factor = np.float32(np.exp(-2 * np.pi * min(corner, 0.4 * SAMPLING_RATE) / SAMPLING_RATE))
    low = audio.astype(np.float32)
    for _ in range(poles):
        low = np.asarray(lfilter(np.array([1 - factor]), np.array([1, -factor], np.float32), low), np.float32)
    return (low + brightness * (audio - low)).astype(np.float32)
