"""The singer: one voice within its range, by step, on chord tones where it holds, with breaths between phrases."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.beats import BeatChord, BeatSection
from latentstem.data.compose.harmony import ChordType
from latentstem.data.compose.melody import scale_over
from latentstem.data.compose.timing import TIME_SIGNATURES, TimeMap
from latentstem.data.compose.voice import RANGE, REGISTER_VOICE, write_voice
from latentstem.data.rng import SeededRandom

seeds = st.integers(0, 100_000)
metres = st.sampled_from(TIME_SIGNATURES)


def song_of(metre, tempo=90.0):
    """Four sections of four bars over four chords of a bar each."""
    names = ("verse", "chorus", "verse", "chorus")
    sections = [BeatSection(name, 4 * order, 4 * order + 4) for order, name in enumerate(names)]
    roots = ((0, (0, 4, 7)), (9, (0, 3, 7)), (5, (0, 4, 7)), (7, (0, 4, 7, 10)))
    chords = [
        BeatChord(ChordType(*roots[bar % 4]), float(bar * metre.beats), float((bar + 1) * metre.beats), 0, "major")
        for bar in range(16)
    ]
    return sections, chords, TimeMap(tempo, metre, 0.0, 0.5, 60.0)


@given(seeds, metres)
def test_a_voice_is_one_note_at_a_time_in_its_range_and_in_the_scale(draw_chords, seed, metre):
    chords = draw_chords(seed, metre)
    sections = [BeatSection("verse", 0, int(-(-chords[-1].end // metre.beats)))]
    notes = write_voice(SeededRandom(seed), sections, chords, TimeMap(100.0, metre, 0.0, 0.5, 200.0))
    assert all(before.end <= after.start for before, after in pairwise(notes))
    pitches = [note.pitch for note in notes]
    assert REGISTER_VOICE[0] <= min(pitches) and max(pitches) <= REGISTER_VOICE[1]
    assert max(pitches) - min(pitches) <= RANGE
    for note in notes:
        under = [chord for chord in chords if chord.start < note.end - 1e-6 and note.start < chord.end - 1e-6]
        assert note.pitch % 12 in scale_over(under[0])
        # What is held into other chords belongs to them.
        assert all(note.pitch % 12 in chord.harmony.pitch_classes for chord in under[1:])
        if note.end - note.start >= 1.0 or note.start % 1 < 1e-6:
            assert note.pitch % 12 in under[0].harmony.pitch_classes


@pytest.mark.parametrize("metre", TIME_SIGNATURES, ids=lambda metre: metre.name)
def test_a_voice_moves_by_step_and_holds_the_end_of_a_phrase(metre):
    moves, held, rests = [], [], []
    for seed in range(30):
        notes = write_voice(SeededRandom(seed), *song_of(metre))
        for before, after in pairwise(notes):
            if after.start - before.end > 0.7:
                held.append(before.end - before.start)
                rests.append(after.start - before.end)
            else:
                moves.append(abs(after.pitch - before.pitch))
        assert sum(note.end - note.start for note in notes) < 0.85 * 16 * metre.beats
    assert np.mean(np.array(moves) <= 2) > 0.6 and np.mean(np.array(moves) > 7) < 0.02
    assert np.mean(held) > 0.8 and len(rests) > 30 * 4


@pytest.mark.parametrize("metre", TIME_SIGNATURES, ids=lambda metre: metre.name)
def test_the_tune_of_a_section_comes_back(metre):
    for seed in range(10):
        sections, chords, time_map = song_of(metre)
        notes = write_voice(SeededRandom(seed), sections, chords, time_map)
        length = 4 * metre.beats
        verse, again = (
            [round(note.start - start, 6) for note in notes if start <= note.start < start + length]
            for start in (0, 2 * length)
        )
        assert verse == again


@given(seeds, metres, st.floats(50.0, 180.0))
def test_a_voice_breathes_before_the_next_section(seed, metre, tempo):
    sections, chords, time_map = song_of(metre, tempo)
    notes = write_voice(SeededRandom(seed), sections, chords, time_map)
    for section in sections:
        start, stop = section.first * metre.beats, section.stop * metre.beats
        assert all(note.end <= stop - 1 for note in notes if start <= note.start < stop)


@given(seeds, metres)
def test_a_seed_decides_the_voice(seed, metre):
    first, again = (write_voice(SeededRandom(seed), *song_of(metre)) for _ in range(2))
    assert first == again
