"""Basses that no net was trained on, as functions from notes to audio: of a soundfont, of engines, and recorded."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soxr

from benchmarks.common.songs import BASS_PROGRAMS, PROGRAM_NAMES, SAMPLING_RATE, SOUNDFONT
from latentstem.audio import read_audio
from latentstem.data.render.engines import Engine, PatchDraws
from latentstem.data.render.fluidsynth import render_parts
from latentstem.data.render.instruments import ENGINES
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note, Part
from latentstem.data.splits import TEST_SEEDS

Instrument = Callable[[Sequence[Note], float], np.ndarray]
"""Function of notes and a duration in seconds that returns mono audio at 44.1 kHz, `(samples,)`."""
GREATEST_SHIFT = 2.0
"""Semitones by which a sample is transposed beyond the recorded range; further notes move by octaves."""
FADE = 0.06
"""Seconds of the fade after the end of a note."""


def instrument_sets(recorded: Path | None = None) -> dict[str, dict[str, Instrument]]:
    """Return the instruments by set and name.

    Args:
        recorded: Folder for `recorded_instruments`; None leaves that set out.

    Raises:
        ValueError: If the folder holds no instrument, or one that cannot be read.
    """
    sets = {SOUNDFONT: soundfont_instruments(SOUNDFONT), "engines": engine_instruments()}
    if recorded is not None:
        sets["recorded"] = recorded_instruments(recorded)
    return sets


def engine_instruments(per_engine: int = 2) -> dict[str, Instrument]:
    """Draw basses of every engine, with parameters that no instrument to train on has.

    Args:
        per_engine: Number of instruments of each engine.
    """
    drawn: dict[str, Instrument] = {}
    for engine in ENGINES["bass"]:
        for number in range(per_engine):
            name = f"{engine.__name__} {number + 1}"
            patch = engine.draw(PatchDraws(SeededRandom(TEST_SEEDS[0]).child(name), unseen=True), "bass")
            drawn[name] = partial(play_engine, patch)
    return drawn


def play_engine(engine: Engine, notes: Sequence[Note], duration: float) -> np.ndarray:
    """Play notes on a synthesized instrument, `(samples,)`."""
    return engine.render(notes, duration, SeededRandom(0))


def soundfont_instruments(soundfont: str) -> dict[str, Instrument]:
    """Return the eight basses of General MIDI in a soundfont."""
    return {PROGRAM_NAMES[program]: partial(play_program, program, soundfont) for program in BASS_PROGRAMS}


def play_program(program: int, soundfont: str, notes: Sequence[Note], duration: float) -> np.ndarray:
    """Play notes on a General MIDI program of a soundfont, `(samples,)`."""
    (sound,) = render_parts([Part("bass", program, False, tuple(notes), 0.0)], soundfont, duration)
    return sound


def recorded_instruments(folder: Path) -> dict[str, Instrument]:
    """Read recorded instruments: NAME.flac holds one sample a pitch, NAME.json where each is.

    The JSON maps a MIDI pitch, which may be fractional as "40.03", to the sample's offset and length in samples.

    Args:
        folder: Folder of the files.

    Raises:
        ValueError: If there is no JSON in the folder, or a recording is not at 44.1 kHz or shorter than its JSON says.
    """
    instruments: dict[str, Instrument] = {}
    for index in sorted(folder.glob("*.json")):
        audio, rate = read_audio(index.with_suffix(".flac"))
        places = json.loads(index.read_text())
        needed = max(offset + length for offset, length in places.values())
        if rate != SAMPLING_RATE or audio.shape[-1] < needed:
            raise ValueError(
                f"{index.stem}.flac has {audio.shape[-1]} samples at {rate} Hz, expected at least {needed} at "
                f"{SAMPLING_RATE}: it does not belong to its JSON"
            )
        mono = audio.mean(dim=0).numpy()
        samples = {float(pitch): mono[offset : offset + length] for pitch, (offset, length) in places.items()}
        instruments[index.stem] = SampledInstrument(samples)
    if len(instruments) < 2:
        raise ValueError(f"{folder} has {len(instruments)} files NAME.json with their NAME.flac, expected at least 2")
    return instruments


@dataclass(frozen=True)
class SampledInstrument:
    """An instrument of one recorded sample a pitch; notes between them are resampled from the nearest.

    Attributes:
        samples: Sample of each MIDI pitch, mono at 44.1 kHz, `(samples,)`.

    Example:
        >>> instrument = SampledInstrument({40.0: np.ones(44_100, np.float32)})
        >>> instrument([Note(0.5, 1.0, pitch=42, velocity=127)], 2.0).shape
        (88200,)
    """

    samples: Mapping[float, np.ndarray]

    def __call__(self, notes: Sequence[Note], duration: float) -> np.ndarray:
        """Play notes, `(samples,)`; those that begin after `duration` seconds are left out."""
        sound = np.zeros(round(duration * SAMPLING_RATE), dtype=np.float32)
        for note in notes:
            start = round(note.start * SAMPLING_RATE)
            played = self._play(note)[: max(len(sound) - start, 0)]
            sound[start : start + len(played)] += played
        return sound

    def _play(self, note: Note) -> np.ndarray:
        pitch = self._within_range(float(note.pitch))
        nearest = min(self.samples, key=lambda recorded: abs(recorded - pitch))
        faster = 2.0 ** ((pitch - nearest) / 12.0)
        sample = soxr.resample(self.samples[nearest], SAMPLING_RATE * faster, SAMPLING_RATE)
        fade = round(FADE * SAMPLING_RATE)
        held = round((note.end - note.start) * SAMPLING_RATE)
        sample = sample[: held + fade] * np.float32(note.velocity / 127)
        sample[held:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)[: max(len(sample) - held, 0)]
        return sample

    def _within_range(self, pitch: float) -> float:
        while pitch < min(self.samples) - GREATEST_SHIFT:
            pitch += 12.0
        while pitch > max(self.samples) + GREATEST_SHIFT:
            pitch -= 12.0
        return pitch
