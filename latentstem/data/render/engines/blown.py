"""Blown pipes: flutes, reeds and brass as regions of one space.

A pipe sounds harmonics k^-slope, a cylindrical one with a reed (clarinet) few of the even ones, and two formants in
Hz. The brightness of brass grows with its level, since loud waves steepen in the bore (Risset 1966; Hirschberg et al.
1996): a low-pass opens with the level, and a saturation adds what steepens. Breath is noise that resonates in the
pipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, frequency_of
from latentstem.data.render.engines.filters import bandpass_sections, resonate, sweep
from latentstem.data.render.engines.lines import Articulation, Line, lines_of
from latentstem.data.render.engines.tone import tilt
from latentstem.data.render.engines.wavetables import HARMONICS, Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note


@dataclass(frozen=True)
class BlownPipe:
    """A wind player, or one for each voice of a chord.

    Attributes:
        single: Whether a note ends the one before.
        articulation: How notes begin, move and end.
        slope: Exponent by which the harmonics fall.
        even: Factor of the even harmonics.
        fundamental: Factor of the fundamental, below 1 for narrow bores.
        formants: Frequencies of the formants in Hz.
        formant_gains: Their levels, the direct sound as 1.
        corner: Frequency above which a soft note is dull, as a multiple of the middle of the part's pitches.
        poles: First-order low-passes in series that make it dull.
        softness: Exponent of the brightness over the level.
        steepening: Gain before the saturation, which is strongest for loud notes; 0 for none.
        breath: Level of the breath's noise.
        chiff: Level of the noise at the start of a note over that later on.
        breath_harmonic: Multiple of the pitch at which the noise resonates.
        breath_width: Width of that resonance as a part of its frequency.
        growl: Depth of the roughness of the level.
        growl_rate: Rate of the roughness in Hz.

    Example:
        >>> pipe = BlownPipe.draw(PatchDraws(SeededRandom(0)), "lead")
        >>> audio = pipe.render([Note(0.5, 1.0, pitch=60, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    single: bool
    articulation: Articulation
    slope: float
    even: float
    fundamental: float
    formants: tuple[float, ...]
    formant_gains: tuple[float, ...]
    corner: float
    poles: int
    softness: float
    steepening: float
    breath: float
    chiff: float
    breath_harmonic: float
    breath_width: float
    growl: float
    growl_rate: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "BlownPipe":
        """Draw a flute, a reed or a brass instrument, basses mostly of the last two; see `Engine.draw`."""
        kind = draws.rng.child("kind").weighted_choice(
            {"flute": 0.4, "reed": 2.0, "brass": 2.0} if part == "bass" else {"flute": 1.0, "reed": 1.5, "brass": 1.5}
        )
        flute, brass = kind == "flute", kind == "brass"
        place = draws.main("brightness", 0.0, 1.0)
        base = {"flute": 3.4, "reed": 1.9, "brass": 1.6}[kind]
        low, high = (150.0, 1200.0) if part == "bass" else (300.0, 3000.0)
        second = draws.log_uniform("second formant", 1.3, 3.5)
        first = draws.main("formant", low, high, logarithmic=True)
        return cls(
            single=part in ("bass", "lead", "voice"),
            articulation=Articulation.draw(
                draws.child("articulation"),
                attack=(0.004, 0.02),
                vibrato=0.4 if flute else 0.25,
                scoop=0.8 if brass else 0.4,
            ),
            slope=base - 1.4 * place,
            even=draws.uniform("even", 0.02, 0.6) if not brass and draws.bernoulli("cylinder", 0.4) else 1.0,
            fundamental=1.0 if flute else draws.uniform("fundamental", 0.2, 1.0),
            formants=(first, min(first * second, 8000.0)),
            formant_gains=(draws.uniform("gain", 0.0, 5.0), draws.uniform("second gain", 0.0, 3.0)),
            corner=draws.log_uniform("corner", 1.2, 6.0),
            poles=2 if brass else 1,
            softness=draws.uniform("softness", 0.7, 2.0) if brass else draws.uniform("softness", 0.2, 1.0),
            steepening=draws.log_uniform("steepening", 0.2, 3.0)
            if draws.bernoulli("steep", 0.6 if brass else 0.15)
            else 0.0,
            breath=draws.main("breath", 0.002, 0.5 if flute else 0.12, logarithmic=True),
            chiff=draws.uniform("chiff", 0.0, 8.0),
            breath_harmonic=draws.choice("breath harmonic", (1.0, 2.0, 3.0, 4.0)),
            breath_width=draws.log_uniform("breath width", 0.1, 2.0),
            growl=draws.uniform("growl", 0.1, 0.6) if draws.bernoulli("growls", 0.12) else 0.0,
            growl_rate=draws.log_uniform("growl rate", 18.0, 90.0),
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        order = np.arange(1, HARMONICS + 1)
        amplitude = order**-self.slope * np.where(order % 2, 1.0, self.even)
        amplitude[0] *= self.fundamental
        waveform = Waveform(-1j * amplitude / np.sqrt(np.sum(amplitude**2)))
        breath, lines = 0.0, lines_of(notes, len(track), self.articulation.gap, self.single)
        for index, line in enumerate(lines):
            stream = rng.child(f"voice {index}")
            level = self.articulation.level(line, stream.child("level"))
            track += self._voice(line, level, waveform, stream)
            breath = breath + level * np.sqrt(np.clip(level, 0.0, 1.0)) * (1 + self.chiff * np.exp(-line.age / 0.025))
        if lines:
            track += self._noise(lines[0], np.asarray(breath), rng.child("breath"))
        widths = [0.15 * formant for formant in self.formants]
        return resonate(track, self.formants, widths, self.formant_gains)

    def _voice(self, line: Line, level: np.ndarray, waveform: Waveform, rng: SeededRandom) -> np.ndarray:
        frequency = line.frequency(self.articulation.pitch(line, rng.child("pitch")))
        audio = line.oscillate(waveform, frequency, rng.uniform(0.0, 1.0))
        corner = self.corner * frequency_of(float(np.median([note.pitch for note in line.notes])))
        audio = tilt(audio, line.to_samples(np.clip(level, 0.0, 1.0) ** self.softness), corner, self.poles)
        audio *= line.to_samples(level)
        if self.steepening:
            audio = np.tanh(np.float32(self.steepening) * audio) + np.float32(0.2) * audio
        if self.growl:
            time = np.arange(line.samples) / SAMPLING_RATE
            audio *= 1 + np.float32(self.growl) * np.sin(2 * np.pi * self.growl_rate * time).astype(np.float32)
        return audio

    def _noise(self, line: Line, level: np.ndarray, rng: SeededRandom) -> np.ndarray:
        """Return the breath of all players: noise around a harmonic of one line, and some that no pipe colours."""
        white = rng.uniforms(-1.0, 1.0, line.samples).astype(np.float32)
        centre = line.hold([min(self.breath_harmonic * frequency_of(note.pitch), 16000.0) for note in line.notes])
        coloured = sweep(white, bandpass_sections(centre, self.breath_width * centre))
        # A narrow band passes little power.
        gain = np.sqrt(0.25 * SAMPLING_RATE / np.maximum(self.breath_width * centre, 20.0)).clip(max=20.0)
        amount = self.breath * level
        return line.to_samples(0.3 * amount * gain) * coloured + line.to_samples(0.15 * amount) * white
