"""The map from beats to seconds: swing moves the off-beat eighths, a shuffle the off-beat sixteenths."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.timing import TIME_SIGNATURES, TimeMap

middles = st.floats(0.5, 0.7)


@given(st.floats(40.0, 200.0), middles, middles, st.integers(0, 100))
def test_swing_moves_the_eighths_and_a_shuffle_the_sixteenths_between_them(tempo, swing, shuffle, beat):
    time_map = TimeMap(tempo, TIME_SIGNATURES[0], 0.1, swing, 60.0, shuffle)
    quarter, sixteenth, eighth, last, following = (
        (time_map.seconds(beat + step / 4) - 0.1) * tempo / 60.0 for step in range(5)
    )
    assert (quarter, eighth, following) == pytest.approx((beat, beat + swing, beat + 1))
    assert (sixteenth - quarter) / (eighth - quarter) == pytest.approx(shuffle)
    assert (last - eighth) / (following - eighth) == pytest.approx(shuffle)


@given(middles, middles)
def test_time_goes_forward(swing, shuffle):
    time_map = TimeMap(100.0, TIME_SIGNATURES[2], 0.0, swing, 60.0, shuffle)
    times = [time_map.seconds(step / 24) for step in range(100)]
    assert all(before < after for before, after in pairwise(times))
