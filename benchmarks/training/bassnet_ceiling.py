"""What the notes of a window tell of the pattern that a bass follows, in BassNet's artificial set A4.

Several patterns of A4 begin with the same note, or hold one at the same time. A window of a tenth of a second mostly
has one note, and then nothing can name the pattern, however good the net. In A1 to A3 one note is enough.
"""

from collections.abc import Sequence

import numpy as np

from latentstem.data.compose.bassnet_sets import BEATS, PATTERNS, TRANSITION
from latentstem.models.bassnet_input import STEPS_PER_SECOND

LONGEST = 100
"""Steps of the longest windows whose notes are compared: they must be shorter than a measure, which lasts 1.2 s."""
_HALF_STEP = 0.5 / STEPS_PER_SECOND
_Notes = tuple[tuple[float, float, int, bool], ...]


def pattern_ceiling(expanded: int, windows: int = 20_000, seed: int = 0) -> float:
    """Compute how often the pattern in the middle of a window can be named at best.

    The judge knows the tempo, the chord, the place of the window in its measure, and every note to the step; it names
    the pattern that is most probable given those.

    Args:
        expanded: Length of the windows in steps of 10 ms, at most `LONGEST`.
        windows: Number of windows that are drawn.
        seed: Seed of the drawing.

    Returns:
        Share of windows that are named right.

    Example:
        >>> pattern_ceiling(10, windows=2000) < pattern_ceiling(40, windows=2000)
        True
    """
    rng = np.random.default_rng(seed)
    count = len(PATTERNS["A4"])
    right = []
    for _ in range(windows):
        beat = 60.0 / rng.uniform(100.0, 200.0)
        start = rng.uniform(0.0, BEATS * beat)
        length = expanded / STEPS_PER_SECOND
        first, second = rng.integers(count), rng.integers(count)
        if rng.random() >= TRANSITION:
            second = first
        later = start + length / 2 >= BEATS * beat
        seen = _notes((first, second), start, length, beat)
        probabilities = np.zeros(count)
        for one in range(count):
            for other in range(count):
                if _notes((one, other), start, length, beat) == seen:
                    prior = 1 - TRANSITION if one == other else TRANSITION / (count - 1)
                    probabilities[other if later else one] += prior
        right.append(probabilities.max() / probabilities.sum())
    return float(np.mean(right))


def _notes(patterns: Sequence[int], start: float, length: float, beat: float) -> _Notes:
    """Notes in a window over two measures: begin and end in it, degree, and whether they begin in it."""
    notes = []
    for measure, pattern in enumerate(patterns):
        for position, duration, degree in PATTERNS["A4"][pattern]:
            begin = (measure * BEATS + position) * beat - start
            end = begin + duration * beat
            if end > _HALF_STEP and begin < length - _HALF_STEP:
                notes.append((round(max(begin, 0.0), 2), round(min(end, length), 2), degree, begin >= 0))
    return tuple(notes)
