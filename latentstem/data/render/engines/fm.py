"""Frequency modulation of sines by sines (Chowning, The Synthesis of Complex Audio Spectra by Means of Frequency
Modulation, 1973): electric pianos, bells, basses, brass and what lies between.

A modulator of index I gives the carrier sidebands at multiples of its frequency with amplitudes J_n(I), so an index
that falls makes the sound duller. An operator that modulates itself by b sounds
`sin(x + b y) = sum_n 2 J_n(n b) / (n b) sin(n x)` for b up to 1, the series of Kepler's equation: near 1 a sawtooth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import jv

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.filters import control_times, highpass_sections, lowpass_sections, sweep
from latentstem.data.render.engines.fm_patches import draw_fields
from latentstem.data.render.engines.wavetables import Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_MOST_INDEX = 12.0  # radians; above, a low note is noise

VELOCITY_STEP = 8
"""Velocities in this range share one sound, at levels of their own."""


@dataclass(frozen=True)
class Operator:
    """A sine with an envelope, which is heard or modulates the phase of another.

    Attributes:
        target: Index of the operator that it modulates, lower than its own; -1 if it is heard.
        ratio: Frequency over that of the pitch.
        offset: What is added to the frequency in Hz.
        level: Level if it is heard, else the modulation index in radians at full velocity and pitch 48.
        response: Decibels by which the level falls towards the least velocity.
        scaling: Decibels by which the level falls in an octave of pitch.
        feedback: Modulation by itself, 0 to 1.
        attack: Seconds of the linear rise.
        decay: Time constant in seconds of the fall to the sustained level, at pitch 48.
        sustain: Level while the note is held, over the level before the fall.
    """

    target: int
    ratio: float
    offset: float
    level: float
    response: float
    scaling: float
    feedback: float
    attack: float
    decay: float
    sustain: float

    def level_over(self, time: np.ndarray, pitch: float, velocity: float) -> np.ndarray:
        """Return the level at times in seconds since a note's start, `(samples,)` float32."""
        octaves = (pitch - 48) / 12
        peak = self.level * loudness_of(velocity, self.response) * 10 ** (-self.scaling * octaves / 20)
        if self.target >= 0:
            # Sidebands beyond the band would come back as other tones (Carson's rule).
            highest = self.ratio * frequency_of(pitch)
            peak = min(peak, _MOST_INDEX, max(0.0, 0.4 * SAMPLING_RATE / highest - 2))
        # High notes decay faster, as on what is struck.
        decay = self.decay * 2 ** (-0.4 * octaves)
        fall = np.exp(-time / np.float32(decay))
        level = np.float32(peak) * (np.float32(self.sustain) + np.float32(1 - self.sustain) * fall)
        rise = int(self.attack * SAMPLING_RATE)
        if rise:
            level[:rise] *= np.arange(min(rise, len(level)), dtype=np.float32) / np.float32(rise)
        return level


@dataclass(frozen=True)
class FrequencyModulation:
    """A synthesizer of two to four operators.

    Attributes:
        operators: The operators; the first one is heard.
        release: Time constant in seconds of the level after a note's end.
        vibrato: Depth of the vibrato in cents.
        vibrato_rate: Its frequency in Hz.
        cutoff: Low-pass of the whole in Hz.
        dynamics: Decibels from the least velocity to the greatest.
        monophonic: Whether a note ends the one before.

    Example:
        >>> bell = FrequencyModulation.draw(PatchDraws(SeededRandom(0)), "chords")
        >>> bell.render([Note(0.0, 0.5, 60, 90)], 1.0, SeededRandom(1)).shape
        (44100,)
    """

    operators: tuple[Operator, ...]
    release: float
    vibrato: float
    vibrato_rate: float
    cutoff: float
    dynamics: float
    monophonic: bool

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> Self:
        """Draw a synthesizer: of many voices for "chords", else of one."""
        operators, rest = draw_fields(draws, part)
        return cls(operators=tuple(Operator(**one) for one in operators), monophonic=part != "chords", **rest)

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        samples = round(duration * SAMPLING_RATE)
        track = np.zeros(samples, np.float32)
        notes = monophonic(notes) if self.monophonic else list(notes)
        # Notes of one pitch and like velocity are cut from one sound, as long as the longest of them.
        lengths: dict[tuple[int, int], int] = {}
        tail = round(6.9 * self.release * SAMPLING_RATE)
        for note in notes:
            key = (note.pitch, note.velocity // VELOCITY_STEP)
            lengths[key] = max(lengths.get(key, 1), self._held(note) + tail)
        sounds: dict[tuple[int, int], np.ndarray] = {}
        release = np.exp(-np.arange(tail, dtype=np.float32) / (self.release * SAMPLING_RATE))
        waves = [self._wave(operator) for operator in self.operators]
        for note in notes:
            key = (note.pitch, note.velocity // VELOCITY_STEP)
            if key not in sounds:
                sounds[key] = self._sound(*key, lengths[key], waves)
            held = self._held(note)
            sound = sounds[key][: held + tail] * np.float32(loudness_of(note.velocity, self.dynamics))
            sound[held:] *= release
            add_at(track, sound, note.start)
        ones = np.ones(len(control_times(samples)))
        sections = [lowpass_sections(self.cutoff * ones, -3.0), highpass_sections(20 * ones)]
        return sweep(track, np.concatenate(sections, 1))

    @staticmethod
    def _held(note: Note) -> int:
        return max(round((note.end - note.start) * SAMPLING_RATE), 200)

    @staticmethod
    def _wave(operator: Operator) -> Waveform | None:
        if not operator.feedback:
            return None
        order = np.arange(1, 65)
        return Waveform(-2j * jv(order, order * operator.feedback) / (order * operator.feedback))

    def _sound(self, pitch: int, layer: int, samples: int, waves: list[Waveform | None]) -> np.ndarray:
        """A pitch that is held, at the middle of a layer of velocities."""
        time = np.arange(samples) / SAMPLING_RATE
        seconds = time.astype(np.float32)
        velocity = min(127, VELOCITY_STEP * (layer + 0.5))
        turns = frequency_of(pitch) * time
        if self.vibrato:
            # The phase of a sinusoidal vibrato that begins at the pitch.
            depth = (2 ** (self.vibrato / 1200) - 1) * frequency_of(pitch) / (2 * np.pi * self.vibrato_rate)
            turns += depth * (1 - np.cos(2 * np.pi * self.vibrato_rate * time))
        phases: dict[int, np.ndarray] = {}
        heard = np.zeros(samples, np.float32)
        for index in range(len(self.operators) - 1, -1, -1):
            operator, wave = self.operators[index], waves[index]
            phase = turns * operator.ratio + operator.offset * time
            phase = (phase - np.floor(phase)).astype(np.float32)
            if index in phases:
                phase += phases[index]
            if wave is None:
                sound = np.sin(np.float32(2 * np.pi) * phase)
            else:
                sound = wave.read(phase, frequency_of(pitch) * operator.ratio)
            sound *= operator.level_over(seconds, pitch, velocity)
            if operator.target < 0:
                heard += sound
            else:
                phases[operator.target] = phases.get(operator.target, np.float32(0)) + sound / np.float32(2 * np.pi)
        return heard
