"""Monophonic lines of an expressive player: articulation, portamento, vibrato and dynamics.

Bowed, blown and sung instruments are controlled while they sound. Their pitch and level are computed once for each
block of `CONTROL_BLOCK` samples and interpolated: each approaches its target exponentially, dx/dt = (target - x) / tau,
from wherever it was when the note began, so that neither ever jumps. A note begins at the first block boundary at or
after its start, at most 1.5 ms late and never early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, loudness_of, monophonic
from latentstem.data.render.engines.filters import CONTROL_BLOCK
from latentstem.data.render.engines.wavetables import Waveform, run_phase
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

STEP = CONTROL_BLOCK / SAMPLING_RATE
"""Seconds of a control block."""
_LEGATO = 0.06  # a voice whose note ends this many seconds after the next one starts is still free to take it


def split_voices(notes: Sequence[Note], count: int) -> list[list[Note]]:
    """Divide notes among voices of one note at a time.

    A note goes to the free voice that was nearest in pitch; where none is free and all are in use, the voice whose
    note ends first leaves it.

    Args:
        notes: Notes in order of their start.
        count: Most voices.

    Returns:
        Monophonic lines, at most `count`.

    Example:
        >>> chord = [Note(0.0, 1.0, pitch, 90) for pitch in (60, 64, 67)]
        >>> [len(line) for line in split_voices(chord, count=2)]
        [1, 1]
    """
    voices: list[list[Note]] = []
    for note in notes:
        free = [voice for voice in voices if voice[-1].end <= note.start + _LEGATO and voice[-1].start < note.start]
        if free:
            min(free, key=lambda voice: abs(voice[-1].pitch - note.pitch)).append(note)
        elif len(voices) < count:
            voices.append([note])
        else:
            min(voices, key=lambda voice: voice[-1].end).append(note)
    return [monophonic(voice) for voice in voices]


def lines_of(notes: Sequence[Note], samples: int, gap: float, single: bool) -> list["Line"]:
    """Return the lines of a part.

    Args:
        notes: Notes in order of their start.
        samples: Length of the track.
        gap: Seconds before the next note's start at which a note ends at the latest.
        single: Whether one player plays all notes, each ending the one before; else up to six voices do.
    """
    voices = [monophonic(notes)] if single else split_voices(notes, count=6)
    return [Line(voice, samples, gap) for voice in voices if voice]


class Line:
    """Notes of one voice on the grid of the control blocks.

    Args:
        notes: Notes of which no two overlap, in order of their start, at least one.
        samples: Length of the track.
        gap: Seconds before the next note's start at which a note ends at the latest, unless it is too short.

    Example:
        >>> line = Line([Note(0.5, 1.0, 60, 90)], samples=88200)
        >>> pitch = line.hold([60.0])
        >>> level = line.approach([0.5, 1.0], [1.0, 0.0], [0.01, 0.01])
        >>> bool(level[: int(0.5 / STEP)].any()), round(float(level[int(0.9 / STEP)]), 3)
        (False, 1.0)
    """

    def __init__(self, notes: Sequence[Note], samples: int, gap: float = 0.0):
        self.notes, self.samples = notes, samples
        self.blocks = max(1, -(-samples // CONTROL_BLOCK))
        self.starts = [note.start for note in notes]
        latest = [*(start - gap for start in self.starts[1:]), np.inf]
        self.ends = [
            max(min(note.end, last), note.start + 0.6 * (note.end - note.start))
            for note, last in zip(notes, latest, strict=True)
        ]

    def block_of(self, time: float) -> int:
        """Return the first block that begins at or after a time in seconds, at most the number of blocks."""
        return min(-(-round(time * SAMPLING_RATE) // CONTROL_BLOCK), self.blocks)

    def hold(self, values: Sequence[float]) -> np.ndarray:
        """Hold each note's value until the next note's start, the first one's also before; `(blocks,)`."""
        edges = [0, *(self.block_of(start) for start in self.starts[1:]), self.blocks]
        return np.repeat(np.asarray(values, dtype=np.float64), np.diff(edges))

    @property
    def age(self) -> np.ndarray:
        """Seconds since the start of the latest note, 0 before the first; `(blocks,)`."""
        first = self.hold([self.block_of(start) for start in self.starts])
        return np.maximum(np.arange(self.blocks) - first, 0) * STEP

    def approach(
        self, times: Sequence[float], targets: Sequence[float], constants: Sequence[float], initial: float = 0.0
    ) -> np.ndarray:
        """Approach targets one after another, each exponentially from the value reached before.

        Args:
            times: Times in seconds from which each target holds, rising.
            targets: A target for each time.
            constants: Time constant in seconds of each approach.
            initial: Value until the first time.

        Returns:
            `(blocks,)` float64, continuous.
        """
        edges = [self.block_of(time) for time in times] + [self.blocks]
        track, value = np.full(self.blocks, float(initial)), float(initial)
        for first, last, target, constant in zip(edges, edges[1:], targets, constants, strict=False):
            if last > first:
                rate = STEP / max(constant, 1e-4)
                distance = (value - target) * np.exp(-np.minimum(rate * np.arange(last - first + 1), 60.0))
                track[first:last] = target + distance[:-1]
                value = target + distance[-1]
        return track

    def to_samples(self, control: np.ndarray) -> np.ndarray:
        """Interpolate values of blocks linearly, `(samples,)` float32."""
        control = np.append(control, control[-1:]).astype(np.float32)
        ramp = np.arange(CONTROL_BLOCK, dtype=np.float32) / CONTROL_BLOCK
        return (control[:-1, None] + np.diff(control)[:, None] * ramp).reshape(-1)[: self.samples]

    def frequency(self, pitch: np.ndarray) -> np.ndarray:
        """Return the frequency in Hz at each sample of a MIDI pitch at each block, `(samples,)`."""
        return self.to_samples(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))

    def oscillate(self, waveform: Waveform, frequency: np.ndarray, begin: float) -> np.ndarray:
        """Read a waveform at a changing frequency, for each note with all the harmonics that it has room for.

        Args:
            waveform: Waveform.
            frequency: Frequency in Hz at each sample, `(samples,)`.
            begin: Phase at the first sample in periods.

        Returns:
            `(samples,)` float32, 0 before the first note.
        """
        phase, audio = run_phase(frequency, begin), np.zeros(self.samples, np.float32)
        edges = [min(self.block_of(start) * CONTROL_BLOCK, self.samples) for start in self.starts] + [self.samples]
        for first, last in pairwise(edges):
            if last > first:
                audio[first:last] = waveform.read(phase[first:last], float(frequency[(first + last) // 2]))
        return audio

    def wander(self, rate: float, rng: SeededRandom) -> np.ndarray:
        """Return a random curve between -1 and 1 with `rate` new values a second, `(blocks,)`."""
        places = np.arange(self.blocks) * STEP * rate
        return np.interp(places, np.arange(int(places[-1]) + 2), rng.uniforms(-1.0, 1.0, int(places[-1]) + 2))


@dataclass(frozen=True)
class Articulation:
    """How a player begins, shapes and ends notes.

    Attributes:
        attack: Time constant in seconds of the rise.
        release: Time constant in seconds of the fall after a note.
        gap: Seconds before the next note at which a note ends at the latest.
        swell: Change of the level in nepers while a note is held, from its accent on.
        dynamics: Decibels by which the least velocity is softer than the greatest.
        glide: Time constant in seconds of the way from one pitch to the next.
        scoop: Semitones by which a note begins too high, below 0 too low.
        scoop_time: Time constant in seconds in which that vanishes.
        vibrato_rate: Vibrato in Hz.
        vibrato_depth: Semitones of the vibrato to either side.
        vibrato_delay: Seconds after the start of a note from which the vibrato grows.
        drift: Semitones by which the pitch wanders.
        unsteadiness: Part of the level by which it wanders.

    Example:
        >>> from latentstem.data.rng import SeededRandom
        >>> player = Articulation.draw(PatchDraws(SeededRandom(0)), attack=(0.01, 0.03), vibrato=0.3)
        >>> line = Line([Note(0.0, 1.0, 60, 90)], 44100, player.gap)
        >>> player.level(line, SeededRandom(1)).shape == player.pitch(line, SeededRandom(1)).shape
        True
    """

    attack: float
    release: float
    gap: float
    swell: float
    dynamics: float
    glide: float
    scoop: float
    scoop_time: float
    vibrato_rate: float
    vibrato_depth: float
    vibrato_delay: float
    drift: float
    unsteadiness: float

    @classmethod
    def draw(
        cls, draws: PatchDraws, attack: tuple[float, float], vibrato: float, glide: float = 0.02, scoop: float = 0.3
    ) -> "Articulation":
        """Draw a player.

        Args:
            draws: Source of the parameters.
            attack: Least and greatest time constant of the rise in seconds.
            vibrato: Greatest depth of the vibrato in semitones; a quarter of the players has none.
            glide: Greatest time constant of a glide in seconds.
            scoop: Most semitones that a note begins too low; half of the players begin in tune.
        """
        return cls(
            attack=draws.log_uniform("attack", *attack),
            release=draws.log_uniform("release", 0.015, 0.15),
            gap=draws.uniform("gap", 0.0, 0.04) if draws.bernoulli("tongued", 0.6) else 0.0,
            swell=draws.uniform("swell", -0.8, 0.4),
            dynamics=draws.uniform("dynamics", 18.0, 45.0),
            glide=draws.log_uniform("glide", 0.001, glide),
            scoop=-draws.uniform("scoop", 0.0, scoop) if draws.bernoulli("scooped", 0.5) else 0.0,
            scoop_time=draws.log_uniform("scoop time", 0.01, 0.06),
            vibrato_rate=draws.uniform("vibrato rate", 4.5, 6.5),
            vibrato_depth=draws.uniform("vibrato depth", 0.03, vibrato) if draws.bernoulli("vibrato", 0.75) else 0.0,
            vibrato_delay=draws.uniform("vibrato delay", 0.05, 0.6),
            drift=draws.uniform("drift", 0.0, 0.05),
            unsteadiness=draws.uniform("unsteadiness", 0.02, 0.2),
        )

    def pitch(self, line: Line, rng: SeededRandom) -> np.ndarray:
        """Return the MIDI pitch with its inflections at each block, `(blocks,)`."""
        pitches = [float(note.pitch) for note in line.notes]
        pitch = line.approach(line.starts, pitches, [self.glide] * len(pitches), initial=pitches[0])
        age = line.age
        grown = np.clip((age - self.vibrato_delay) / 0.3, 0.0, 1.0)
        rate = self.vibrato_rate * (1.0 + 0.08 * line.wander(2.0, rng.child("vibrato rate")))
        vibrato = self.vibrato_depth * grown * np.sin(2 * np.pi * (np.cumsum(rate) * STEP + rng.uniform(0.0, 1.0)))
        drift = self.drift * line.wander(3.0, rng.child("drift"))
        return pitch + self.scoop * np.exp(-age / self.scoop_time) + vibrato + drift

    def level(self, line: Line, rng: SeededRandom) -> np.ndarray:
        """Return the level of the notes at each block, 1 at the accent of the greatest velocity, `(blocks,)`."""
        times, targets, constants = [], [], []
        for index, (note, end) in enumerate(zip(line.notes, line.ends, strict=True)):
            loudness = loudness_of(note.velocity, self.dynamics)
            accent = min(note.start + 3 * self.attack, end)
            times += [note.start, accent, end]
            targets += [loudness, loudness * np.exp(self.swell), 0.0]
            # A note that goes over into the next one needs no release.
            legato = index + 1 < len(line.notes) and line.starts[index + 1] - end < 1e-3
            constants += [self.attack, 0.4, 10.0 if legato else self.release]
        level = line.approach(times, targets, constants)
        level[level < 1e-5] = 0.0
        return level * (1.0 + self.unsteadiness * line.wander(8.0, rng.child("level")))
