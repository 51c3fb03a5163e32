"""A bass and its twin: the same notes, another instrument."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.composer import compose
from latentstem.data.corpus import write_corpus
from latentstem.data.programs import BASSES
from latentstem.data.score import REGISTER_BASS
from latentstem.data.stems import StemFolder
from latentstem.data.twins import compose_twins


@given(st.integers(0, 100_000))
def test_twins_play_the_notes_of_the_songs_bass_on_another_instrument_that_goes_as_deep(seed):
    song, twins = compose(seed, 8.0), compose_twins(seed, 8.0)
    bass, twin = twins.parts
    assert bass == song.part("bass") and (twins.chords, twins.duration) == (song.chords, song.duration)
    assert (twin.name, twin.notes, twin.gain_db) == ("twin", bass.notes, bass.gain_db)
    assert twin.program != bass.program and twin.program in BASSES
    assert all(note.pitch >= BASSES[twin.program].lowest for note in twin.notes)


def test_every_deep_instrument_becomes_a_twin():
    found = {compose_twins(seed, 2.0).part("twin").program for seed in range(300)}
    assert found >= {program for program, voice in BASSES.items() if voice.lowest == REGISTER_BASS[0]}
    assert any(BASSES[program].lowest > REGISTER_BASS[0] for program in found)  # a voice, where the line is high enough


@pytest.mark.fluidsynth
def test_twins_are_written_as_two_stems_that_sound_different(tmp_path):
    write_corpus(tmp_path, range(2), duration=4.0, workers=1, compose=compose_twins)
    for track in StemFolder(tmp_path).tracks:
        assert set(track.files) == {"bass", "twin"}
        bass, twin = (track.read(stem).numpy() for stem in ("bass", "twin"))
        assert np.corrcoef(bass, twin)[0, 1] < 0.9
