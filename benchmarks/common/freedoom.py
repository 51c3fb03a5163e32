"""Music that nobody made for this project: the songs of Freedoom, MIDI in the WAD files of Debian's package `freedoom`.

A WAD file is a header of 12 bytes ("IWAD" or "PWAD", number of lumps, offset of the directory), the lumps, and the
directory: 16 bytes a lump, with offset, size and name. The lumps `D_*` hold music, as MIDI or as MUS, the game's own
format, which is not read here.

Of a song an excerpt of its notes is taken. Volume and expression are folded into the velocities: in a soundfont all
three act on the level by one curve. Pitch bends and pedals are left out, so that the notes say exactly what sounds.
"""

import io
import struct
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pretty_midi

from benchmarks.common.songs import BASS_PROGRAMS
from latentstem.data.score import Note, Part, Song

FOLDER = Path("/usr/share/games/doom")
WADS = ("freedoom1.wad", "freedoom2.wad")
UNPITCHED_PROGRAMS = (47, *range(112, 128))
"""General MIDI's timpani, percussive instruments and sound effects."""
BASS_GUITAR_HIGHEST = 67
"""MIDI pitch of the last fret of a bass guitar: a part that goes higher is no bass, though on a bass program."""
LOW_MEDIANS = range(21, 40)
"""MIDI pitches from a piano's lowest key to below a guitar's lowest string, where the median of a bass may lie that is
on no bass program."""
LEAST_SOUNDING = 0.25
"""Fraction of an excerpt in which bass and chords must sound together."""
SHORTEST_NOTE = 0.03
"""Seconds; shorter remains of notes at the ends of an excerpt are left out."""
VOLUME, EXPRESSION = 7, 11
"""Numbers of the MIDI controllers."""
GRID_STEP = 0.01
"""Seconds a step of the grid on which sounding times are measured."""


class UnsuitableSongError(ValueError):
    """A music lump from which no excerpt can be taken; the message is the reason, in words that can be counted."""


def freedoom_songs(folder: Path = FOLDER, duration: float = 36.0) -> tuple[dict[str, Song], dict[str, int]]:
    """Read an excerpt of each song of Freedoom that has a bass, each song once.

    Args:
        folder: Folder of freedoom1.wad and freedoom2.wad.
        duration: Seconds of an excerpt.

    Returns:
        Excerpts by the name of their file and lump, in the order of the files; and the number of lumps that were left
        out, by reason. The seed of an excerpt is its place in this order.

    Raises:
        FileNotFoundError: If a WAD file is missing; the error names the Debian package.
        ValueError: If a file is not a WAD file.
    """
    names: dict[bytes, str] = {}
    left_out: Counter[str] = Counter()
    for wad in (folder / name for name in WADS):
        if not wad.is_file():
            raise FileNotFoundError(f"no {wad.name} in {folder}: install Debian package freedoom")
        for lump, content in music_lumps(wad).items():
            left_out["repeated"] += content in names
            names.setdefault(content, f"{wad.stem} {lump}")
    songs: dict[str, Song] = {}
    for content, name in names.items():
        try:
            songs[name] = read_excerpt(content, duration, seed=len(songs))
        except UnsuitableSongError as error:
            left_out[str(error)] += 1
    return songs, dict(left_out)


def music_lumps(wad: Path) -> dict[str, bytes]:
    """Read the music lumps of a WAD file.

    Args:
        wad: Path of the file.

    Returns:
        Content of each lump by its name, without the "D_" that it begins with.

    Raises:
        ValueError: If the file is not a WAD file, or is cut.
    """
    data = wad.read_bytes()
    if data[:4] not in (b"IWAD", b"PWAD"):
        raise ValueError(f"{wad.name} begins with {data[:4]!r}, expected b'IWAD' or b'PWAD': name a WAD file")
    count, directory = struct.unpack_from("<ii", data, 4)
    end = directory + 16 * count
    if len(data) < end:
        raise ValueError(f"{wad.name} has {len(data)} bytes, expected {end} by its header: copy it again, it is cut")
    lumps = {}
    for offset, size, padded in struct.iter_unpack("<ii8s", data[directory:end]):
        name = padded.partition(b"\0")[0].decode("latin-1")
        if name.startswith("D_"):
            lumps[name.removeprefix("D_")] = data[offset : offset + size]
    return lumps


def read_excerpt(content: bytes, duration: float, seed: int) -> Song:
    """Take an excerpt of a MIDI file, from the downbeat after which bass and chords sound together most.

    Args:
        content: Content of the file.
        duration: Seconds of the excerpt.
        seed: Seed of the song.

    Returns:
        Notes, beats and bars of the excerpt. The part "bass" has the notes of all bass parts, on the program of the one
        with most notes. What a MIDI file does not tell is empty: sections, keys and chords.

    Raises:
        UnsuitableSongError: If the content is not MIDI or shorter than the excerpt, has no bass, or has hardly any
            moment with bass and chords.
    """
    if not content.startswith(b"MThd"):
        raise UnsuitableSongError("not MIDI")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of changes of tempo on later tracks, which are read all the same
        score = pretty_midi.PrettyMIDI(io.BytesIO(content))
    if score.get_end_time() < duration:
        raise UnsuitableSongError("shorter than an excerpt")
    played = [instrument for instrument in score.instruments if instrument.notes]
    bass, band = _split(played)
    start = _best_start(score, bass, list(filter(is_pitched, band)), duration)
    loudest = max(_levels(instrument).max() for instrument in played)
    line = _merge([_notes(instrument, start, duration, loudest) for instrument in bass])
    program = int(max(bass, key=lambda instrument: len(instrument.notes)).program)
    others = [
        Part(f"part{index}", int(instrument.program), instrument.is_drum, notes, gain_db=0.0)
        for index, instrument in enumerate(band, 1)
        if (notes := _notes(instrument, start, duration, loudest))
    ]
    metre, tempo = _metre_and_tempo(score, start)
    return Song(
        seed=seed,
        duration=duration,
        tempo=tempo,
        metre=metre,
        swing=0.5,
        beats=_within(score.get_beats(), start, duration),
        bars=_within(score.get_downbeats(), start, duration),
        sections=(),
        keys=(),
        chords=(),
        parts=(Part("bass", program, False, line, gain_db=0.0), *others),
        bass_style="",
    )


def _split(
    instruments: Sequence[pretty_midi.Instrument],
) -> tuple[list[pretty_midi.Instrument], list[pretty_midi.Instrument]]:
    """Tell the bass parts from the others: those on a bass program, or else the lowest part if it is low enough."""
    pitched = list(filter(is_pitched, instruments))
    bass = [part for part in pitched if part.program in BASS_PROGRAMS and _highest(part) <= BASS_GUITAR_HIGHEST]
    if not bass:
        bass = sorted((part for part in pitched if int(_median(part)) in LOW_MEDIANS), key=_median)[:1]
    if not bass:
        raise UnsuitableSongError("no bass")
    own = set(map(id, bass))
    return bass, [part for part in instruments if id(part) not in own]


def is_pitched(part: Part | pretty_midi.Instrument) -> bool:
    """Return whether the notes of a part are pitches: not of drums, percussion or sound effects."""
    return not part.is_drum and part.program not in UNPITCHED_PROGRAMS


def _median(part: pretty_midi.Instrument) -> float:
    return float(np.median([note.pitch for note in part.notes]))


def _highest(part: pretty_midi.Instrument) -> int:
    return max(note.pitch for note in part.notes)


def _best_start(
    score: pretty_midi.PrettyMIDI,
    bass: Sequence[pretty_midi.Instrument],
    chords: Sequence[pretty_midi.Instrument],
    duration: float,
) -> float:
    """Find the downbeat after which bass and chords sound together most, the first of equals."""
    length = score.get_end_time()
    together = _sounding(bass, length) & _sounding(chords, length)
    sounded = np.cumsum(together)
    downbeats = [float(time) for time in (0.0, *score.get_downbeats()) if time + duration <= length]
    begins, ends = (np.round(np.add(downbeats, shift) / GRID_STEP).astype(int) for shift in (0.0, duration))
    steps = sounded[ends] - sounded[begins]
    if steps.max() * GRID_STEP < LEAST_SOUNDING * duration:
        raise UnsuitableSongError("bass and chords apart")
    return downbeats[int(np.argmax(steps))]


def _sounding(parts: Sequence[pretty_midi.Instrument], length: float) -> np.ndarray:
    """Tell for each step of the grid whether a part sounds, `(steps,)`."""
    sounding = np.zeros(round(length / GRID_STEP) + 2, dtype=bool)
    for note in (note for part in parts for note in part.notes):
        sounding[round(note.start / GRID_STEP) : round(note.end / GRID_STEP)] = True
    return sounding


def _levels(part: pretty_midi.Instrument) -> np.ndarray:
    """Return volume times expression at the start of each note, `(notes,)`; 1 is the greatest MIDI has."""
    starts = [note.start for note in part.notes]
    levels = np.ones(len(starts))
    for controller, initial in ((VOLUME, 100), (EXPRESSION, 127)):
        changes = [change for change in part.control_changes if change.number == controller]
        changes.sort(key=lambda change: change.time)
        current = np.searchsorted([change.time for change in changes], starts, side="right")
        levels *= np.array([initial, *(change.value for change in changes)])[current] / 127
    return levels


def _notes(part: pretty_midi.Instrument, start: float, duration: float, loudest: float) -> tuple[Note, ...]:
    """Cut the notes of a part to the excerpt, with the levels, at most `loudest`, folded into their velocities."""
    notes = []
    for note, level in zip(part.notes, _levels(part), strict=True):
        begin, end = max(note.start - start, 0.0), min(note.end - start, duration)
        velocity = round(note.velocity * level / loudest)
        if end - begin >= SHORTEST_NOTE and velocity:
            notes.append(Note(float(begin), float(end), int(note.pitch), int(velocity)))
    return tuple(sorted(notes, key=lambda note: note.start))


def _merge(lines: Sequence[Sequence[Note]]) -> tuple[Note, ...]:
    """Join lines; of notes that begin together on one pitch the loudest stays."""
    notes = sorted((note for line in lines for note in line), key=lambda note: note.velocity)
    distinct = {(round(note.start / SHORTEST_NOTE), note.pitch): note for note in notes}
    return tuple(sorted(distinct.values(), key=lambda note: (note.start, note.pitch)))


def _metre_and_tempo(score: pretty_midi.PrettyMIDI, start: float) -> tuple[str, float]:
    """Return time signature and tempo at a moment."""
    signatures = [change for change in score.time_signature_changes if change.time <= start]
    metre = f"{signatures[-1].numerator}/{signatures[-1].denominator}" if signatures else "4/4"
    times, tempi = score.get_tempo_changes()
    return metre, float(tempi[np.searchsorted(times, start, side="right") - 1])


def _within(times: np.ndarray, start: float, duration: float) -> tuple[float, ...]:
    return tuple(float(time - start) for time in times if start <= time < start + duration)
