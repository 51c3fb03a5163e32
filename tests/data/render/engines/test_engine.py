"""What engines share: draws with a band kept for tests, monophonic notes, sounds laid into a track."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.render.engines.engine import PatchDraws, add_at, loudness_of, monophonic
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note


@given(st.integers(0, 2**32), st.booleans())
def test_instruments_to_train_on_and_to_test_on_share_no_main_parameter(seed, logarithmic):
    seen, unseen = (
        PatchDraws(SeededRandom(seed), unseen=kept).main("cutoff", 10.0, 1000.0, logarithmic) for kept in (False, True)
    )
    low, high = (10 ** (1 + 2 * place) if logarithmic else 10 + 990 * place for place in (0.4, 0.6))
    assert low <= unseen <= high and not low < seen < high and 10 <= seen < 1000


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 2)), max_size=12))
def test_no_two_notes_of_one_voice_overlap(places):
    notes = [Note(start, start + length, 40, 90) for start, length in sorted(places)]
    cut = monophonic(notes)
    assert all(first.end <= second.start for first, second in itertools.pairwise(cut))
    assert all(note.end > note.start for note in cut)
    assert [note.start for note in cut] == sorted({note.start for note in notes})


@given(st.floats(0, 0.02), st.integers(0, 500))
def test_a_sound_is_added_where_it_starts_and_cut_at_the_end(start, length):
    track = np.ones(441)
    add_at(track, np.ones(length), start)
    first = round(start * 44100)
    expected = 1 + np.pad(np.ones(length), (first, 441))[:441]
    np.testing.assert_array_equal(track, expected)


def test_loudness_is_in_decibels():
    np.testing.assert_allclose([loudness_of(velocity, 40.0) for velocity in (0, 63.5, 127)], [0.01, 0.1, 1.0])
