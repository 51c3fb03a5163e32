"""The composer's promises, over many seeds."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.bassline import STYLES
from latentstem.data.composer import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS, compose
from latentstem.data.dice import Dice
from latentstem.data.harmony import MOVES, SCALES, SYMBOLS, diatonic
from latentstem.data.score import REGISTER_BASS, Song

seeds = st.integers(0, TEST_SEEDS.stop - 1)
durations = st.floats(0.5, 40.0).map(lambda seconds: round(seconds, 2))


def overlap(first, second):
    return max(0.0, min(first.end, second.end) - max(first.start, second.start))


@given(seeds, durations)
def test_a_seed_and_a_duration_name_one_song(seed, duration):
    assert compose(seed, duration) == compose(seed, duration)


def test_neighbouring_seeds_differ():
    songs = [compose(seed, 10.0) for seed in range(20)]
    assert len({song.bass.notes for song in songs}) == 20


def test_the_draws_stand_on_the_raw_stream_alone():
    # PCG64 of seed 0, as NumPy has written it since 1.17: a corpus must not change with the NumPy version.
    assert Dice(0).uniform(0.0, 1.0) == 0.6369616873214543
    assert [Dice(0).below(10), Dice(1).below(10), Dice(2).below(10)] == [6, 5, 2]


@given(seeds, durations)
def test_json_keeps_a_song(seed, duration):
    song = compose(seed, duration)
    assert Song.from_dict(json.loads(json.dumps(song.to_dict()))) == song


@given(seeds, durations)
def test_chords_tile_the_song(seed, duration):
    chords = compose(seed, duration).chords
    assert chords[0].start == 0.0
    assert chords[-1].end == duration
    assert all(before.end == after.start for before, after in pairwise(chords))
    assert all(chord.start < chord.end for chord in chords)
    assert all(chord.root == chord.pitch_classes[0] for chord in chords)
    assert all(len(set(chord.pitch_classes)) >= 3 for chord in chords)


@given(seeds, durations)
def test_the_bass_is_one_note_at_a_time_within_its_register(seed, duration):
    song = compose(seed, duration)
    notes = song.bass.notes
    assert song.bass.program in range(32, 40)
    assert all(REGISTER_BASS[0] <= note.pitch <= REGISTER_BASS[1] for note in notes)
    assert all(before.end < after.start for before, after in pairwise(notes))


@given(seeds, durations)
def test_every_note_lies_within_the_song(seed, duration):
    for part in compose(seed, duration).stems:
        assert all(0 <= note.start < note.end <= duration for note in part.notes)
        assert all(0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 for note in part.notes)
        assert list(part.notes) == sorted(part.notes, key=lambda note: (note.start, note.pitch))


@given(seeds)
def test_beats_keep_the_tempo_and_bars_fall_on_beats(seed):
    song = compose(seed, 30.0)
    assert np.diff(song.beats) == pytest.approx(60 / song.tempo, abs=2e-4)
    assert set(song.bars) <= set(song.beats)
    assert song.beats[0] < 0.2 and song.beats[-1] + 60 / song.tempo >= song.duration


def test_the_bass_follows_the_chords():
    on_chord, on_root = [], []
    for seed in range(50):
        song = compose(seed)
        time = chord_time = root_time = 0.0
        for note in song.bass.notes:
            for chord in song.chords:
                shared = overlap(note, chord)
                time += shared
                chord_time += shared * (note.pitch % 12 in chord.pitch_classes)
                root_time += shared * (note.pitch % 12 == chord.root)
        on_chord.append(chord_time / time)
        on_root.append(root_time / time)
    assert np.mean(on_chord) >= 0.95 and min(on_chord) >= 0.8
    assert 0.6 <= np.mean(on_root) <= 0.95


def test_the_chords_are_heard_without_the_bass():
    for seed in range(60):
        song = compose(seed)
        first = song.parts[0]
        for chord in song.chords:
            heard = {note.pitch % 12 for note in first.notes if overlap(note, chord) > 0.02}
            assert heard >= set(chord.pitch_classes), (seed, chord)


def test_the_corpus_is_varied():
    songs = [compose(seed) for seed in range(150)]
    assert {song.tonic for song in songs} == set(range(12))
    assert {song.mode for song in songs} == set(SCALES)
    assert {song.bass_style for song in songs} == set(STYLES)
    assert {song.bass.program for song in songs} == set(range(32, 40))
    assert len({part.program for song in songs for part in song.parts if not part.is_drum}) > 50
    assert 0.75 < np.mean([any(part.is_drum for part in song.parts) for song in songs]) < 0.95
    assert min(song.tempo for song in songs) < 80 and max(song.tempo for song in songs) > 160
    sounding = [sum(note.end - note.start for note in song.bass.notes) / song.duration for song in songs]
    assert 0.6 < np.mean(sounding) < 0.95 and min(sounding) > 0.3


def test_songs_have_two_or_three_comping_parts_with_names_of_their_own():
    for seed in range(100):
        song = compose(seed, 12.0)
        names = Counter(part.name for part in song.stems)
        assert max(names.values()) == 1
        assert sum(name.startswith("chords") for name in names) in (2, 3)
        assert not {"mixture", "other"} & set(names)


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("seventh", [False, True])
def test_diatonic_chords_stay_in_the_scale_and_have_names(mode, seventh):
    for tonic in range(12):
        for degree in range(7):
            chord = diatonic(tonic, mode, degree, seventh)
            assert {(pitch_class - tonic) % 12 for pitch_class in chord.pitch_classes} <= set(SCALES[mode])
            assert chord.intervals in SYMBOLS
    assert set(MOVES[mode]) == set(range(7))


def test_seed_ranges_do_not_meet():
    assert not set(TRAIN_SEEDS) & set(VALIDATION_SEEDS)
    assert not set(VALIDATION_SEEDS) & set(TEST_SEEDS)
    assert not set(TRAIN_SEEDS) & set(TEST_SEEDS)


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan")])
def test_a_duration_must_be_positive(duration):
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        compose(0, duration)
