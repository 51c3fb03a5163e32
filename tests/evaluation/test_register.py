import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import (
    PitchTrack,
    density_ratio,
    median_pitch,
    onset_times,
    register_distance,
    track_pitch,
)

RATE = 44100


@pytest.mark.parametrize("pitch", [28, 33, 45])
def test_a_tone_lies_at_its_own_pitch(synthesize, pitch):
    assert median_pitch(track_pitch(synthesize([(0.0, 1.0, pitch)], 1.0), RATE)) == pytest.approx(pitch, abs=0.2)


def test_long_notes_outweigh_short_ones(synthesize):
    line = synthesize([(0.0, 0.3, 50), (0.4, 0.7, 50), (0.8, 2.8, 33)], 3.0, decay=0.5)
    assert median_pitch(track_pitch(line, RATE)) == pytest.approx(33, abs=0.2)


@given(
    pitches=st.lists(st.floats(28, 60), min_size=1, max_size=20),
    shift=st.floats(-12, 12),
    unvoiced=st.integers(0, 5),
)
def test_the_distance_is_the_shift_whatever_is_unvoiced(pitches, shift, unvoiced):
    def track(semitones):
        hertz = np.array([440 * 2 ** ((pitch + semitones - 69) / 12) for pitch in pitches] + [np.nan] * unvoiced)
        return PitchTrack(np.arange(len(hertz)) / 43, hertz, ~np.isnan(hertz))

    middle = sorted(pitches)[(len(pitches) - 1) // 2 : len(pitches) // 2 + 1]
    assert median_pitch(track(0.0)) == pytest.approx(sum(middle) / len(middle))
    assert register_distance(track(0.0), track(shift)) == pytest.approx(abs(shift), abs=1e-9)


def test_silence_has_no_register_and_no_density():
    silent = track_pitch(np.zeros(RATE), RATE)
    assert np.isnan(median_pitch(silent)) and np.isnan(register_distance(silent, silent))
    assert np.isnan(density_ratio([], [1.0])) and density_ratio([1.0], []) == 0.0


def test_twice_the_notes_are_twice_as_dense(synthesize):
    slow = synthesize([(k / 2, k / 2 + 0.4, 33) for k in range(8)], 4.0)
    fast = synthesize([(k / 4, k / 4 + 0.2, 33) for k in range(16)], 4.0)
    assert density_ratio(onset_times(slow, RATE), onset_times(fast, RATE)) == pytest.approx(2.0, abs=0.15)
