"""Lines: notes begin at onsets, sounds and jumps of pitch, slides are bends, and nothing malformed is accepted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.line import BEND_RANGE, HOP, PitchLine


def hertz(pitch):
    return 440 * 2 ** ((np.asarray(pitch, float) - 69) / 12)


def line_of(notes, frames):
    """A line from (first frame, end frame, pitch, level in dB)."""
    frequency, level, onset = np.zeros(frames), np.full(frames, -80.0), np.zeros(frames)
    for first, end, pitch, loudness in notes:
        frequency[first:end], level[first:end], onset[first] = hertz(pitch), loudness, 0.9
    return PitchLine(frequency, level, onset)


notes_with_rests = st.lists(
    st.tuples(st.integers(0, 20), st.integers(6, 60), st.integers(28, 60), st.floats(-25.0, -5.0)),
    min_size=1,
    max_size=12,
)


@given(notes_with_rests)
def test_the_notes_of_a_line_are_found(steps):
    written, time = [], 0
    for rest, length, pitch, level in steps:
        written.append((time + rest, time + rest + length, pitch, level))
        time += rest + length
    found = line_of(written, time + 5).notes()
    assert [(b.note.start, b.note.end, b.note.pitch) for b in found] == [
        (round(first * HOP, 4), round(end * HOP, 4), pitch) for first, end, pitch, _ in written
    ]
    loudest = max(level for *_, level in written)
    for bent, (*_, level) in zip(found, written, strict=True):
        assert not bent.bends
        assert bent.note.velocity == pytest.approx(127 * (1 + (level - loudest) / 40), abs=1)


def test_repeated_notes_need_onsets_and_jumps_need_none():
    frequency = np.repeat(hertz([40, 40, 45]), 30)
    level, onset = np.full(90, -10.0), np.zeros(90)
    assert [bent.note.pitch for bent in PitchLine(frequency, level, onset).notes()] == [40, 45]
    onset[28:32] = [0.2, 0.4, 0.8, 0.4]  # one peak, where the second note begins
    found = PitchLine(frequency, level, onset).notes()
    assert [(bent.note.start, bent.note.pitch) for bent in found] == [(0.0, 40), (0.3, 40), (0.6, 45)]


def test_a_slide_is_one_note_with_bends_and_an_outlier_is_none():
    pitch = np.r_[np.full(20, 40.0), np.linspace(40, 41, 30), np.full(60, 41.0)]
    pitch[80] = 52.0  # one frame of an octave's error
    (slid,) = PitchLine(hertz(pitch), np.full(110, -10.0), np.zeros(110)).notes()
    assert slid.note.pitch == 41
    times, departures = np.array(slid.bends).T
    assert departures[0] == pytest.approx(-1.0, abs=0.05) and departures[-1] == pytest.approx(0.0, abs=0.05)
    assert (np.diff(times) > 0).all() and np.abs(departures).max() <= BEND_RANGE


def test_silence_has_no_notes():
    assert PitchLine(np.zeros(0), np.zeros(0), np.zeros(0)).notes() == []
    assert PitchLine(np.full(9, 50.0), np.full(9, -80.0), np.ones(9)).notes() == []
    assert PitchLine(np.zeros(9), np.zeros(9), np.ones(9)).notes() == []


@pytest.mark.parametrize(
    "values",
    [
        (np.zeros(3), np.zeros(4), np.zeros(3)),
        (np.zeros((3, 1)), np.zeros((3, 1)), np.zeros((3, 1))),
        (np.full(3, np.nan), np.zeros(3), np.zeros(3)),
        (np.full(3, -1.0), np.zeros(3), np.zeros(3)),
    ],
)
def test_what_is_no_line_is_refused(values):
    with pytest.raises(ValueError, match="expected"):
        PitchLine(*values)


@given(st.lists(st.floats(0.02, 0.3), min_size=1, max_size=12))
def test_uncertain_onsets_give_as_many_notes_as_they_add_up_to(chances):
    onset = np.zeros(30 * len(chances))
    onset[15::30] = chances
    line = PitchLine(np.full(len(onset), 55.0), np.full(len(onset), -10.0), onset)
    starts = [round(bent.note.start * 100) for bent in line.notes()]
    expected = round(sum(chances))
    least = sorted(chances)[::-1][expected - 1] if expected else 1.0
    # The first note begins with the sound.
    assert starts == [0, *(15 + 30 * place for place, chance in enumerate(chances) if chance >= least)]
