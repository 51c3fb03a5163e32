"""Struck strings, tines and bars: pianos, electric pianos, clavinets, harpsichords, mallets and bells.

Each is a set of damped modes: of stiff strings, two or more of them a little apart (Weinreich 1977), or of bars, whose
ratios are 1 : 2.76 : 5.40 : 8.93 where both ends are free (Fletcher and Rossing, The Physics of Musical Instruments,
1998, chapters 2, 12 and 19). A hammer excites them up to a frequency that rises with the velocity. The pickup of an
electric piano bends the wave to one side, which makes it bark when it is hit hard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.bodies import Body
from latentstem.data.render.engines.bursts import NoiseBursts
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.filters import control_times, highpass_sections, lowpass_sections, resonate, sweep
from latentstem.data.render.engines.partials import damped_partials
from latentstem.data.render.engines.struck_setups import draw_hammer, draw_modes, draw_outlet
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_MOST_PARTIALS = 80
_HIGHEST = 14_000.0  # Hz


@dataclass(frozen=True)
class Modes:
    """What vibrates.

    Attributes:
        ratios: Frequencies of the modes over that of the pitch; none for stiff strings.
        stiffness: Inharmonicity B of a string in the middle of the keyboard.
        strings: Strings of a note.
        spread: Cents from the lowest of them to the highest.
        octave: Level of another set an octave above.
        damping: Decay rate of low partials at 220 Hz in nepers a second.
        register: Exponent of the pitch's frequency in that rate.
        treble_damping: What is added to the decay rate at 1 kHz, in nepers a second.
        treble_slope: Exponent of the frequency in what is added.
        aftersound: Level of a part of the sound that decays four times as slowly.
        unevenness: Decibels by which partials lie above or below their smooth course.
    """

    ratios: tuple[float, ...]
    stiffness: float
    strings: int
    spread: float
    octave: float
    damping: float
    register: float
    treble_damping: float
    treble_slope: float
    aftersound: float
    unevenness: float

    def partials(self, pitch: float) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies in Hz and decay rates in nepers a second of a pitch's modes, each `(modes,)`."""
        fundamental = frequency_of(pitch)
        if self.ratios:
            frequency = fundamental * np.asarray(self.ratios)
        else:
            order = np.arange(1, 1 + max(1, min(_MOST_PARTIALS, int(_HIGHEST / fundamental))))
            # Treble strings are stiff because they are short, those of the bass because they are thick.
            stiffness = min(self.stiffness * (2 ** ((pitch - 48) / 9) + 0.5 * 2 ** ((36 - pitch) / 12)), 0.02)
            frequency = order * fundamental * np.sqrt((1 + stiffness * order**2) / (1 + stiffness))
        low = self.damping * (fundamental / 220) ** self.register
        return frequency, low + self.treble_damping * (frequency / 1000) ** self.treble_slope


@dataclass(frozen=True)
class Hammer:
    """What strikes, and what ends the sound.

    Attributes:
        position: Place of the stroke as a fraction of the length; 0 excites all modes alike.
        slope: Exponent by which the modes become weaker.
        cutoff: Frequency in Hz above which the hammer excites less, at a velocity of 95.
        order: Steepness of that fall, in multiples of 6 dB an octave.
        response: Octaves by which the cutoff rises over the velocities.
        tracking: Octaves by which the cutoff rises in an octave of pitch.
        dynamics: Decibels from the least velocity to the greatest.
        noise: Level of the noise of the stroke.
        noise_time: Time constant of that noise in seconds.
        noise_centre: Centre frequency of that noise in Hz.
        release: Time constant in seconds of the damper.
        undamped: Pitch from which on there is no damper.
        lift: Level of the noise when the key comes up.
    """

    position: float
    slope: float
    cutoff: float
    order: float
    response: float
    tracking: float
    dynamics: float
    noise: float
    noise_time: float
    noise_centre: float
    release: float
    undamped: float
    lift: float

    def amplitudes(self, frequency: np.ndarray, pitch: int, velocity: int) -> np.ndarray:
        """Return the amplitudes of modes of the given frequencies in Hz, both `(modes,)`."""
        order = np.arange(1, len(frequency) + 1)
        octaves = self.response * (velocity / 127 - 0.75) + self.tracking * (pitch - 60) / 12
        shape = (1 + (frequency / (self.cutoff * 2**octaves)) ** 2) ** (-0.5 * self.order)
        place = np.sin(np.pi * order * self.position) if self.position else 1.0
        return place * order**-self.slope * shape


@dataclass(frozen=True)
class Outlet:
    """The way of the sound to the listener.

    Attributes:
        bark: Strength of the pickup's bend of each note: 0 is none.
        bias: How far the pickup is to one side: more makes more even harmonics.
        tremolo: Depth of the tremolo, 0 to 1.
        tremolo_rate: Its frequency in Hz.
        body: Resonances of a sound board or of tubes.
        cutoff: Low-pass of the whole in Hz.
    """

    bark: float
    bias: float
    tremolo: float
    tremolo_rate: float
    body: Body
    cutoff: float

    def bend(self, sound: np.ndarray) -> np.ndarray:
        """Bend the wave of a note as an asymmetric pickup does."""
        if not self.bark:
            return sound
        bent = np.tanh(np.float32(self.bark) * sound + np.float32(self.bias)) - np.float32(np.tanh(self.bias))
        return bent / np.float32(self.bark * (1 - np.tanh(self.bias) ** 2))

    def hear(self, track: np.ndarray) -> np.ndarray:
        """Colour all notes together."""
        ones = np.ones(len(control_times(len(track))))
        sections = [lowpass_sections(self.cutoff * ones, -3.0), highpass_sections(25 * ones)]
        heard = sweep(track, np.concatenate(sections, 1))
        if self.body:
            frequency, bandwidth, gain = zip(*self.body, strict=True)
            heard = resonate(heard, frequency, bandwidth, gain)
        if self.tremolo:
            time = np.arange(len(heard)) / SAMPLING_RATE
            gain = 1 - self.tremolo * (0.5 - 0.5 * np.cos(2 * np.pi * self.tremolo_rate * time))
            heard *= gain.astype(np.float32)
        return heard


@dataclass(frozen=True)
class StruckString:
    """A keyboard or mallet instrument.

    Attributes:
        modes: What vibrates.
        hammer: What strikes it.
        outlet: How it is heard.
        monophonic: Whether a note ends the one before.

    Example:
        >>> piano = StruckString.draw(PatchDraws(SeededRandom(0)), "chords")
        >>> piano.render([Note(0.0, 0.5, 60, 90), Note(0.0, 0.5, 64, 90)], 1.0, SeededRandom(1)).shape
        (44100,)
    """

    modes: Modes
    hammer: Hammer
    outlet: Outlet
    monophonic: bool

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> Self:
        """Draw a piano or a relative of it; for the part "bass" one that plays low notes."""
        kinds = {"piano": 3, "tine": 3, "reed": 2, "clavinet": 2, "harpsichord": 1, "marimba": 1, "strange": 2}
        if part != "bass":
            kinds |= {"piano": 5, "vibraphone": 1, "metal": 2, "bell": 1, "tongue": 1}
        kind = draws.rng.child("kind").weighted_choice(kinds)
        return cls(
            modes=Modes(**draw_modes(draws.child("modes"), kind)),
            hammer=Hammer(**draw_hammer(draws.child("hammer"), kind)),
            outlet=Outlet(**draw_outlet(draws.child("outlet"), kind)),
            monophonic=part == "bass",
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        touch = rng.child("touch")
        bursts = NoiseBursts(self.hammer.noise_centre, self.hammer.noise_time, rng.child("bursts"))
        for note in monophonic(notes) if self.monophonic else notes:
            add_at(track, self._play(note, bursts, touch), note.start)
        return self.outlet.hear(track)

    def _play(self, note: Note, bursts: NoiseBursts, touch: SeededRandom) -> np.ndarray:
        hammer = self.hammer
        held = max(note.end - note.start, 0.01)
        release = hammer.release if note.pitch < hammer.undamped else 0.3
        frequency, decay, amplitude = self._partials(note)
        longest = 6.9 / float(decay.min())
        samples = int(min(held + 6.9 * release, longest + 0.1) * SAMPLING_RATE)
        sound = damped_partials(frequency, decay, amplitude, 0 * decay, samples)
        sound *= np.float32(loudness_of(note.velocity, hammer.dynamics) * 10 ** touch.uniform(-0.04, 0.04))
        sound = self.outlet.bend(sound)
        on = min(int(held * SAMPLING_RATE), samples)
        sound[on:] *= np.exp(-np.arange(samples - on, dtype=np.float32) / (release * SAMPLING_RATE))
        bursts.add(sound, 0, hammer.noise * (note.velocity / 127) ** 2)
        bursts.add(sound, on, hammer.lift)
        return sound

    def _partials(self, note: Note) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frequencies, decay rates and amplitudes of all strings of a note, of an energy of 1."""
        modes = self.modes
        frequency, decay = modes.partials(note.pitch)
        amplitude = self.hammer.amplitudes(frequency, note.pitch, note.velocity)
        # Uneven in a way that stays with the instrument: each partial of each key has its own deviation.
        course = np.sin(12.9898 * np.arange(len(frequency)) + 78.233 * note.pitch)
        amplitude *= 10 ** (modes.unevenness * course / 20)
        amplitude /= np.sqrt(np.sum(amplitude**2))
        heard = np.abs(amplitude) > 3e-4
        frequency, decay, amplitude = frequency[heard], decay[heard], amplitude[heard]
        places = np.linspace(-0.5, 0.5, modes.strings) if modes.strings > 1 else np.zeros(1)
        parts = [(frequency * 2 ** (modes.spread * place / 1200), decay, amplitude / modes.strings) for place in places]
        if modes.aftersound:
            parts.append((frequency[:16] * 1.0002, 0.25 * decay[:16], modes.aftersound * amplitude[:16]))
        if modes.octave:
            parts.append((2 * frequency, 1.4 * decay, modes.octave * amplitude))
        frequency, decay, amplitude = (np.concatenate(column) for column in zip(*parts, strict=True))
        return frequency, decay, amplitude
