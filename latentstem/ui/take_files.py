"""Further files of a finished stem: at another level, its notes, in other formats, and everything in one file."""

import json
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from latentstem.audio.io import AudioReader, AudioWriter
from latentstem.audio.temporary import TemporaryAudio
from latentstem.data.score import Note
from latentstem.pipelines.output_files import add_to_mix
from latentstem.ui.results import Result, write_sound

GREATEST_LEVEL = 12
"""Greatest change of a stem's level, up or down, in dB."""

_writing = threading.RLock()  # a file that two ask for at once is written once


class Format(StrEnum):
    """A file that is written when it is asked for.

    Attributes:
        FLAC: The stem, lossless and smaller.
        MP3: The stem, lossy.
        MIDI: The notes of the stem.
        ZIP: The stem, the mix with it, the picture and the settings.

    Example:
        >>> Format("flac").label
        'FLAC'
    """

    FLAC = "flac"
    MP3 = "mp3"
    MIDI = "mid"
    ZIP = "zip"

    @property
    def label(self) -> str:
        """Name of the format, for people."""
        return "MIDI" if self is Format.MIDI else self.value.upper()

    @property
    def available(self) -> bool:
        """Whether what writes the format is installed: notes need the packages of the extra `evaluation`."""
        return self is not Format.MIDI or all(find_spec(name) for name in ("librosa", "pretty_midi"))


@dataclass(frozen=True)
class _Mix:
    reader: AudioReader


def at_level(result: Result, decibels: float) -> Result:
    """Write a stem, and the mix with it, at another level.

    Args:
        result: The stem as it was generated.
        decibels: Change of its level in dB, from -12 to 12; with 0 nothing is written.

    Returns:
        The stem at this level; its files lie beside those of the stem.

    Raises:
        ValueError: The level is out of range.
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    if not -GREATEST_LEVEL <= decibels <= GREATEST_LEVEL:
        raise ValueError(f"got a level of {decibels:g} dB; expected -{GREATEST_LEVEL} to {GREATEST_LEVEL}")
    if decibels == 0:
        return result
    folder, name = result.stem.file.parent, f"{result.stem.file.stem}{decibels:+g}dB"
    source, mix = AudioReader(result.stem.file), _Mix(AudioReader(result.mix.file))
    rate, tags = source.sampling_rate, source.tags
    with TemporaryAudio(folder, source.channels) as stem:
        for block in source:
            stem.append(10 ** (decibels / 20) * block)
        with add_to_mix(mix, stem, folder) as tracks:
            alone = write_sound(stem, folder / f"{name}.wav", rate, tags)
            both = write_sound(tracks["both"], folder / f"{name}-with-mix.wav", rate, tags)
    return replace(result, stem=alone, both=both)


def transcribe_notes(result: Result) -> tuple[Note, ...]:
    """Return the notes of a stem, for stems of one note at a time such as a bass.

    Args:
        result: The stem.

    Raises:
        ImportError: The extra `evaluation` is not installed.
    """
    from latentstem.evaluation.transcription import transcribe_file

    return tuple(transcribe_file(result.stem.file))


def write_format(result: Result, format: Format, notes: Sequence[Note] | None = None) -> Path:
    """Write a stem in another format, beside its WAV file, unless it is there.

    Args:
        result: The stem.
        format: The format.
        notes: Notes of the stem: those of the MIDI file, which cannot be without, and, if they are given, in the zip.

    Returns:
        The file.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written.

    Example:
        >>> write_format(result, Format.FLAC)  # doctest: +SKIP
    """
    path = result.stem.file.with_suffix(f".{format}")
    with _writing:
        if not path.exists():
            _write(result, format, path, notes)
    return path


def _write(result: Result, format: Format, path: Path, notes: Sequence[Note] | None) -> None:
    if format is Format.ZIP:
        _write_zip(result, path, notes)
    elif format is Format.MIDI:
        from latentstem.data.render.midi import write_midi

        write_midi(notes or (), path, result.request.controls.bpm or 120.0)
    else:
        reader = AudioReader(result.stem.file)
        with AudioWriter(path, reader.sampling_rate, reader.channels, tags=reader.tags) as writer:
            for block in reader:
                writer.write(block)


def _write_zip(result: Result, path: Path, notes: Sequence[Note] | None) -> None:
    partial = path.with_suffix(".partial")
    files = [result.stem.file, result.both.file, result.stem.picture]
    if notes is not None:
        files.append(write_format(result, Format.MIDI, notes))
    with zipfile.ZipFile(partial, "w") as archive:  # stored: samples with noise do not shrink
        for file in files:
            archive.write(file, file.name)
        archive.writestr("settings.json", json.dumps(result.request.describe(), indent=2, ensure_ascii=False))
    partial.replace(path)
