"""Properties of composed songs, over many seeds."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.bass import STYLES
from latentstem.data.compose.beats import BeatNote, BeatSection
from latentstem.data.compose.chords import write_chords
from latentstem.data.compose.composer import compose
from latentstem.data.compose.form import PLANS, Arrangement, lay_out
from latentstem.data.compose.harmony import SCALES
from latentstem.data.compose.programs import BASSES
from latentstem.data.compose.timing import TIME_SIGNATURES, Humanization, TimeMap
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS, Song
from latentstem.data.splits import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS

seeds = st.integers(0, TEST_SEEDS.stop - 1)
durations = st.floats(0.5, 60.0).map(lambda seconds: round(seconds, 2))
BEATS = {metre.name: metre.beats for metre in TIME_SIGNATURES}


@pytest.fixture(scope="module")
def songs():
    """Two hundred songs of 24 seconds without a genre."""
    return [compose(seed, 24.0, genre="") for seed in range(200)]


def overlap(first, second):
    return max(0.0, min(first.end, second.end) - max(first.start, second.start))


@given(seeds, durations)
def test_a_seed_and_a_duration_name_one_song(seed, duration):
    assert compose(seed, duration) == compose(seed, duration)


@given(seed=seeds, player=st.integers(1, 1000))
def test_another_player_plays_another_bass_to_the_same_song(seed, player):
    song, other = compose(seed, 20.0), compose(seed, 20.0, player)
    assert other == compose(seed, 20.0, player)
    assert (other.chords, other.keys, other.beats) == (song.chords, song.keys, song.beats)
    assert other.others("bass") == song.others("bass") and other.part("bass") != song.part("bass")
    assert compose(seed, 20.0, bass_player=0) == song


@given(seed=seeds, duration=st.floats(0.5, 19.0))
def test_a_beginning_holds_what_starts_in_it_and_ends_with_it(seed, duration):
    song = compose(seed, 20.0)
    cut = song.beginning(duration)
    assert cut.duration == cut.chords[-1].end == cut.keys[-1].end == cut.sections[-1].end == duration
    assert [note.start for note in cut.part("bass").notes] == [
        n.start for n in song.part("bass").notes if n.start < duration
    ]
    assert all(note.end <= duration for part in cut.parts for note in part.notes)
    assert cut.beats == song.beats[: len(cut.beats)] and all(beat < duration for beat in cut.beats)
    assert song.beginning(20.0) == song


def test_neighbouring_seeds_differ():
    songs = [compose(seed, 10.0) for seed in range(20)]
    assert len({song.part("bass").notes for song in songs}) == 20


@given(seeds, durations)
def test_json_keeps_a_song(seed, duration):
    song = compose(seed, duration)
    assert Song.from_dict(json.loads(json.dumps(song.to_dict()))) == song


@given(seeds)
def test_a_song_of_schema_2_is_read_whose_bass_stands_apart(seed):
    song = compose(seed, 4.0)
    new = song.to_dict()
    del new["genre"]
    bass, *others = new["parts"]
    old = {**new, "schema": 2, "parts": others, "bass": bass}
    assert Song.from_dict(json.loads(json.dumps(old))) == replace(song, genre="")


@given(seeds)
def test_a_song_of_schema_3_is_read_which_has_no_genre(seed):
    song = compose(seed, 4.0)
    old = song.to_dict() | {"schema": 3}
    del old["genre"]
    assert Song.from_dict(json.loads(json.dumps(old))) == replace(song, genre="")


@given(seeds)
def test_parts_are_found_by_their_names(seed):
    song = compose(seed, 4.0)
    for name in song.names:
        assert song.part(name).name == name
        assert {part.name for part in song.others(name)} | {name} == set(song.names)
        assert len(song.others(name)) == len(song.parts) - 1
    with pytest.raises(ValueError, match=f"song {seed} has no part 'kazoo', expected one of bass, chords1"):
        song.part("kazoo")


def test_a_song_of_another_schema_is_refused():
    old = compose(0, 2.0).to_dict() | {"schema": 1}
    with pytest.raises(ValueError, match=r"schema 1, expected 2, 3 or 4: render the corpus again$"):
        Song.from_dict(old)


@given(seeds, durations)
def test_chords_keys_and_sections_tile_the_song(seed, duration):
    song = compose(seed, duration)
    for tiles in (song.chords, song.keys, song.sections):
        assert tiles[0].start == 0.0
        assert tiles[-1].end == duration
        assert all(before.end == after.start for before, after in pairwise(tiles))
        assert all(tile.start < tile.end for tile in tiles)
    # What changes, changes on a downbeat and with a chord.
    starts = {chord.start for chord in song.chords}
    assert {section.start for section in song.sections[1:]} <= set(song.bars) & starts
    assert {key.start for key in song.keys[1:]} <= {section.start for section in song.sections}
    assert all((before.tonic, before.mode) != (after.tonic, after.mode) for before, after in pairwise(song.keys))


@given(seeds, durations)
def test_chords_are_made_of_their_root_their_bass_and_others(seed, duration):
    for chord in compose(seed, duration).chords:
        assert chord.root == chord.pitch_classes[0]
        assert chord.bass in chord.pitch_classes
        assert len(set(chord.pitch_classes)) == len(chord.pitch_classes) >= 3
        assert ("/" in chord.symbol) == (chord.bass != chord.root)


@given(seeds, durations)
def test_the_bass_is_one_note_at_a_time_within_its_register(seed, duration):
    song = compose(seed, duration)
    notes = song.part("bass").notes
    assert song.part("bass").program in BASSES
    assert all(REGISTER_BASS[0] <= note.pitch <= REGISTER_BASS[1] for note in notes)
    assert all(before.end < after.start for before, after in pairwise(notes))


@given(seeds, durations)
def test_every_note_lies_within_the_song(seed, duration):
    for part in compose(seed, duration).parts:
        assert all(0 <= note.start < note.end <= duration for note in part.notes)
        assert all(0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 for note in part.notes)
        assert list(part.notes) == sorted(part.notes, key=lambda note: (note.start, note.pitch))


@given(seeds)
def test_beats_keep_the_tempo_and_bars_fall_on_beats(seed):
    song = compose(seed, 30.0)
    assert np.diff(song.beats) == pytest.approx(60 / song.tempo, abs=2e-4)
    assert song.bars == song.beats[:: BEATS[song.metre]]
    assert song.beats[0] < 0.2 and song.beats[-1] + 60 / song.tempo >= song.duration


def test_the_bass_follows_the_chords(songs):
    on_chord, on_bass = [], []
    for song in songs[:50]:
        time = chord_time = bass_time = 0.0
        for note in song.part("bass").notes:
            for chord in song.chords:
                shared = overlap(note, chord)
                time += shared
                chord_time += shared * (note.pitch % 12 in chord.pitch_classes)
                bass_time += shared * (note.pitch % 12 == chord.bass)
        on_chord.append(chord_time / time)
        on_bass.append(bass_time / time)
    assert np.mean(on_chord) >= 0.93 and min(on_chord) >= 0.7
    assert 0.6 <= np.mean(on_bass) <= 0.95


@pytest.mark.parametrize("duration", [1.0, 24.0])
def test_the_first_comping_part_sounds_every_chord_whole(duration):
    for seed in range(60):
        song = compose(seed, duration)
        first = song.part("chords1")
        for chord in song.chords:
            sounding = {note.pitch % 12 for note in first.notes if overlap(note, chord) > 0.02}
            assert sounding >= set(chord.pitch_classes), (seed, chord)


def test_the_corpus_is_varied(songs):
    assert {key.tonic for song in songs for key in song.keys} == set(range(12))
    assert {key.mode for song in songs for key in song.keys} == set(SCALES)
    assert {section.bass_style for song in songs for section in song.sections} == {*STYLES, ""}
    assert {song.part("bass").program for song in songs} >= set(range(32, 40))
    assert len({part.program for song in songs for part in song.parts if not part.is_drum}) > 50
    assert 0.75 < np.mean([any(part.is_drum for part in song.parts) for song in songs]) < 0.95
    assert min(song.tempo for song in songs) < 66 and max(song.tempo for song in songs) > 170
    assert 0.1 < np.mean([song.swing > 0.5 for song in songs]) < 0.3
    assert not any(song.swing > 0.5 for song in songs if song.metre == "6/8")
    metres = Counter(song.metre for song in songs)
    assert 130 < metres["4/4"] < 170 and metres["3/4"] > 10 and metres["6/8"] > 10
    assert {name for song in songs for part in song.sections for name in [part.name]} == set(" ".join(PLANS).split())
    sounding = [sum(note.end - note.start for note in song.part("bass").notes) / song.duration for song in songs]
    assert 0.6 < np.mean(sounding) < 0.95 and min(sounding) > 0.2


def test_harmony_is_varied(songs):
    chords = [chord for song in songs for chord in song.chords]
    suffixes = Counter(chord.symbol.partition("/")[0].lstrip("ABCDEFG").lstrip("b#") for chord in chords)
    for suffix in ("", "m", "7", "m7", "maj7", "sus4", "sus2", "7sus4", "6", "add9", "dim", "m7b5", "dim7", "aug"):
        assert suffixes[suffix] >= 3, suffix
    assert 0.04 < np.mean([chord.bass != chord.root for chord in chords]) < 0.2
    # Inversions, and basses that the chord itself does not have: that one comes last, after three or four tones.
    foreign = [chord for chord in chords if chord.bass == chord.pitch_classes[-1] and len(chord.pitch_classes) > 4]
    assert foreign
    assert 0.15 < np.mean([len(song.keys) > 1 for song in songs]) < 0.45
    steps = {(after.tonic - before.tonic) % 12 for song in songs for before, after in pairwise(song.keys)}
    assert steps >= {1, 2, 3, 5, 9}
    scales = []
    for song in songs:
        for chord in song.chords:
            key = next(key for key in song.keys if key.start <= chord.start < key.end)
            scales.append({(tone - key.tonic) % 12 for tone in chord.pitch_classes} <= set(SCALES[key.mode]))
    assert 0.7 < np.mean(scales) < 0.95


def test_a_song_has_sections_and_they_come_back(songs):
    assert np.mean([2 <= len({section.name for section in song.sections}) <= 4 for song in songs]) > 0.9
    long = [compose(seed, 180.0) for seed in range(8)]
    for song in long:
        names = Counter(section.name for section in song.sections)
        assert 5 <= len(song.sections) <= 20 and max(names.values()) >= 2
    again = []
    for song in long:
        first: dict[str, list[int]] = {}
        for section in song.sections:
            key = next(key for key in song.keys if key.start <= section.start < key.end)
            inside = [chord for chord in song.chords if section.start <= chord.start < section.end]
            line = [(chord.root - key.tonic) % 12 for chord in inside[:3]]
            if section.name in first:
                again.append(line == first[section.name])
            first.setdefault(section.name, line)
    assert len(again) > 10 and np.mean(again) > 0.9


def test_a_section_returns_chord_by_chord_also_when_it_is_lifted():
    names = ("verse", "chorus", "verse", "chorus", "bridge", "chorus")
    sections = [BeatSection(name, 4 * order, 4 * order + 4, order == 5) for order, name in enumerate(names)]
    lifts = set()
    for seed in range(60):
        chords = write_chords(
            SeededRandom(seed), sections, TimeMap(120.0, TIME_SIGNATURES[0], 0.0, 0.5, 60.0), blue=False
        )
        first, again, last = (
            [chord for chord in chords if start <= chord.start < start + 16] for start in (16, 48, 80)
        )
        for other in (again, last):
            lift = other[0].tonic - first[0].tonic
            lifts.add(lift % 12)
            # The last chord may lead into what follows.
            assert [chord.harmony for chord in other[:-1]] == [chord.harmony.moved(lift) for chord in first[:-1]]
            assert [chord.end - chord.start for chord in other] == [chord.end - chord.start for chord in first]
    assert lifts == {0, 1, 2}


def test_parts_rest_and_only_the_first_never_does(songs):
    resting = Counter()
    for song in songs[:80]:
        bars = np.array(song.bars)[:-1, None]
        for part in song.parts:
            starts, ends = np.array([(note.start, note.end) for note in part.notes]).reshape(-1, 2).T
            silent = ~((starts < bars + 60 / song.tempo) & (ends > bars + 0.05)).any(axis=1)
            resting[part.name] += silent.any()
    assert resting["drums"] > 15 and resting["bass"] > 10 and resting["chords2"] > 10
    assert resting["chords1"] == 0
    assert all(song.names[:2] == ("bass", "chords1") for song in songs)


def test_songs_have_one_to_three_comping_parts_with_names_of_their_own(songs):
    for song in songs:
        names = Counter(part.name for part in song.parts)
        assert max(names.values()) == 1
        assert sum(name.startswith("chords") for name in names) in (1, 2, 3)
        assert not {"mixture", "other"} & set(names)


@given(seeds, st.integers(1, 200), st.sampled_from([1, 2, 4, 8, 12, 16]))
def test_sections_tile_the_bars(seed, bars, unit):
    sections = lay_out(SeededRandom(seed), bars, unit)
    assert sections[0].first == 0 and sections[-1].stop == bars
    assert all(before.stop == after.first for before, after in pairwise(sections))
    assert all(0 < section.stop - section.first <= unit for section in sections)
    if bars > 2 * unit:
        assert len({section.name for section in sections}) >= 2


@given(seeds)
def test_no_part_sounds_in_a_rest_and_the_first_player_has_none(seed):
    sections = [
        BeatSection("intro", 0, 4),
        BeatSection("verse", 4, 12),
        BeatSection("break", 12, 16),
        BeatSection("chorus", 16, 24),
    ]
    arrangement = Arrangement(SeededRandom(seed), sections, ["bass", "chords1", "chords2", "drums", "lead"])
    notes = [BeatNote(beat / 2, beat / 2 + 6.0, 60, 80) for beat in range(24 * 8)]
    for part, rests in arrangement.rests.items():
        sounding = arrangement.apply_rests(part, notes, 4)
        bars = {int(note.start // 4) for note in sounding}
        assert bars == set(range(24)) - rests
        assert not any(note.start < 4 * bar < note.end - 1e-9 for note in sounding for bar in rests)
    assert not arrangement.rests["chords1"]
    assert len(arrangement.rests["bass"]) <= 8
    assert len(arrangement.arc) == 25


def test_a_push_moves_notes_and_an_arc_their_velocity():
    time_map = TimeMap(120.0, TIME_SIGNATURES[0], 0.0, 0.5, 30.0)
    notes = [BeatNote(float(beat), beat + 0.5, 60, 80) for beat in range(40)]
    plain = time_map.to_notes(SeededRandom(0), notes, Humanization(0.0, 0.0, 0.0))
    assert [note.start for note in plain] == pytest.approx([beat / 2 for beat in range(40)])
    late = time_map.to_notes(SeededRandom(0), notes, Humanization(0.02, 0.0, 0.0))
    assert [note.start for note in late] == pytest.approx([beat / 2 + 0.02 for beat in range(40)])
    loose = time_map.to_notes(SeededRandom(0), notes, Humanization(0.0, 0.02, 0.0))
    deviations = np.array([note.start for note in loose]) - np.arange(40) / 2
    assert np.abs(deviations[1:]).mean() > 0.002 and np.abs(deviations).max() <= 0.02
    arc = [-10.0, 0.0, 0.0, 20.0] + [0.0] * 7
    swelling = time_map.to_notes(SeededRandom(0), notes, Humanization(0.0, 0.0, 0.0), arc)
    assert [note.velocity for note in swelling[:5]] == [70, 72, 75, 77, 80]
    assert [note.velocity for note in swelling[8:14]] == [80, 85, 90, 95, 100, 95]


def test_seed_ranges_do_not_meet():
    assert not set(TRAIN_SEEDS) & set(VALIDATION_SEEDS)
    assert not set(VALIDATION_SEEDS) & set(TEST_SEEDS)
    assert not set(TRAIN_SEEDS) & set(TEST_SEEDS)


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan")])
def test_a_duration_must_be_positive(duration):
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        compose(0, duration)
