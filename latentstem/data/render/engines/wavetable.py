"""Wavetable synthesis: two random waveforms, a position between them that moves during a note, and a filter.

A waveform is a spectrum of harmonics k with amplitudes k^-slope, times random deviations in dB, a resonance at some
harmonic and a comb (the spectra of pulses and plucked points are combs); see Bristow-Johnson, "Wavetable Synthesis 101"
(AES 1996). An oscillator reads `(1 - m) a(phase) + m b(phase)` with the position m on its way from one value to another
or swinging. The notes of a track run through one low-pass that each of them opens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.envelopes import Envelope
from latentstem.data.render.engines.filters import CONTROL_BLOCK, lowpass_sections, sweep
from latentstem.data.render.engines.lines import Line
from latentstem.data.render.engines.morphing_tables import MorphingTables
from latentstem.data.render.engines.wavetables import HARMONICS, Waveform, run_phase
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_DYNAMICS = 30.0  # dB by which the least velocity is softer
_CUT = 0.004  # seconds in which a note fades that the next one of a monophonic part ends


@dataclass(frozen=True)
class RandomSpectrum:
    """A waveform as a random spectrum.

    Attributes:
        seed: Seed of the deviations and phases.
        slope: Exponent by which amplitudes fall with the number of the harmonic.
        roughness: Standard deviation in dB of the amplitudes.
        even: Factor of the even harmonics.
        centre: Harmonic at the centre of the resonance.
        width: Width of the resonance in octaves.
        gain: Amplitude of the resonance over that of its surroundings.
        comb: Distance in harmonics of the comb's notches.
        comb_depth: Depth of the comb, 0 to 1.
        scatter: Spread of the phases, 0 for those of a sawtooth, 1 for any.

    Example:
        >>> spectrum = RandomSpectrum.draw(PatchDraws(SeededRandom(0)), slope=1.0)
        >>> round(float(np.sum(np.abs(spectrum.harmonics()) ** 2)), 3)
        1.0
    """

    seed: int
    slope: float
    roughness: float
    even: float
    centre: float
    width: float
    gain: float
    comb: float
    comb_depth: float
    scatter: float

    @classmethod
    def draw(cls, draws: PatchDraws, slope: float) -> "RandomSpectrum":
        """Draw a waveform of the given slope."""
        return cls(
            seed=draws.rng.child("seed").integer(1 << 31),
            slope=slope,
            roughness=draws.uniform("roughness", 0.0, 8.0),
            even=draws.uniform("even", 0.0, 0.5) if draws.bernoulli("hollow", 0.25) else 1.0,
            centre=draws.log_uniform("centre", 1.0, 40.0),
            width=draws.log_uniform("width", 0.1, 1.5),
            gain=draws.log_uniform("gain", 0.5, 12.0) if draws.bernoulli("resonance", 0.7) else 0.0,
            comb=draws.log_uniform("comb", 2.1, 20.0),
            comb_depth=draws.uniform("comb depth", 0.3, 1.0) if draws.bernoulli("combed", 0.4) else 0.0,
            scatter=draws.uniform("scatter", 0.0, 1.0),
        )

    def harmonics(self) -> np.ndarray:
        """Return the complex amplitudes of the harmonics, of power 1 in all."""
        rng, order = SeededRandom(self.seed), np.arange(1, HARMONICS + 1)
        # A sum of three uniform draws is close enough to normal; its variance is 1.
        deviation = rng.uniforms(-1.0, 1.0, 3 * HARMONICS).reshape(3, -1).sum(0)
        amplitude = order**-self.slope * 10 ** (self.roughness * deviation / 20)
        amplitude *= 1 + self.gain * np.exp(-0.5 * (np.log2(order / self.centre) / self.width) ** 2)
        amplitude *= 1 - self.comb_depth * np.cos(np.pi * (order - 1) / self.comb + 0.5 * np.pi) ** 2
        amplitude[1::2] *= self.even
        # The fundamental is never lost, so the pitch stays clear.
        amplitude[0] = max(amplitude[0], 0.25 * amplitude.max())
        phase = self.scatter * np.pi * rng.uniforms(-1.0, 1.0, HARMONICS)
        # On the way from one waveform to another a fundamental of another phase would be out of tune.
        phase[0] = 0.0
        return -1j * amplitude / np.sqrt(np.sum(amplitude**2)) * np.exp(1j * phase)


@dataclass(frozen=True)
class WavetableSynth:
    """A wavetable synthesizer.

    Attributes:
        voices: Notes that sound at a time, their releases among them; one more ends the oldest.
        first: Waveform at position 0.
        second: Waveform at position 1.
        begin: Position at the start of a note.
        end: Position towards which it moves.
        morph_time: Time constant of the move in seconds.
        swing: Depth of the position's swing.
        swing_rate: Rate of the swing in Hz.
        detune: Cents between the two oscillators; 0 for one oscillator.
        interval: Semitones of the second oscillator over the first.
        blend: Level of the second oscillator.
        envelope: Envelope of the level.
        cutoff: Cutoff in Hz of the open filter at middle C and full velocity.
        opening: Octaves by which the filter is lower when its envelope is at 0.
        opening_envelope: Envelope of the filter.
        touch: Octaves by which the filter is lower at the least velocity.
        tracking: Part of the pitch that the filter follows.
        resonance: Resonance of the filter in dB.
        poles: 2 or 4.
        glide: Time constant in seconds of a glide from the pitch of the note before.

    Example:
        >>> synth = WavetableSynth.draw(PatchDraws(SeededRandom(0)), "bass")
        >>> audio = synth.render([Note(0.5, 1.0, pitch=33, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    voices: int
    first: RandomSpectrum
    second: RandomSpectrum
    begin: float
    end: float
    morph_time: float
    swing: float
    swing_rate: float
    detune: float
    interval: int
    blend: float
    envelope: Envelope
    cutoff: float
    opening: float
    opening_envelope: Envelope
    touch: float
    tracking: float
    resonance: float
    poles: int
    glide: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "WavetableSynth":
        """Draw a synthesizer; see `Engine.draw`."""
        bass, single = part == "bass", part in ("bass", "lead", "voice")
        slope = draws.main("slope", 0.3, 2.2)
        pad = not bass and draws.bernoulli("pad", 0.3)
        plucked = not pad and draws.bernoulli("plucked", 0.4)
        envelope = Envelope(
            attack=draws.log_uniform("attack", 0.01, 0.06) if pad else draws.log_uniform("attack", 0.0005, 0.006),
            decay=draws.log_uniform("decay", 0.05, 2.5),
            sustain=0.0 if plucked else draws.uniform("sustain", 0.3, 1.0),
            release=draws.log_uniform("release", 0.08, 0.25) if pad else draws.log_uniform("release", 0.008, 0.2),
        )
        opening = Envelope(
            attack=draws.log_uniform("opening attack", 0.0005, 0.2 if pad else 0.01),
            decay=draws.main("opening decay", 0.03, 1.5, logarithmic=True),
            sustain=draws.uniform("opening sustain", 0.0, 0.6),
            release=0.2,
        )
        return cls(
            voices=1 if single else draws.choice("voices", (6, 8, 10)),
            first=RandomSpectrum.draw(draws.child("first"), slope),
            second=RandomSpectrum.draw(draws.child("second"), slope + draws.uniform("slope difference", -0.5, 0.8)),
            begin=draws.uniform("begin", 0.0, 1.0),
            end=draws.uniform("end", 0.0, 1.0),
            morph_time=draws.log_uniform("morph time", 0.03, 1.5),
            swing=draws.uniform("swing", 0.05, 0.5) if draws.bernoulli("swinging", 0.3) else 0.0,
            swing_rate=draws.log_uniform("swing rate", 0.1, 5.0),
            detune=draws.log_uniform("detune", 2.0, 20.0) if draws.bernoulli("two", 0.5) else 0.0,
            interval=draws.choice("interval", (0, 0, 0, 12) if bass else (0, 0, 0, 12, -12)),
            blend=draws.uniform("blend", 0.2, 0.9),
            envelope=envelope,
            cutoff=draws.main("cutoff", 300.0 if bass else 600.0, 14000.0, logarithmic=True),
            opening=draws.uniform("opening", 0.0, 4.0),
            opening_envelope=opening,
            touch=draws.uniform("touch", 1.0, 3.0),
            tracking=draws.uniform("tracking", 0.0, 0.8),
            resonance=draws.uniform("resonance", -3.0, 14.0),
            poles=draws.choice("poles", (2, 4)),
            glide=draws.log_uniform("glide", 0.01, 0.08) if single and draws.bernoulli("glides", 0.2) else 0.0,
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        notes = monophonic(notes) if self.voices == 1 else list(notes)
        if not notes or len(track) == 0:
            return track
        tables = MorphingTables(Waveform(self.first.harmonics()), Waveform(self.second.harmonics()))
        phases = rng.child("phase").uniforms(0.0, 1.0, len(notes))
        for index, note in enumerate(notes):
            before = notes[index - 1] if index and self.voices == 1 else note
            until = notes[index + self.voices].start if index + self.voices < len(notes) else np.inf
            level = _cut(self.envelope.over(note.end - note.start), until - note.start)
            level *= np.float32(loudness_of(note.velocity, _DYNAMICS))
            frequency = self._frequency(note.pitch, before.pitch, len(level))
            add_at(track, level * self._oscillate(tables, frequency, float(phases[index])), note.start)
        return sweep(track, lowpass_sections(self._cutoffs(notes, len(track)), self.resonance, self.poles))

    def _frequency(self, pitch: int, before: int, samples: int) -> np.ndarray:
        if pitch == before or not self.glide:
            return np.full(samples, frequency_of(pitch))
        way = np.exp(-np.arange(samples) / (self.glide * SAMPLING_RATE))
        return frequency_of(pitch) * 2.0 ** ((before - pitch) / 12 * way)

    def _oscillate(self, tables: MorphingTables, frequency: np.ndarray, begin: float) -> np.ndarray:
        phase, time = run_phase(frequency, begin), np.arange(0, len(frequency), CONTROL_BLOCK) / SAMPLING_RATE
        position = self.end + (self.begin - self.end) * np.exp(-time / self.morph_time)
        position += self.swing * np.sin(2 * np.pi * self.swing_rate * time)
        highest = float(frequency.max())
        if not self.detune:
            return tables.read(phase, position, highest)
        apart = 2.0 ** (self.detune / 2400)
        second = apart * 2.0 ** (self.interval / 12)
        return tables.read(phase / apart, position, highest) + np.float32(self.blend) * tables.read(
            second * phase + 0.37, position, second * highest
        )

    def _cutoffs(self, notes: Sequence[Note], samples: int) -> np.ndarray:
        """Return the cutoff of each block: one filter for all notes, which each start opens again."""
        line, shape = Line(notes, samples), self.opening_envelope
        times, targets, constants = [], [], []
        for note, after in zip(notes, [*line.starts[1:], np.inf], strict=True):
            # Times of a part of several voices rise: what lies beyond the next start is left out.
            events = [(note.start, 1.0, shape.attack / 3), (note.start + shape.attack, shape.sustain, shape.decay)]
            events.append((note.end, 0.0, shape.release))
            for time, target, constant in events:
                if time < after:
                    times.append(time)
                    targets.append(target)
                    constants.append(constant)
        octaves = self.opening * (line.approach(times, targets, constants) - 1.0)
        octaves += line.hold([self.touch * (note.velocity / 127 - 1.0) for note in notes])
        octaves += line.hold([self.tracking * (note.pitch - 60) / 12 for note in notes])
        cutoff = self.cutoff * 2.0**octaves
        # Never below the fundamental, or a bass would vanish.
        return np.maximum(cutoff, line.hold([frequency_of(note.pitch) for note in notes]))


def _cut(level: np.ndarray, seconds: float) -> np.ndarray:
    """Fade out an envelope after some seconds, if it lasts longer."""
    fade = round(_CUT * SAMPLING_RATE)
    if len(level) <= seconds * SAMPLING_RATE + fade:
        return level
    level = level[: max(1, round(seconds * SAMPLING_RATE)) + fade]
    level[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return level
