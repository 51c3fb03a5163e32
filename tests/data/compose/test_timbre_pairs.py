"""Timbre pairs: two parts with equal notes on different instruments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.composer import compose
from latentstem.data.compose.programs import BASSES
from latentstem.data.compose.timbre_pairs import compose_references, compose_timbre_pair
from latentstem.data.corpus import write_corpus
from latentstem.data.render.instruments import draw_instruments
from latentstem.data.score import REGISTER_BASS
from latentstem.data.stems.folder import StemFolder


@given(st.integers(0, 100_000))
def test_a_pair_has_the_notes_of_the_songs_bass_on_two_instruments_that_reach_them(seed):
    song, pair = compose(seed, 8.0), compose_timbre_pair(seed, 8.0)
    bass, other = pair.parts
    assert bass == song.part("bass") and (pair.chords, pair.duration) == (song.chords, song.duration)
    assert (other.name, other.notes, other.gain_db) == ("twin", bass.notes, bass.gain_db)
    assert other.program != bass.program and other.program in BASSES
    assert all(note.pitch >= BASSES[other.program].lowest for note in other.notes)


def test_every_deep_instrument_is_drawn():
    found = {compose_timbre_pair(seed, 2.0).part("twin").program for seed in range(300)}
    assert found >= {program for program, voice in BASSES.items() if voice.lowest == REGISTER_BASS[0]}
    assert any(BASSES[program].lowest > REGISTER_BASS[0] for program in found)  # a voice, where the line is high enough


@pytest.mark.fluidsynth
def test_a_pair_is_written_as_two_stems_that_sound_different(tmp_path):
    write_corpus(tmp_path, range(2), duration=4.0, workers=1, compose=compose_timbre_pair)
    for track in StemFolder(tmp_path).tracks:
        assert set(track.files) == {"bass", "twin"}
        bass, other = (track.read(stem)[0].numpy() for stem in ("bass", "twin"))
        assert np.corrcoef(bass, other)[0, 1] < 0.9


@pytest.mark.fluidsynth
def test_references_have_the_instruments_of_the_pair_and_notes_of_other_songs():
    for seed in range(3):
        pair, references = compose_timbre_pair(seed, 6.0), compose_references(seed, 6.0)
        assert draw_instruments(references) == draw_instruments(pair)
        assert draw_instruments(references)["bass"] == draw_instruments(compose(seed, 6.0))["bass"]
        lines = [part.notes for part in (*pair.parts, *references.parts)]
        assert lines[0] == lines[1] != lines[2] != lines[3]
        assert references.seed == pair.seed and references.duration == pair.duration


def test_references_of_a_part_that_few_songs_have_are_looked_for():
    for seed in range(4):
        references = compose_references(seed, 6.0, target="voice")
        assert all(part.notes for part in references.parts)
