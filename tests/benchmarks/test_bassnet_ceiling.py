"""How much the notes of a window tell of a pattern of BassNet's set A4."""

import pytest

from benchmarks.training.bassnet_ceiling import LONGEST, pattern_ceiling


def test_a_moment_tells_as_much_as_its_one_note():
    # Share of the five patterns that the degree names in each eighth of a measure, counted by hand: in the first one
    # four of them play the root.
    eighths = [2 / 5, 3 / 5, 4 / 5, 1, 3 / 5, 4 / 5, 4 / 5, 1]
    assert pattern_ceiling(1, windows=4000) == pytest.approx(sum(eighths) / 8, abs=0.03)


def test_longer_windows_tell_more():
    shares = [pattern_ceiling(steps, windows=1500) for steps in (5, 20, 60, LONGEST)]
    assert shares == sorted(shares) and 0.99 < shares[-1] <= 1
