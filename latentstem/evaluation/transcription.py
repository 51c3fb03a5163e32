"""Notes of a monophonic bass of any length: found block by block, the same as if it were heard whole.

What silence and an attack are is measured against the loudest moments of the whole recording, so it is gone through
twice: for these, and for the notes (`note_search`). Each block is heard with its surroundings, of which the notes
need less than a second.
"""

import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from latentstem.audio.io import MAX_DURATION, AudioReader
from latentstem.audio.resampling import resample_blocks
from latentstem.audio.temporary import TemporaryAudio
from latentstem.data.score import Note
from latentstem.evaluation.note_decoding import PeakLevels, Stroke, decode_notes
from latentstem.evaluation.rhythm import ANALYSIS_RATE, mono_at_analysis_rate

# In samples; whole frames of the pitch track, so that a block's frames are the recording's.
BLOCK = 60 * 43 * 512
SURROUNDINGS = 5 * 43 * 512
_NEARLY = 0.15  # seconds before the end of what is heard in which the end of a note says nothing


def transcribe(audio: np.ndarray, sampling_rate: int) -> list[Note]:
    """Writes down the notes of a monophonic bass.

    Onsets are where notes begin to be heard, right to about 2 ms for notes that start at once. A sampled instrument
    begins some milliseconds after its key is pressed: 5 to 10 for most basses of the corpus, up to 30 for some. A note
    of fewer than eight periods of its pitch (0.2 s at the low E of a bass) may be written down at another pitch, and so
    may one at a leap of more than a fifth with less than 0.12 s of rest between.

    Args:
        audio: mono audio `(samples,)`, any level.
        sampling_rate: of `audio`, in Hz.

    Returns:
        The notes in order of their start, none overlapping another: start and end in seconds, MIDI pitch of 21 to 71,
        and a velocity that has the loudest note at 127 and falls with the level as General MIDI 2 plays it, by
        `40 log10(velocity / 127)` dB. None in silence.

    Raises:
        ValueError: if the audio is not one-dimensional, or is empty.

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
    return _transcribe(lambda first, stop: audio[first:stop], len(audio), None)


def transcribe_file(
    path: str | os.PathLike[str],
    max_duration: float = MAX_DURATION,
    on_progress: Callable[[float], None] | None = None,
) -> list[Note]:
    """`transcribe` of a file of any length, in memory that does not grow with it.

    Args:
        path: the file, of one or two channels at any rate.
        max_duration: longest file that is read, in seconds.
        on_progress: called with the share that is done, from 0 to 1.

    Returns:
        The notes.

    Raises:
        latentstem.AudioError: the file cannot be used, see `latentstem.audio.AudioReader`.

    Example:
        >>> from latentstem.data.render.midi import write_midi
        >>> write_midi(transcribe_file("bass.wav"), "bass.mid")  # doctest: +SKIP
    """
    reader = AudioReader(path, max_duration)
    mono = (block.mean(dim=0, keepdim=True) for block in reader)
    with TemporaryAudio(tempfile.gettempdir(), channels=1) as audio:
        for block in resample_blocks(mono, reader.sampling_rate, ANALYSIS_RATE):
            audio.append(block)
        return _transcribe(lambda first, stop: audio.read(first, stop - first)[0].numpy(), audio.samples, on_progress)


def _transcribe(
    read: Callable[[int, int], np.ndarray], samples: int, on_progress: Callable[[float], None] | None
) -> list[Note]:
    """Notes of a recording of so many samples at `ANALYSIS_RATE`, of which `read(first, stop)` gives a part."""
    loudest = PeakLevels()
    for first, stop, begin, end in _blocks(samples):
        loudest = loudest.with_block(read(begin, end), first - begin, stop - begin)
    found: list[Stroke] = []
    for first, stop, begin, end in _blocks(samples):
        _join(found, decode_notes(read(begin, end), loudest), first, begin)
        if on_progress is not None:
            on_progress(stop / samples)
    return _with_velocities(found)


def _blocks(samples: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each block begins and ends, and where what is heard of it does."""
    for first in range(0, samples, BLOCK):
        stop = min(first + BLOCK, samples)
        yield first, stop, max(first - SURROUNDINGS, 0), min(stop + SURROUNDINGS, samples)


def _join(found: list[Stroke], heard: list[Stroke], first: int, begin: int) -> None:
    """Goes on with the notes of a block that begins at sample `first` and was heard from sample `begin` on."""
    joint, offset = first / ANALYSIS_RATE, begin / ANALYSIS_RATE
    heard = [note._replace(start=note.start + offset, end=note.end + offset) for note in heard]
    while found and found[-1].start >= joint:  # of the surroundings of the block before
        found.pop()
    if found and found[-1].end > joint + SURROUNDINGS / ANALYSIS_RATE - _NEARLY:  # whose end was not heard
        held = found[-1]
        ends = [note.end for note in heard if note.start < joint < note.end and note.pitch == held.pitch]
        found[-1] = held._replace(end=max([held.end, *ends]))
    found.extend(note for note in heard if note.start >= joint)


def _with_velocities(found: list[Stroke]) -> list[Note]:
    levels = np.array([note.level for note in found])
    velocities = np.clip(np.round(127.0 * np.sqrt(levels / levels.max(initial=1e-12))), 1, 127).astype(int)
    return [
        Note(note.start, note.end, note.pitch, int(velocity)) for note, velocity in zip(found, velocities, strict=True)
    ]
