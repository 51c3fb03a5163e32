"""Register of a line (median pitch of the voiced frames) and note density (ratio of onset counts)."""

from collections.abc import Sequence

import numpy as np

from latentstem.evaluation.pitch import PitchTrack


def median_pitch(track: PitchTrack) -> float:
    """Compute the register of a line: the median MIDI pitch over its voiced frames, so weighted by note lengths.

    Args:
        track: Pitch track of the line, from `latentstem.evaluation.track_pitch`.

    Returns:
        MIDI pitch, fractional; NaN where no frame is voiced.

    Example:
        >>> track = PitchTrack(np.array([0.0, 0.1]), np.array([55.0, 55.0]), np.array([True, True]))
        >>> median_pitch(track)
        33.0
    """
    if not track.voiced.any():
        return np.nan
    return float(np.median(69.0 + 12.0 * np.log2(track.frequency_hz[track.voiced] / 440.0)))


def register_distance(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Compute the distance of the registers of two lines.

    Args:
        reference: Pitch track of the true line.
        estimate: Pitch track of the line to compare.

    Returns:
        Semitones between the `median_pitch` of the lines, not negative; NaN where a line has no voiced frame.

    Example:
        >>> low, high = (PitchTrack(np.zeros(1), np.array([hertz]), np.ones(1, bool)) for hertz in (55.0, 110.0))
        >>> register_distance(low, high)
        12.0
    """
    return abs(median_pitch(estimate) - median_pitch(reference))


def density_ratio(reference_times: Sequence[float] | np.ndarray, estimate_times: Sequence[float] | np.ndarray) -> float:
    """Compute the ratio of the note densities of two lines of one duration.

    Args:
        reference_times: Onsets of the true line, in seconds.
        estimate_times: Onsets of the line to compare, in seconds.

    Returns:
        Onsets of the estimate over those of the reference; NaN where the reference has no onset.

    Example:
        >>> density_ratio([0.0, 1.0], [0.0, 0.5, 1.0])
        1.5
    """
    return len(estimate_times) / len(reference_times) if len(reference_times) else np.nan
