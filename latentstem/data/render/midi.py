"""Write notes to a MIDI file that is aligned with their audio."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from latentstem.data.line import BEND_RANGE
from latentstem.data.score import Note

ELECTRIC_BASS = 33
"""General MIDI program Electric Bass (finger), counted from 0."""
RESOLUTION = 960
"""Ticks a beat: 0.5 ms at 120 beats a minute."""


def write_midi(
    notes: Iterable[Note],
    path: str | os.PathLike[str],
    tempo: float = 120.0,
    program: int = ELECTRIC_BASS,
    name: str = "bass",
    bends: Iterable[tuple[float, float]] = (),
) -> None:
    """Write notes to a MIDI file, whole or not at all.

    Onsets and ends are at their second whatever the tempo; the right tempo aligns a sequencer's grid with the beats,
    provided that the audio begins on one.

    Args:
        notes: Notes to write, for example those of `latentstem.evaluation.transcribe`.
        path: Path of the file; an existing file is replaced.
        tempo: Tempo written to the file, in beats a minute.
        program: General MIDI program, 0 to 127.
        name: Name of the track in the file.
        bends: Times in seconds and pitch bends in semitones, within the range of two that instruments take unless told
            otherwise; each holds until the next.

    Raises:
        ImportError: If pretty_midi is not installed.
        OSError: If the file cannot be written.
        ValueError: If the tempo, the program, or a note's times, pitch or velocity or a bend are out of the range of
            MIDI.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_midi([Note(0.5, 1.0, 33, 100)], Path(folder, "bass.mid"), tempo=90.0)
        ...     Path(folder, "bass.mid").read_bytes()[:4]
        b'MThd'
    """
    try:
        import pretty_midi
    except ImportError as error:
        raise ImportError(
            f"write_midi needs pretty_midi, which cannot be imported ({error}); pip install pretty_midi"
        ) from error
    if not 4.0 <= tempo <= 1000.0:  # a beat is written in microseconds, in three bytes
        raise ValueError(f"tempo {tempo} given, expected 4 to 1000 beats a minute")
    if program not in range(128):
        raise ValueError(f"program {program} given, expected 0 to 127")
    instrument = pretty_midi.Instrument(program, name=name)
    for note in notes:
        if not (0.0 <= note.start < note.end < float("inf") and 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127):
            raise ValueError(f"{note} is no MIDI note: expected 0 <= start < end, pitch 0 to 127, velocity 1 to 127")
        instrument.notes.append(pretty_midi.Note(note.velocity, note.pitch, note.start, note.end))
    for time, semitones in bends:
        if not (0.0 <= time < float("inf") and abs(semitones) <= BEND_RANGE):
            raise ValueError(f"pitch bend of {semitones} semitones at {time} s given, expected at most {BEND_RANGE}")
        value = min(round(8192 * semitones / BEND_RANGE), 8191)
        instrument.pitch_bends.append(pretty_midi.PitchBend(value, time))
    score = pretty_midi.PrettyMIDI(resolution=RESOLUTION, initial_tempo=tempo)
    score.instruments.append(instrument)
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as folder:
        unfinished = Path(folder, path.name)
        score.write(str(unfinished))
        unfinished.replace(path)


__all__ = ["ELECTRIC_BASS", "write_midi"]
