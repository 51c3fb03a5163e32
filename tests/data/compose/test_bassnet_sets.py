"""The artificial data sets against section 5.1 of the paper, read off the notes alone."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.compose.bassnet_sets import compose_artificial
from latentstem.data.score import Song

DATASETS = ("A1", "A2", "A3", "A4")
songs = st.builds(compose_artificial, st.sampled_from(DATASETS), st.integers(0, 999))
MAJOR, MINOR = (2, 2, 1, 2, 2, 2, 1), (2, 1, 2, 2, 1, 2, 2)


def scale(song):
    (key,) = song.keys
    steps = {"major": MAJOR, "minor": MINOR}[key.mode]
    return [(key.tonic + sum(steps[:count])) % 12 for count in range(7)]


def degrees(song, chord):
    """Chord degree 1 to 5 to pitch class: the scale from the root up."""
    notes = scale(song)
    first = notes.index(chord.root)
    return {degree: notes[(first + degree - 1) % 7] for degree in range(1, 6)}


def measures(song):
    """For each measure: pattern number, sounding chord, and the bass as (beat, length in beats, pitch)."""
    beat = 60 / song.tempo
    for section, start in zip(song.sections, song.bars, strict=True):
        chord = next(chord for chord in song.chords if chord.start <= start < chord.end)
        notes = [
            (round((note.start - start) / beat, 2), (note.end - note.start) / beat, note.pitch)
            for note in song.part("bass").notes
            if start - 1e-3 <= note.start < start + 4 * beat - 1e-3
        ]
        yield int(section.bass_style[-1]), chord, notes


def onsets_of(song, chord):
    """Part name to the onsets of a chord: time to sorted pitches."""
    times = {}
    for part in song.others("bass"):
        if not part.is_drum:
            for note in part.notes:
                if chord.start <= note.start < chord.end:
                    times.setdefault(part.name, {}).setdefault(note.start, []).append(note.pitch)
    return times


@given(songs)
def test_the_mix_is_as_the_paper_says(song):
    assert 100 <= song.tempo <= 200 and song.metre == "4/4" and song.keys[0].mode in ("major", "minor")
    measure = 240 / song.tempo
    assert song.duration / measure == pytest.approx(len(song.bars), abs=1e-3)
    assert abs(song.duration - 60) <= measure / 2 + 1e-3
    assert song.chords[0].start == 0 and song.chords[-1].end == song.duration
    assert all(first.end == second.start and first.root != second.root for first, second in pairwise(song.chords))
    for chord in song.chords:
        assert round((chord.end - chord.start) / measure, 3) in (1, 2)
        triad = degrees(song, chord)
        assert chord.pitch_classes == (triad[1], triad[3], triad[5])
        quarters = round((chord.end - chord.start) / measure * 4)
        times = onsets_of(song, chord)
        assert len(times) == (1 if song.bass_style.startswith("A3") else 2)
        for played in times.values():
            assert len(played) == quarters
            for pitches in played.values():
                assert 48 <= pitches[0] <= 60
                assert [pitch % 12 for pitch in pitches] == list(chord.pitch_classes) and pitches == sorted(pitches)
                assert pitches[-1] - pitches[0] < 12


def test_every_root_of_the_octave_comes():
    lowest = {
        pitches[0]
        for seed in range(40)
        for song in [compose_artificial("A1", seed)]
        for chord in song.chords
        for played in onsets_of(song, chord).values()
        for pitches in played.values()
    }
    assert lowest == set(range(48, 61))


@given(songs)
def test_the_instruments_are_of_the_four_groups(song):
    programs = [part.program for part in song.others("bass") if not part.is_drum]
    if song.bass_style.startswith("A3"):
        assert set(programs) <= {17 - 1, 25 - 1}
    else:
        first, second = programs
        groups = {program // 8 for program in programs}
        assert first != second and groups <= {0, 2, 3, 6}


@given(songs)
def test_the_drums_repeat_one_measure(song):
    (drums,) = (part for part in song.parts if part.is_drum)
    beat = 60 / song.tempo
    kicks = [0, 2, 2.5] if song.bass_style.startswith("A4") else [0, 2]
    for start in song.bars:
        for pitch, hits in ((36, kicks), (38, [1, 3])):
            times = [(note.start - start) / beat for note in drums.notes if note.pitch == pitch]
            assert [onset for onset in times if -0.01 < onset < 3.99] == pytest.approx(hits, abs=0.01)


@given(songs)
def test_the_bass_plays_the_pattern_that_the_annotation_names(song):
    for pattern, chord, notes in measures(song):
        degree = degrees(song, chord)
        minor = (chord.pitch_classes[1] - chord.root) % 12 == 3
        if song.bass_style.startswith("A1"):
            target = [{1: 1, 2: 3, 3: 5}[pattern]] * 4
        elif song.bass_style.startswith("A2"):
            target = [1 if minor == (pattern == 1) else 5] * 4
        elif song.bass_style.startswith("A3"):
            (player,) = onsets_of(song, chord)
            guitar = next(part.program for part in song.parts if part.name == player) == 24
            target = [1 if guitar == (pattern == 1) else 5] * 4
        else:
            target = {
                1: [1, 5, 1, 5], 2: [5, 1, 5, 1], 3: [1, 3, 5, 3], 4: [1, 2, 3, 4, 5, 4, 3, 2], 5: [1]
            }[pattern]  # fmt: skip
        step = 0.5 if len(target) == 8 else 1.0
        assert [beat for beat, _, _ in notes] == [step * index for index in range(len(target))]
        assert [pitch % 12 for _, _, pitch in notes] == [degree[tone] for tone in target]
        (root,) = {pitches[0] for played in onsets_of(song, chord).values() for pitches in played.values()}
        for _, length, pitch in notes:
            assert root - 12 <= pitch < root
            assert 0.85 * step < length < step


def test_every_pattern_comes_and_stays_a_while():
    for dataset, count in zip(DATASETS, (3, 2, 2, 5), strict=True):
        names, changes = [], []
        for seed in range(40):
            styles = [section.bass_style for section in compose_artificial(dataset, seed, 60).sections]
            names += styles
            changes += [first != second for first, second in pairwise(styles)]
        assert set(names) == {f"{dataset}.{index + 1}" for index in range(count)}
        assert all(names.count(name) > 0.5 * len(names) / count for name in set(names))
        assert sum(changes) / len(changes) == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(("transition", "changed"), [(0.0, {False}), (1.0, {True})])
def test_the_transition_probability_is_an_argument(transition, changed):
    styles = [section.bass_style for section in compose_artificial("A4", 3, 60, transition).sections]
    assert {first != second for first, second in pairwise(styles)} == changed


def test_the_instrument_of_a3_switches_at_half_of_the_chords():
    players = [
        [next(iter(onsets_of(song, chord))) for chord in song.chords]
        for song in (compose_artificial("A3", seed) for seed in range(30))
    ]
    switches = [first != second for played in players for first, second in pairwise(played)]
    assert sum(switches) / len(switches) == pytest.approx(0.5, abs=0.06)


def test_the_amplitude_of_the_first_instrument_is_an_argument():
    for seed in range(10):
        _, first, second, _ = compose_artificial("A1", seed, first_range=(0.2, 0.3)).parts
        amplitudes = [10 ** (part.gain_db / 20) for part in (first, second)]
        assert 0.199 <= amplitudes[0] / sum(amplitudes) <= 0.301


def test_the_sets_share_no_songs_and_the_annotation_survives_json():
    artificial = [compose_artificial(dataset, 5) for dataset in DATASETS]
    assert len({song.tempo for song in artificial}) == 4
    for song, dataset in zip(artificial, DATASETS, strict=True):
        assert Song.from_dict(json.loads(json.dumps(song.to_dict()))) == song == compose_artificial(dataset, 5)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="'A5', expected one of A1, A2, A3, A4"):
        compose_artificial("A5", 0)
    with pytest.raises(ValueError, match="duration is nan"):
        compose_artificial("A1", 0, float("nan"))
