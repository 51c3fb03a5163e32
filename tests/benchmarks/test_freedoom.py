"""Songs are read from WAD files that the tests write."""

import io
import struct

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common.freedoom import UnsuitableSongError, freedoom_songs, music_lumps, read_excerpt

GUITAR, FINGERED, PICKED, TUBA = 30, 33, 34, 58


def write_wad(path, lumps, kind=b"IWAD"):
    """Write a WAD file as the game's own tools do: header, lumps, directory."""
    body, directory = b"", b""
    for name, content in lumps:
        directory += struct.pack("<ii8s", 12 + len(body), len(content), name.encode())
        body += content
    path.write_bytes(struct.pack("<4sii", kind, len(lumps), 12 + len(body)) + body + directory)


def steady(program, pitches, start=0.0, end=20.0, length=0.5, velocity=100, volume=None):
    """An instrument that plays a pitch every half second, in turn."""
    instrument = pretty_midi.Instrument(program)
    for index, time in enumerate(np.arange(start, end, 0.5)):
        pitch = pitches[index % len(pitches)]
        instrument.notes.append(pretty_midi.Note(velocity, pitch, float(time), float(time) + length))
    if volume is not None:
        instrument.control_changes.append(pretty_midi.ControlChange(7, volume, 0.0))
    return instrument


def midi(*instruments, length=20.0):
    """A MIDI file at 120 beats a minute: bars of two seconds."""
    score = pretty_midi.PrettyMIDI(initial_tempo=120.0)
    drums = pretty_midi.Instrument(0, is_drum=True)
    drums.notes = [pretty_midi.Note(100, 36, float(time), float(time) + 0.1) for time in np.arange(0.0, length, 0.5)]
    score.instruments = [*instruments, drums]
    file = io.BytesIO()
    score.write(file)
    return file.getvalue()


NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=6)


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=5), st.binary(max_size=20))
def test_all_music_lumps_of_a_wad_file_are_read_and_nothing_else(tmp_path_factory, music, other):
    path = tmp_path_factory.mktemp("wad") / "game.wad"
    write_wad(path, [("MAP01", other), *((f"D_{name}", content) for name, content in music.items()), ("THINGS", other)])
    assert music_lumps(path) == music


def test_what_is_no_wad_file_is_named(tmp_path):
    path = tmp_path / "game.wad"
    path.write_bytes(b"MThd and more than twelve bytes")
    with pytest.raises(ValueError, match=r"game.wad begins with b'MThd', expected b'IWAD' or b'PWAD'"):
        music_lumps(path)
    write_wad(path, [("D_E1M1", b"music")])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"game.wad has 32 bytes, expected 33 by its header"):
        music_lumps(path)


def test_every_song_is_read_once_and_what_is_left_out_is_counted(tmp_path):
    first, second = (midi(steady(GUITAR, [60]), steady(FINGERED, [pitch])) for pitch in (36, 38))
    write_wad(tmp_path / "freedoom1.wad", [("D_E1M1", first), ("D_E1M2", b"MUS\x1a and more"), ("D_E1M3", first)])
    no_bass, short = midi(steady(GUITAR, [60])), midi(steady(FINGERED, [36], end=5.0), length=5.0)
    lumps = [("D_RUNNIN", first), ("D_STALKS", no_bass), ("D_INTER", short), ("D_READ_M", second)]
    write_wad(tmp_path / "freedoom2.wad", lumps)
    songs, left_out = freedoom_songs(tmp_path, duration=10.0)
    assert list(songs) == ["freedoom1 E1M1", "freedoom2 READ_M"]
    assert [song.seed for song in songs.values()] == [0, 1]
    assert left_out == {"repeated": 2, "not MIDI": 1, "no bass": 1, "shorter than an excerpt": 1}


def test_a_missing_file_names_the_debian_package(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no freedoom1.wad in .*: install Debian package freedoom"):
        freedoom_songs(tmp_path)


def test_the_excerpt_begins_on_the_downbeat_after_which_the_bass_sounds_most():
    bass = steady(FINGERED, [36, 40, 43], start=6.0, end=16.0)
    song = read_excerpt(midi(steady(GUITAR, [60]), bass), 8.0, seed=3)
    # After the downbeats at 6 and at 8 s it sounds throughout.
    notes = song.part("bass").notes
    assert [note.start for note in notes] == pytest.approx(np.arange(0.0, 8.0, 0.5), abs=2e-3)
    assert [note.pitch for note in notes[:4]] == [36, 40, 43, 36]
    assert max(note.end for part in song.parts for note in part.notes) <= 8.0
    assert song.bars == pytest.approx([0.0, 2.0, 4.0, 6.0], abs=2e-3)
    assert (song.seed, song.duration, song.metre, song.names) == (3, 8.0, "4/4", ("bass", "part1", "part2"))
    assert song.tempo == pytest.approx(120.0)


def test_notes_are_cut_at_both_ends_and_short_remains_left_out():
    held = pretty_midi.Instrument(GUITAR)
    held.notes = [pretty_midi.Note(100, pitch, 0.0, end) for pitch, end in ((60, 20.0), (62, 2.01), (64, 2.5))]
    song = read_excerpt(midi(held, steady(FINGERED, [36], start=2.0)), 4.0, seed=0)
    cut = {note.pitch: (note.start, note.end) for note in song.part("part1").notes}
    assert cut == {60: (0.0, 4.0), 64: (0.0, pytest.approx(0.5, abs=2e-3))}


def test_all_bass_parts_are_one_bass_without_doubled_notes():
    low, high = steady(FINGERED, [28]), steady(PICKED, [40], start=10.0)
    double = steady(PICKED, [40], start=10.0, velocity=90)
    song = read_excerpt(midi(steady(GUITAR, [60]), low, high, double), 20.0, seed=0)
    bass = song.part("bass")
    assert (bass.program, sorted(note.pitch for note in bass.notes)) == (FINGERED, [28] * 40 + [40] * 20)
    assert {note.velocity for note in bass.notes} == {100}
    assert [part.program for part in song.others("bass")] == [GUITAR, 0]


@pytest.mark.parametrize(("pitches", "is_bass"), [([35, 38, 43], True), ([40, 47, 52], False), ([16, 20, 23], False)])
def test_without_a_bass_program_a_part_below_the_guitar_is_the_bass(pitches, is_bass):
    content = midi(steady(GUITAR, [60]), steady(TUBA, pitches))
    if is_bass:
        assert {note.pitch for note in read_excerpt(content, 8.0, 0).part("bass").notes} == set(pitches)
    else:
        with pytest.raises(UnsuitableSongError, match="no bass"):
            read_excerpt(content, 8.0, 0)


def test_a_lead_on_a_bass_program_stays_in_the_mix():
    song = read_excerpt(midi(steady(FINGERED, [36]), steady(38, [60, 72])), 8.0, seed=0)
    assert {note.pitch for note in song.part("bass").notes} == {36}
    assert [part.program for part in song.others("bass")] == [38, 0]


def test_bass_and_chords_must_sound_together():
    bass = steady(FINGERED, [36])
    with pytest.raises(UnsuitableSongError, match="bass and chords apart"):
        read_excerpt(midi(bass), 8.0, seed=0)
    # From 16 s on the chords are heard: of the downbeats, only that at 12 s has eight seconds left with four of these.
    song = read_excerpt(midi(bass, steady(GUITAR, [60], start=16.0)), 8.0, seed=0)
    assert [note.start for note in song.part("part1").notes] == pytest.approx(np.arange(4.0, 8.0, 0.5), abs=2e-3)


def test_volumes_are_in_the_velocities_relative_to_the_loudest_part():
    loud, soft, mute = (steady(GUITAR, [60 + index], volume=volume) for index, volume in enumerate((127, 64, 0)))
    song = read_excerpt(midi(loud, soft, mute, steady(FINGERED, [35], volume=127)), 8.0, seed=0)
    velocities = {note.pitch: note.velocity for part in song.parts for note in part.notes}
    # The drums, on 36, have MIDI's initial volume of 100.
    assert velocities == {60: 100, 61: 50, 35: 100, 36: 79}
