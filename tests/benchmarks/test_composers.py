"""The stored songs of version 0.1.0 are those that its composer wrote."""

import hashlib
import json
from dataclasses import astuple

import pytest

from benchmarks.common import composers
from latentstem.data.render.song import SynthEffects


@pytest.fixture(scope="module")
def stored():
    return composers.composer_of("0.1.0")


def digest(song):
    """Hash all notes, the bass first, and the annotations of time, keys and chords."""
    parts = [
        [part.name, part.program, part.is_drum, part.gain_db, [astuple(note) for note in part.notes]]
        for part in song.parts
    ]
    tiles = [astuple(tile) for tiles in (song.keys, song.chords) for tile in tiles]
    text = json.dumps([parts, [song.tempo, song.metre, song.swing, song.beats, song.bars, tiles]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(101_100, "84a899518172f991"), (101_123, "8bdce8e641b87e56"), (101_147, "4683b9ac007029bf")],
)
def test_a_test_song_is_what_the_composer_of_0_1_0_wrote(stored, seed, expected):
    assert digest(stored.compose(seed, 20.0)) == expected


def test_what_goes_with_the_test_songs_is_kept_too(stored):
    assert digest(stored.compose(101_110, 20.0, bass_player=1)) == "ee2607bc1efe79d9"
    assert digest(stored.compose_artificial("A1", 101_105, 22.4)) == "3e7680547e2148ff"
    assert digest(stored.compose_artificial("A4", 101_105, 22.4)) == "08e03d41a63cd26f"
    assert digest(stored.compose_timbre_pair(101_101, 20.0)) == "ca0f426b6c69227c"
    assert digest(stored.compose(199, 30.0)) == "40337c8709d41510"


def test_every_song_that_the_benchmarks_take_by_default_is_there(stored):
    for seed in composers.TEST_SONG_SEEDS[:48]:
        assert stored.compose(seed, 20.0).duration == 20.0
        assert stored.compose(seed, 20.0, bass_player=1) != stored.compose(seed, 20.0)
    for seed in range(200):
        assert stored.compose(seed, 20.0 + composers.INTRO).seed == seed
    for dataset in ("A1", "A2", "A3", "A4"):
        for seed in composers.TEST_SONG_SEEDS[:6]:
            assert stored.compose_artificial(dataset, seed, 20.0 + composers.LONGEST_MEASURE).seed == seed
    songs = [stored.compose(seed, 20.0) for seed in stored.test_song_seeds]
    assert sum(composers.in_band(song, composers.BAND) for song in songs) >= 25


def test_the_effects_are_those_that_the_songs_were_rendered_with(stored):
    # Drawn by numpy.random.default_rng(seed + 1_000_003) in 0.1.0: reverberation below 0.5, chorus below 0.3.
    drawn = [(False, False), (True, True), (False, True), (False, False)]
    assert [stored.effects(seed) for seed in (0, 1, 101_100, 101_147)] == [SynthEffects(*both) for both in drawn]


def test_a_song_that_is_not_stored_is_named(stored):
    with pytest.raises(ValueError, match=r"songs_of_0_1_0.zip holds no song 101100 30 among songs"):
        stored.compose(101_100, 30.0)


def test_the_current_composer_writes_other_seeds_and_lengths():
    song = composers.composer_of("current").compose(7, 3.0)
    assert (song.seed, song.duration) == (7, 3.0)
