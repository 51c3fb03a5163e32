"""Where a bass line lies and how busy it is: the median pitch of its voiced frames, and its onsets a second."""

from collections.abc import Sequence

import numpy as np

from latentstem.evaluation.pitch import PitchTrack


def median_pitch(track: PitchTrack) -> float:
    """Register of a line: the median MIDI pitch over its voiced frames, in which long notes count for more.

    Args:
        track: of the line, from `latentstem.evaluation.track_pitch`.

    Returns:
        MIDI pitch, fractional; NaN where no frame is voiced, since silence lies in no register.

    Example:
        >>> track = PitchTrack(np.array([0.0, 0.1]), np.array([55.0, 55.0]), np.array([True, True]))
        >>> median_pitch(track)
        33.0
    """
    if not track.voiced.any():
        return np.nan
    return float(np.median(69.0 + 12.0 * np.log2(track.frequency_hz[track.voiced] / 440.0)))


def register_distance(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Semitones between the `median_pitch` of two lines, always positive; NaN where either has no voiced frame.

    Example:
        >>> low, high = (PitchTrack(np.zeros(1), np.array([hertz]), np.ones(1, bool)) for hertz in (55.0, 110.0))
        >>> register_distance(low, high)
        12.0
    """
    return abs(median_pitch(estimate) - median_pitch(reference))


def density_ratio(reference_times: Sequence[float] | np.ndarray, estimate_times: Sequence[float] | np.ndarray) -> float:
    """How many times as many notes a second one line plays as another over the same time.

    Args:
        reference_times: onsets of the true line, in seconds.
        estimate_times: onsets of the line to judge, in seconds.

    Returns:
        The ratio; NaN where the true line has no onset.

    Example:
        >>> density_ratio([0.0, 1.0], [0.0, 0.5, 1.0])
        1.5
    """
    return len(estimate_times) / len(reference_times) if len(reference_times) else np.nan
