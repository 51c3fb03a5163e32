"""Plucked strings: the modes of stiff strings, plucked by something soft or hard, heard by pickups or through a body.

A string plucked at the fraction p of its length moves in modes whose velocity has amplitudes sin(pi k p) / k, and a
pickup at q weighs them by sin(pi k q). Stiffness B sharpens the modes, f_k = k f sqrt((1 + B k^2) / (1 + B)), and
losses damp high ones more (Fletcher and Rossing, The Physics of Musical Instruments, 1998, chapters 2 and 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.bends import bend
from latentstem.data.render.engines.bodies import Body
from latentstem.data.render.engines.bursts import NoiseBursts
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.filters import control_times, highpass_sections, lowpass_sections, resonate, sweep
from latentstem.data.render.engines.partials import damped_partials
from latentstem.data.render.engines.string_setups import draw_bass, draw_guitar
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_MOST_PARTIALS = 120
_HIGHEST = 16_000.0  # Hz


@dataclass(frozen=True)
class StringSet:
    """The strings of an instrument.

    Attributes:
        open_pitches: MIDI pitches of the open strings, the lowest first.
        brightness: Octaves by which the pluck is brighter on each string.
        position: Fret from which the hand plays: a note goes to the highest string that has it there or above.
        stiffness: Inharmonicity B of the lowest open string.
        damping: Decay rate of low partials at the lowest open string, in nepers a second.
        treble_damping: What is added to the decay rate at 1 kHz, in nepers a second.
        treble_slope: Exponent of the frequency in what is added.
        beating: Cents between a partial's two directions of vibration.
        second_direction: Amplitude of the second direction, which rings longer.
        unevenness: Decibels by which partials lie above or below their smooth course, as neck and bridge give way.
    """

    open_pitches: tuple[float, ...]
    brightness: tuple[float, ...]
    position: int
    stiffness: float
    damping: float
    treble_damping: float
    treble_slope: float
    beating: float
    second_direction: float
    unevenness: float

    def string_of(self, pitch: float) -> int:
        """Return the index of the string that plays a pitch."""
        reachable = [string for string, low in enumerate(self.open_pitches) if pitch >= low + self.position]
        return reachable[-1] if reachable else 0

    def partials(self, pitch: float) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies in Hz and decay rates in nepers a second of a pitch's partials, each `(partials,)`."""
        string, fundamental = self.string_of(pitch), frequency_of(pitch)
        # A shorter string is stiffer by the square of its length; thinner strings are less stiff.
        frets = pitch - self.open_pitches[string]
        stiffness = min(self.stiffness * 2 ** (frets / 6) * 0.8**string, 0.01)
        order = np.arange(1, 1 + max(1, min(_MOST_PARTIALS, int(_HIGHEST / fundamental))))
        frequency = order * fundamental * np.sqrt((1 + stiffness * order**2) / (1 + stiffness))
        low = self.damping * (fundamental / frequency_of(self.open_pitches[0])) ** 0.5
        return frequency, low + self.treble_damping * (frequency / 1000) ** self.treble_slope


@dataclass(frozen=True)
class Pluck:
    """What plucks the string, and how.

    Attributes:
        position: Place of the pluck as a fraction of the open string.
        cutoff: Frequency in Hz above which the pluck excites less, at a velocity of 95.
        order: Steepness of that fall, in multiples of 6 dB an octave.
        response: Octaves by which the cutoff rises over the velocities.
        dynamics: Decibels from the least velocity to the greatest.
        rise: Cents by which a hard note begins sharp.
        rise_time: Time constant of the fall to its pitch in seconds.
        noise: Level of the noise of finger or plectrum.
        noise_time: Time constant of that noise in seconds.
        noise_centre: Centre frequency of that noise in Hz.
        rattle: Level of the string's bright rattle on the frets, of slapped and hard notes.
        rattle_damping: What the rattle decays faster, in nepers a second.
        bloom: Part of the partials 2 to 10 that comes after the attack, as on a fretless bass, 0 to 1.
        bloom_time: Time constant in seconds with which it comes.
        thump: Level of the body's low knock.
        thump_pitch: Frequency of the knock in Hz.
        lift: Level of the noise of the finger that ends the note.
        release: Time constant in seconds of the damping at the note's end.
    """

    position: float
    cutoff: float
    order: float
    response: float
    dynamics: float
    rise: float
    rise_time: float
    noise: float
    noise_time: float
    noise_centre: float
    rattle: float
    rattle_damping: float
    bloom: float
    bloom_time: float
    thump: float
    thump_pitch: float
    lift: float
    release: float


@dataclass(frozen=True)
class Pickup:
    """What hears the string: one or two pickups and an amplifier, or a wooden body.

    Attributes:
        positions: Places of the pickups as fractions of the open string; none for an acoustic instrument.
        balance: Level of the first pickup against the second, 0 to 1.
        cutoff: Resonance of the pickup with its tone control in Hz.
        resonance: Gain at the resonance in dB.
        drive: Overdrive of the amplifier: 0 is clean, 10 a square wave.
        cabinet: Cutoff of the loudspeaker in Hz.
        body: Resonances of the body; none for an electric instrument.
    """

    positions: tuple[float, ...]
    balance: float
    cutoff: float
    resonance: float
    drive: float
    cabinet: float
    body: Body

    def weights(self, order: np.ndarray, shortening: float) -> np.ndarray:
        """Return how the pickups weigh the partials of a string that frets shorten by a factor."""
        if not self.positions:
            return np.ones(len(order))
        combs = [np.sin(np.pi * order * min(0.5, place * shortening)) for place in self.positions]
        return combs[0] if len(combs) == 1 else self.balance * combs[0] + (1 - self.balance) * combs[1]

    def hear(self, track: np.ndarray) -> np.ndarray:
        """Colour all notes together."""
        ones = np.ones(len(control_times(len(track))))
        heard = sweep(track, lowpass_sections(self.cutoff * ones, self.resonance))
        if self.body:
            frequency, bandwidth, gain = zip(*self.body, strict=True)
            heard = resonate(heard, frequency, bandwidth, gain)
        if self.drive:
            heard = np.tanh(np.float32(self.drive) * heard) / np.float32(np.tanh(self.drive))
        sections = [lowpass_sections(self.cabinet * ones, -3.0, poles=4), highpass_sections(25 * ones)]
        return sweep(heard, np.concatenate(sections, 1))


@dataclass(frozen=True)
class PluckedString:
    """A bass or a guitar.

    Attributes:
        strings: Its strings.
        pluck: How they are plucked.
        pickup: How they are heard.
        monophonic: Whether a note ends the one before.
        slides: Probability that a note which follows without a gap slides up or down to its pitch.
        slide_time: Time constant of a slide in seconds.
        vibrato: Depth of the vibrato of long notes in cents.
        vibrato_rate: Its frequency in Hz.

    Example:
        >>> bass = PluckedString.draw(PatchDraws(SeededRandom(0)), "bass")
        >>> bass.render([Note(0.0, 0.5, 33, 90)], 1.0, SeededRandom(1)).shape
        (44100,)
    """

    strings: StringSet
    pluck: Pluck
    pickup: Pickup
    monophonic: bool
    slides: float
    slide_time: float
    vibrato: float
    vibrato_rate: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> Self:
        """Draw a bass for the part "bass", else a guitar or a relative of it."""
        fields = draw_bass(draws) if part == "bass" else draw_guitar(draws, part)
        return cls(
            strings=StringSet(**fields.strings),
            pluck=Pluck(**fields.pluck),
            pickup=Pickup(**fields.pickup),
            monophonic=part in ("bass", "lead"),
            **fields.hand,
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        notes = monophonic(notes) if self.monophonic else list(notes)
        touch = rng.child("touch")
        bursts = NoiseBursts(self.pluck.noise_centre, self.pluck.noise_time, rng.child("bursts"))
        for before, note in zip([None, *notes], notes, strict=False):
            add_at(track, self._play(note, before, bursts, touch), note.start)
        return self.pickup.hear(track)

    def _play(self, note: Note, before: Note | None, bursts: NoiseBursts, touch: SeededRandom) -> np.ndarray:
        pluck = self.pluck
        held = max(note.end - note.start, 0.01)
        samples = int((held + 6.9 * pluck.release) * SAMPLING_RATE)
        hardness = note.velocity / 127
        frequency, decay, amplitude = self._partials(note, touch)
        strength = np.sqrt(np.sum(amplitude**2))
        heard = np.abs(amplitude) > 3e-4 * strength
        frequency, decay, amplitude = frequency[heard], decay[heard], amplitude[heard] / strength
        # The knock sounds at the level of the note, whatever the string.
        frequency, decay = np.append(frequency, pluck.thump_pitch), np.append(decay, 35.0)
        amplitude = np.append(amplitude, pluck.thump)
        cents = self._bends(note, before, samples, hardness, touch)
        # A sharp beginning takes a little more sound than the note is long.
        spare = 2 + int(samples * max(0.0, 2 ** (float(cents.max(initial=0.0)) / 1200) - 1))
        sound = damped_partials(frequency, decay, amplitude, 0 * decay, samples + spare)
        sound = bend(sound, cents)[:samples] if len(cents) else sound[:samples]
        bursts.add(sound, 0, pluck.noise * hardness)
        on = int(held * SAMPLING_RATE)
        sound[on:] *= np.exp(-np.arange(len(sound) - on, dtype=np.float32) / (pluck.release * SAMPLING_RATE))
        bursts.add(sound, on, pluck.lift)
        return sound * np.float32(loudness_of(note.velocity, pluck.dynamics) * 10 ** touch.uniform(-0.05, 0.05))

    def _partials(self, note: Note, touch: SeededRandom) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frequencies, decay rates and amplitudes of all that vibrates on the string."""
        pluck, strings = self.pluck, self.strings
        frequency, decay = strings.partials(note.pitch)
        order = np.arange(1, len(frequency) + 1)
        string = strings.string_of(note.pitch)
        shortening = 2 ** ((note.pitch - strings.open_pitches[string]) / 12)
        place = min(0.5, pluck.position * shortening * touch.uniform(0.94, 1.06))
        octaves = strings.brightness[string] + touch.uniform(-0.15, 0.15)
        cutoff = pluck.cutoff * 2 ** (octaves + pluck.response * (note.velocity / 127 - 0.75))
        shape = (1 + (frequency / cutoff) ** 2) ** (-0.5 * pluck.order)
        weights = self.pickup.weights(order, shortening)
        amplitude = weights * np.sin(np.pi * order * place) / order * shape
        # Each partial of each fret has a deviation of its own: what is strong is also heard for a shorter time.
        course = strings.unevenness * np.sin(12.9898 * order + 78.233 * note.pitch)
        amplitude, decay = amplitude * 10 ** (course / 20), decay * 2 ** (course / 8)
        # Both directions of vibration of the low partials; of the high ones the second is not missed.
        low, beat = slice(0, 16), 2 ** (strings.beating / 1200)
        parts = [
            (frequency, decay, amplitude),
            (beat * frequency[low], 0.6 * decay[low], strings.second_direction * amplitude[low]),
        ]
        if pluck.bloom:
            late = slice(1, 10)
            parts.append((frequency[late], decay[late] + 1 / pluck.bloom_time, -pluck.bloom * amplitude[late]))
        if pluck.rattle:
            level = pluck.rattle * (note.velocity / 127) ** 2 * np.sqrt(np.sum(amplitude**2))
            bright = weights * order**-0.25 / (1 + (frequency / 6000) ** 4)
            bright *= level / np.sqrt(np.sum(bright**2) + 1e-12)
            parts.append((frequency, decay + pluck.rattle_damping, bright))
        frequency, decay, amplitude = (np.concatenate(column) for column in zip(*parts, strict=True))
        return frequency, decay, amplitude

    def _bends(self, note: Note, before: Note | None, samples: int, hardness: float, touch: SeededRandom) -> np.ndarray:
        """Deviation of the pitch in cents at each sample while there is any."""
        pluck = self.pluck
        slides = before is not None and note.start - before.end < 0.03 and touch.bernoulli(self.slides)
        vibrates = self.vibrato > 0 and note.end - note.start > 0.4
        # A fall from less than a cent or two is not heard, nor the last of it.
        settled = 7 * self.slide_time if slides else pluck.rise_time * np.log(max(1.0, pluck.rise * hardness**2))
        time = np.arange(samples if vibrates else min(samples, int(settled * SAMPLING_RATE))) / SAMPLING_RATE
        cents = pluck.rise * hardness**2 * np.exp(-time / pluck.rise_time)
        if slides and before is not None:
            interval = float(np.clip(before.pitch - note.pitch, -5, 5))
            cents = 100 * interval * np.exp(-time / self.slide_time)
        if vibrates:
            depth = self.vibrato * np.clip((time - 0.2) / 0.3, 0, 1)
            cents += depth * np.sin(2 * np.pi * self.vibrato_rate * (time - 0.2))
        return cents
