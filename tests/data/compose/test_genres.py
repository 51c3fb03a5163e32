"""Genres: each has the tempo, rhythms and parts that it is known by, and songs without one stay as they were."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from latentstem.data.compose.bass_patterns import PATTERNS as BASS_PATTERNS
from latentstem.data.compose.comping_patterns import PATTERNS as COMPING_PATTERNS
from latentstem.data.compose.composer import compose
from latentstem.data.compose.drum_patterns import PATTERNS as DRUM_PATTERNS
from latentstem.data.compose.form import RESTS
from latentstem.data.compose.genres import GENRES, draw_genre
from latentstem.data.compose.harmony import SCALES, roman
from latentstem.data.compose.programs import BASSES, CLEAR, FAMILIES, SPARSE
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS

SONGS = 12
KICK, SNARE = 36, 38
VOICED = {"house": 0.5, "hip-hop": 0.5, "ballad": 1.0}
# Digests of songs that the composer wrote before it knew genres, of all that a song held then.
BEFORE = {
    (1, 12.0): "786203707ddcd665",
    (3, 12.0): "a954768dcabac919",
    (4, 12.0): "467ca3e27a52c38e",
    (5, 12.0): "12df95c3a7452aed",
    (6, 12.0): "d22d3746e42a3ac5",
    (8, 12.0): "b59b0c4ecaf0f7e0",
    (3, 90.0): "025da8f05fabb457",
    (101100, 30.0): "41ce5271d74dbc67",
}


@pytest.fixture(scope="module")
def songs():
    """Name of a genre to some of its songs, of 30 seconds."""
    return {name: [compose(seed, 30.0, genre=name) for seed in range(SONGS)] for name in GENRES}


def sounding(song, name):
    """Bars in which notes of a part start, with their onsets in sixteenths of the bar."""
    bars = {}
    for note in song.part(name).notes:
        beat = np.interp(note.start, song.beats, range(len(song.beats)))
        step = round(4 * beat)
        bars.setdefault(step // 16, []).append((step % 16, note))
    return bars


def section_of(song, time):
    return next(section for section in song.sections if section.start <= time < section.end)


def overlap(first, second):
    return max(0.0, min(first.end, second.end) - max(first.start, second.start))


@pytest.mark.parametrize(("seed", "duration"), BEFORE)
def test_a_song_without_a_genre_is_the_one_that_it_was(seed, duration):
    song = asdict(compose(seed, duration))
    assert song.pop("genre") == ""
    assert hashlib.sha256(json.dumps(song).encode()).hexdigest()[:16] == BEFORE[seed, duration]


def test_two_songs_in_five_are_of_a_genre_and_all_are_equally_likely():
    drawn = [draw_genre(SeededRandom(seed).child("genre")) for seed in range(2000)]
    counts = Counter(genre.name for genre in drawn if genre)
    assert counts.total() / len(drawn) == pytest.approx(0.4, abs=0.03)
    assert counts.keys() == GENRES.keys()
    assert all(abs(count / counts.total() - 1 / len(GENRES)) < 0.03 for count in counts.values())
    kinds = {id(genre) for genre in drawn if genre}
    assert kinds == {id(kind) for kinds in GENRES.values() for kind in kinds}


def test_the_genre_of_a_seed_is_that_of_the_song_and_can_be_chosen():
    for seed in range(12):
        song = compose(seed, 5.0)
        genre = draw_genre(SeededRandom(seed).child("genre"))
        assert song.genre == (genre.name if genre else "")
        assert compose(seed, 5.0, genre=song.genre) == song
    with pytest.raises(ValueError, match=r"genre is 'polka', expected one of house, techno, .*, or an empty string"):
        compose(0, genre="polka")


@pytest.mark.parametrize("name", GENRES)
def test_a_genre_names_what_exists(name):
    for genre in GENRES[name]:
        assert genre.name == name
        assert all(style in DRUM_PATTERNS[genre.metre] for style in genre.drums.styles)
        assert all(genre.metre in BASS_PATTERNS[style] for style in {*genre.bass.styles} - {"kick", "808", "unison"})
        assert set(genre.bass.programs) <= set(BASSES) and genre.bass.floor[0] >= REGISTER_BASS[0]
        assert len(genre.comping) == 3 and set(genre.comping_parts) <= {1, 2, 3}
        known = {role for family in FAMILIES for role in family.roles} | set(COMPING_PATTERNS)
        programs = {program for family in FAMILIES for program in family.programs}
        for chair, options in enumerate(genre.comping):
            for part in options:
                assert set(part.roles) <= known and set(part.programs) <= (programs if chair else set(CLEAR))
                assert chair or not set(part.roles) & {*SPARSE, "metal"}
                patterns = [COMPING_PATTERNS[role] for role in part.roles if role in COMPING_PATTERNS]
                assert all(genre.metre in pattern for pattern in patterns)
        sections = {section for plan in genre.plans for section in plan.split()}
        assert all(set(rests) <= sections for rests in genre.rests.values()) and set(genre.rests) <= set(RESTS)
        for mode, loops in genre.loops.items():
            scale = set(SCALES[mode])
            for loop in loops:
                chords = [roman(numeral, 0) for numeral in loop.split()]
                assert sum(set(chord.pitch_classes) <= scale for chord in chords) >= len(chords) / 2, (mode, loop)


@pytest.mark.parametrize("name", GENRES)
def test_tempo_and_time_signature_are_those_of_the_genre(songs, name):
    for song in songs[name]:
        kinds = [kind for kind in GENRES[name] if kind.metre == song.metre]
        assert any(kind.tempo[0] <= song.tempo <= kind.tempo[1] for kind in kinds)
        assert song.genre == name and song.swing == 0.5


@pytest.mark.parametrize("name", GENRES)
@pytest.mark.parametrize("duration", [1.0, 5.0])
def test_a_short_song_is_composed_too(name, duration):
    for seed in range(4):
        song = compose(seed, duration, genre=name)
        assert song.names[:2] == ("bass", "chords1")
        assert song.chords[-1].end == song.sections[-1].end == song.keys[-1].end == duration
        assert all(0 <= note.start < note.end <= duration for part in song.parts for note in part.notes)


@pytest.mark.parametrize("name", GENRES)
def test_the_bass_is_one_note_at_a_time_in_its_register_and_follows_the_chords(songs, name):
    shares = []
    for song in songs[name]:
        notes = song.part("bass").notes
        assert all(REGISTER_BASS[0] <= note.pitch <= REGISTER_BASS[1] for note in notes)
        assert all(before.end < after.start for before, after in pairwise(notes))
        inside = total = 0.0
        for note in notes:
            for chord in song.chords:
                total += overlap(note, chord)
                inside += overlap(note, chord) * (note.pitch % 12 in chord.pitch_classes)
        shares.append(inside / total)
    assert np.mean(shares) > 0.95 and min(shares) > 0.85


@pytest.mark.parametrize("name", GENRES)
def test_the_first_comping_part_sounds_every_chord_whole(songs, name):
    for song in songs[name]:
        for chord in song.chords:
            sounding = {note.pitch % 12 for note in song.part("chords1").notes if overlap(note, chord) > 0.02}
            assert sounding >= set(chord.pitch_classes), (song.seed, chord)


@pytest.mark.parametrize("name", GENRES)
def test_some_songs_have_a_voice_that_sings_one_note_at_a_time_and_breathes(songs, name):
    voices = [song.part("voice") for song in songs[name] if "voice" in song.names]
    expected = VOICED.get(name, 0.0) * SONGS
    assert abs(len(voices) - expected) <= (0 if expected in (0, SONGS) else 4)
    for voice in voices:
        assert voice.program in (52, 53, 54) and not voice.is_drum
        assert all(48 <= note.pitch <= 76 for note in voice.notes)
        assert all(before.end < after.start for before, after in pairwise(voice.notes))
        # No phrase lasts longer than one breath.
        start = None
        for before, after in pairwise(voice.notes):
            start = before.start if start is None else start
            assert before.end - start < 9.0
            start = None if after.start - before.end > 0.25 else start


@pytest.mark.parametrize(("seed", "name"), [(26, "hip-hop"), (49, "ballad")])
def test_a_voice_stays_one_note_at_a_time_where_a_note_comes_early(seed, name):
    # In these songs a note is humanized to begin before the end that is written for the note before.
    notes = compose(seed, 12.0, genre=name).part("voice").notes
    assert all(before.end < after.start for before, after in pairwise(notes))


@pytest.mark.parametrize("name", ["house", "techno"])
def test_the_bass_drum_of_house_and_techno_plays_on_every_beat(songs, name):
    offbeats = 0
    for song in songs[name]:
        for bar, hits in sounding(song, "drums").items():
            if bar < 0 or bar >= len(song.bars) - 1 or section_of(song, song.bars[bar] + 0.3).name == "break":
                continue
            steps = {step for step, note in hits if note.pitch == KICK}
            assert steps >= {0, 4, 8, 12}, (song.seed, bar)
            offbeats += any(step in (2, 6, 10, 14) for step, note in hits if note.pitch in (42, 46, 51))
    assert offbeats > 50


@pytest.mark.parametrize("name", ["house", "techno", "drum and bass"])
def test_a_break_builds_up_without_a_bass_drum_and_mostly_without_a_bass(songs, name):
    breaks = resting = 0
    for song in songs[name]:
        for section in song.sections:
            if section.name != "break" or section.end - section.start < 3.0:
                continue
            first, last = section.start + 0.05, section.end - 0.05
            inside = [note for note in song.part("drums").notes if first < note.start < last]
            middle = (section.start + section.end) / 2
            assert KICK not in {note.pitch for note in inside}
            assert sum(note.start > middle for note in inside) > 1.3 * sum(note.start < middle for note in inside)
            breaks, resting = breaks + 1, resting + (section.bass_style == "")
    assert breaks > 5 and resting > 0.4 * breaks


def test_drum_and_bass_breaks_the_beat(songs):
    kicks, snares = Counter(), Counter()
    for song in songs["drum and bass"]:
        for hits in sounding(song, "drums").values():
            kicks.update({step for step, note in hits if note.pitch == KICK})
            snares.update({step for step, note in hits if note.pitch == SNARE and note.velocity > 75})
    assert {step for step, _ in snares.most_common(2)} == {4, 12}
    assert kicks[0] > 5 * kicks[4] and kicks[10] > 3 * kicks[8]


def test_reggae_drops_the_one_and_comps_off_the_beat(songs):
    for song in songs["reggae"]:
        comping = [step for hits in sounding(song, "chords1").values() for step, _ in hits]
        assert np.mean([step % 4 != 0 for step in comping]) > 0.9
        # A dub line rests.
        bass = song.part("bass").notes
        assert any(after.start - before.end > 0.2 for before, after in pairwise(bass))
    kicks = Counter()
    for song in songs["reggae"]:
        for hits in sounding(song, "drums").values():
            kicks.update({step for step, note in hits if note.pitch == KICK})
    assert kicks[4] > 1.5 * kicks[0]


def test_metal_plays_riffs_in_power_chords_that_the_bass_doubles(songs):
    together = []
    for song in songs["metal"]:
        guitar = song.part("chords2")
        assert guitar.program in (29, 30)
        for chord in song.chords:
            intervals = {
                (note.pitch - chord.root) % 12
                for note in guitar.notes
                if chord.start + 0.06 < note.start < chord.end - 0.06
            }
            assert intervals <= {0, 6, 7}
        strokes = {bar: {step for step, _ in hits} for bar, hits in sounding(song, "chords2").items()}
        for bar, hits in sounding(song, "bass").items():
            if bar in strokes:
                together += [step in strokes[bar] for step, _ in hits]
    assert np.mean(together) > 0.9
    assert {song.bass_style for song in songs["metal"]} == {"unison"}


def test_an_808_follows_the_bass_drum_in_long_notes(songs):
    on_kick, lengths = [], []
    for song in songs["hip-hop"]:
        if song.bass_style != "808":
            continue
        lengths += [(note.end - note.start) * song.tempo / 60 for note in song.part("bass").notes]
        kicks = {
            bar: {step for step, note in hits if note.pitch == KICK} for bar, hits in sounding(song, "drums").items()
        }
        for bar, hits in sounding(song, "bass").items():
            # A slide is a sixteenth before the note that it leads to.
            on_kick += [step in kicks[bar] or (step + 1) % 16 in {0, *kicks[bar]} for step, _ in hits if kicks.get(bar)]
    assert len(lengths) > 50 and np.median(lengths) > 0.9
    assert np.mean(on_kick) > 0.8


def test_house_bass_plays_between_the_beats(songs):
    steps = [step for song in songs["house"] for hits in sounding(song, "bass").values() for step, _ in hits]
    assert np.mean([step % 4 != 0 for step in steps]) > 0.5


def test_a_shuffled_song_has_late_sixteenths_and_straight_eighths():
    late, straight = [], []
    for seed in range(6):
        song = compose(seed, 20.0, genre="hip-hop")
        if song.tempo > 100:
            continue
        for note in song.part("drums").notes:
            beat = np.interp(note.start, song.beats, range(len(song.beats)))
            part = 2 * beat % 1
            if 0.3 < part < 0.9:
                late.append(part)
            elif song.beats[0] < note.start < song.beats[-1]:
                straight.append((part + 0.5) % 1 - 0.5)
    assert 0.52 < np.median(late) < 0.66
    assert abs(np.median(straight)) < 0.05


def test_another_bass_player_leaves_the_song_of_a_genre_as_it_is():
    for seed, name in enumerate(GENRES):
        song, other = compose(seed, 15.0, genre=name), compose(seed, 15.0, 1, genre=name)
        assert other.others("bass") == song.others("bass") and other.part("bass") != song.part("bass")
