"""Transcribe a monophonic bass of any length to notes, block by block, with the result of one pass over the whole.

Silence and attacks are measured against the peak levels of the whole recording, so the recording is read twice: for the
peak levels, and for the notes (`note_decoding`). Each block is read with context on both sides, of which the notes need
less than a second.
"""

import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from latentstem.audio.io import MAX_DURATION, AudioReader
from latentstem.audio.resampling import resample_blocks
from latentstem.audio.temporary import TemporaryAudio
from latentstem.data.score import Note
from latentstem.evaluation.note_decoding import (
    DEFAULT_CONFIG,
    DecodedNote,
    NoteDecodingConfig,
    PeakLevels,
    decode_notes,
)
from latentstem.evaluation.rhythm import ANALYSIS_RATE, mono_at_analysis_rate

# In samples; whole frames of the pitch track, so that the frames of a block are frames of the recording.
BLOCK = 60 * 43 * 512
CONTEXT = 5 * 43 * 512
_UNCERTAIN_END = 0.15  # seconds before the end of the context in which the end of a note is uncertain


def transcribe(audio: np.ndarray, sampling_rate: int, config: NoteDecodingConfig = DEFAULT_CONFIG) -> list[Note]:
    """Transcribe a monophonic bass to notes.

    Onsets are where notes begin to sound, right to about 2 ms for notes with an instant attack. A sampled instrument
    begins some milliseconds after its MIDI note: 5 to 10 for most basses of the corpus, up to 30 for some. A note of
    fewer than eight periods of its pitch (0.2 s at the low E of a bass) may get another pitch, and so may one at a leap
    of more than a fifth with less than 0.12 s of rest between.

    Args:
        audio: Mono audio `(samples,)`, any level.
        sampling_rate: Sampling rate of `audio` in Hz.
        config: Constants of the note decoder.

    Returns:
        The notes in order of their start, none overlapping another: start and end in seconds, MIDI pitch of 21 to 71,
        and a velocity that is 127 for the loudest note and falls with the level as in General MIDI 2, by
        `40 log10(velocity / 127)` dB. None in silence.

    Raises:
        ValueError: If the audio is not one-dimensional, or is empty.

    Example:
        >>> import numpy as np
        >>> time = np.arange(22050) / 22050
        >>> note = np.sin(2 * np.pi * 110 * time) * np.exp(-4 * time) * (time < 0.5)
        >>> notes = transcribe(np.concatenate([np.zeros(11025), note, 0.5 * note]), 22050)
        >>> [(round(note.start, 2), note.pitch, note.velocity) for note in notes]
        [(0.5, 45, 127), (1.5, 45, 89)]
    """
    if np.ndim(audio) == 1 and not len(audio):
        raise ValueError("got audio of shape (0,), expected (samples,) with at least one sample")
    audio = mono_at_analysis_rate(audio, sampling_rate)
    return _transcribe(lambda first, stop: audio[first:stop], len(audio), None, config)


def transcribe_file(
    path: str | os.PathLike[str],
    max_duration: float = MAX_DURATION,
    on_progress: Callable[[float], None] | None = None,
    config: NoteDecodingConfig = DEFAULT_CONFIG,
) -> list[Note]:
    """Transcribe a file of any length as `transcribe` does, in memory that does not grow with the length.

    Args:
        path: Path of an audio file of one or two channels at any rate.
        max_duration: Greatest length of the file in seconds.
        on_progress: Function called after each block with the fraction that is done, up to 1.
        config: Constants of the note decoder.

    Returns:
        The notes in order of their start, none overlapping another.

    Raises:
        latentstem.AudioError: If the file cannot be used, see `latentstem.audio.AudioReader`.

    Example:
        >>> from latentstem.data.render.midi import write_midi
        >>> write_midi(transcribe_file("bass.wav"), "bass.mid")  # doctest: +SKIP
    """
    reader = AudioReader(path, max_duration)
    mono = (block.mean(dim=0, keepdim=True) for block in reader)
    with TemporaryAudio(tempfile.gettempdir(), channels=1) as audio:
        for block in resample_blocks(mono, reader.sampling_rate, ANALYSIS_RATE):
            audio.append(block)
        return _transcribe(
            lambda first, stop: audio.read(first, stop - first)[0].numpy(), audio.samples, on_progress, config
        )


def _transcribe(
    read: Callable[[int, int], np.ndarray],
    samples: int,
    on_progress: Callable[[float], None] | None,
    config: NoteDecodingConfig,
) -> list[Note]:
    """Transcribe a recording of `samples` at `ANALYSIS_RATE`, of which `read(first, stop)` returns a part."""
    peaks = PeakLevels()
    for first, stop, begin, end in _blocks(samples):
        peaks = peaks.with_block(read(begin, end), first - begin, stop - begin, config)
    notes: list[DecodedNote] = []
    for first, stop, begin, end in _blocks(samples):
        _append_block(notes, decode_notes(read(begin, end), peaks, config), first, begin)
        if on_progress is not None:
            on_progress(stop / samples)
    return _with_velocities(notes)


def _blocks(samples: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield first sample and stop of each block, and first sample and stop of the block with its context."""
    for first in range(0, samples, BLOCK):
        stop = min(first + BLOCK, samples)
        yield first, stop, max(first - CONTEXT, 0), min(stop + CONTEXT, samples)


def _append_block(notes: list[DecodedNote], block: list[DecodedNote], first: int, begin: int) -> None:
    """Append the notes of a block that begins at sample `first`, and with its context at sample `begin`."""
    joint, offset = first / ANALYSIS_RATE, begin / ANALYSIS_RATE
    block = [note._replace(start=note.start + offset, end=note.end + offset) for note in block]
    while notes and notes[-1].start >= joint:  # in the context of the block before
        notes.pop()
    if notes and notes[-1].end > joint + CONTEXT / ANALYSIS_RATE - _UNCERTAIN_END:
        held = notes[-1]
        ends = [note.end for note in block if note.start < joint < note.end and note.pitch == held.pitch]
        notes[-1] = held._replace(end=max([held.end, *ends]))
    notes.extend(note for note in block if note.start >= joint)


def _with_velocities(found: list[DecodedNote]) -> list[Note]:
    """Turn levels into velocities, 127 at the greatest."""
    levels = np.array([note.level for note in found])
    velocities = np.clip(np.round(127.0 * np.sqrt(levels / levels.max(initial=1e-12))), 1, 127).astype(int)
    return [
        Note(note.start, note.end, note.pitch, int(velocity)) for note, velocity in zip(found, velocities, strict=True)
    ]
