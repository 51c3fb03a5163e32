"""Lead melodies: one voice in the scale, chord tones on the beat, repetition and rests."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.harmony import SCALES, ChordType
from latentstem.data.compose.melody import write_melody
from latentstem.data.compose.timing import TIME_SIGNATURES
from latentstem.data.rng import SeededRandom

seeds = st.integers(0, 100_000)
metres = st.sampled_from(TIME_SIGNATURES)


@given(seeds, metres)
def test_a_lead_is_one_voice_in_the_scale_with_chord_tones_on_the_beat(
    draw_chords, notes_of, assert_in_chords, seed, metre
):
    chords = draw_chords(seed, metre, foreign=False)
    notes = write_melody(SeededRandom(seed), chords, metre)
    assert_in_chords(notes, chords)
    assert all(before.end <= after.start + 1e-6 for before, after in pairwise(notes))
    scale = {(chords[0].tonic + step) % 12 for step in SCALES[chords[0].mode]}
    for chord in chords:
        for note in notes_of(notes, chord):
            assert note.pitch % 12 in scale | set(chord.harmony.pitch_classes)
            assert note.start % 1 > 1e-6 or note.pitch % 12 in chord.harmony.pitch_classes


@pytest.mark.parametrize("metre", TIME_SIGNATURES, ids=lambda metre: metre.name)
def test_a_lead_repeats_its_bars_and_rests(metre):
    for seed in range(20):
        chords = [BeatChord(ChordType(0, (0, 4, 7)), 0.0, 16.0 * metre.beats, 0, "major")]
        bars = [[] for _ in range(16)]
        notes = write_melody(SeededRandom(seed), chords, metre)
        for note in notes:
            bars[int(note.start // metre.beats)].append(round(note.start % metre.beats, 3))
        assert len({tuple(bar) for bar in bars}) <= 12
        sounding = sum(note.end - note.start for note in notes)
        assert 0.1 < sounding / chords[0].end < 0.9


def test_no_chords_no_lead():
    assert write_melody(SeededRandom(0), [], TIME_SIGNATURES[0]) == []


@given(seeds, metres)
def test_a_seed_decides_the_melody(draw_chords, seed, metre):
    first, again = (write_melody(SeededRandom(seed), draw_chords(seed, metre), metre) for _ in range(2))
    assert first == again
