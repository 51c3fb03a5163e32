"""Subtractive synthesizers: oscillators rich in harmonics, a low-pass filter with an envelope, and an amplifier.

The voltage-controlled synthesizer of Moog (1965) and what came of it: basses with resonance, slowly moving pads, short
plucks and the long falling sine of the drum machine are places in one space of parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.envelopes import Envelope, glide, hold
from latentstem.data.render.engines.filters import CONTROL_BLOCK, control_times, lowpass_sections, sweep
from latentstem.data.render.engines.oscillators import Oscillator, OscillatorBank
from latentstem.data.render.engines.subtractive_patches import draw_fields
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note


@dataclass(frozen=True)
class Filter:
    """A low-pass whose cutoff follows an envelope and the keys.

    Attributes:
        cutoff: Cutoff in Hz at rest, at pitch 45 and a velocity of 95.
        amount: Octaves by which the envelope opens it at full velocity.
        response: Part of the amount that depends on the velocity, 0 to 1.
        touch: Octaves by which the cutoff itself rises over the velocities.
        tracking: Octaves by which it rises in an octave of pitch.
        resonance: Gain in dB at the cutoff.
        poles: 2 or 4.
        envelope: Envelope of the cutoff.
    """

    cutoff: float
    amount: float
    response: float
    touch: float
    tracking: float
    resonance: float
    poles: int
    envelope: Envelope

    def run(self, audio: np.ndarray, notes: Sequence[Note]) -> np.ndarray:
        """Filter a track; each note begins the envelope anew."""
        starts = control_times(len(audio))
        octaves = np.zeros(len(starts))
        # A note has the block in which it begins.
        edges = [int(note.start * SAMPLING_RATE) // CONTROL_BLOCK for note in notes] + [len(starts)]
        for note, first, last in zip(notes, edges[:-1], edges[1:], strict=True):
            time = np.maximum(starts[first:last] / SAMPLING_RATE - note.start, 0)
            strength = 1 - self.response * (1 - note.velocity / 127)
            opening = self.amount * strength * _level_at(self.envelope, time, note.end - note.start)
            rest = self.tracking * (note.pitch - 45) / 12 + self.touch * (note.velocity / 127 - 0.75)
            octaves[first:last] = opening + rest
        cutoff = np.clip(self.cutoff * 2**octaves, 30, 18_000)
        return sweep(audio, lowpass_sections(cutoff, self.resonance, self.poles))


@dataclass(frozen=True)
class Subtractive:
    """A subtractive synthesizer.

    Attributes:
        oscillators: Its oscillators, the last one often an octave below.
        noise: Level of white noise.
        unison: Voices of each oscillator.
        spread: Cents from the lowest of them to the highest.
        width_depth: Depth of the modulation of the width of pulses, 0 to 0.4 periods.
        width_rate: Its frequency in Hz.
        glide: Time constant in seconds of the glide from note to note.
        fall: Semitones from which the pitch falls at a note's start.
        fall_time: Time constant of that fall in seconds.
        vibrato: Depth of the vibrato in cents.
        vibrato_rate: Its frequency in Hz.
        drive_before: Overdrive before the filter; 0 is clean.
        filter: The filter.
        amplifier: Envelope of the level.
        drive_after: Overdrive behind the amplifier; 0 is clean.
        dynamics: Decibels from the least velocity to the greatest.
        legato: Whether a note of another pitch that follows without a gap goes on with the envelopes of the one before.
        monophonic: Whether a note ends the one before.

    Example:
        >>> lead = Subtractive.draw(PatchDraws(SeededRandom(0)), "lead")
        >>> lead.render([Note(0.0, 0.5, 60, 90)], 1.0, SeededRandom(1)).shape
        (44100,)
    """

    oscillators: tuple[Oscillator, ...]
    noise: float
    unison: int
    spread: float
    width_depth: float
    width_rate: float
    glide: float
    fall: float
    fall_time: float
    vibrato: float
    vibrato_rate: float
    drive_before: float
    filter: Filter
    amplifier: Envelope
    drive_after: float
    dynamics: float
    legato: bool
    monophonic: bool

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> Self:
        """Draw a synthesizer: of many voices for "chords", else of one."""
        fields = draw_fields(draws, part)
        return cls(
            oscillators=tuple(Oscillator(**one) for one in fields.oscillators),
            filter=Filter(envelope=Envelope(**fields.filter_envelope), **fields.filter),
            amplifier=Envelope(**fields.amplifier),
            monophonic=part != "chords",
            **fields.rest,
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        samples = round(duration * SAMPLING_RATE)
        notes = [note for note in notes if round(note.start * SAMPLING_RATE) < samples]
        if not notes:
            return np.zeros(samples, np.float32)
        bank = OscillatorBank(self.oscillators, self.unison, self.spread, self.width_depth, self.width_rate, rng)
        track = (self._melody if self.monophonic else self._chords)(notes, samples, bank, rng.child("noise"))
        return _drive(track, self.drive_after)

    def _melody(self, notes: list[Note], samples: int, bank: OscillatorBank, rng: SeededRandom) -> np.ndarray:
        """One voice through the whole track, whose phase never jumps."""
        notes = monophonic(notes)
        starts = [round(note.start * SAMPLING_RATE) for note in notes]
        heard = [round((note.end + 6.9 * self.amplifier.release) * SAMPLING_RATE) for note in notes]
        ends = [min(end, follower) for end, follower in zip(heard, [*starts[1:], samples], strict=True)]
        audio = bank.run(self._frequency(notes, samples), list(zip(starts, ends, strict=True)))
        if self.noise:
            audio += self.noise * rng.uniforms(-1.0, 1.0, samples)
        phrases = _phrases(notes) if self.legato else notes
        return self.filter.run(_drive(audio, self.drive_before), phrases) * self._level(phrases, samples)

    def _frequency(self, notes: list[Note], samples: int) -> np.ndarray:
        pitch = glide(hold(notes, [note.pitch for note in notes], samples), self.glide)
        if self.fall:
            fall = self.fall * np.exp(-np.arange(7 * self.fall_time * SAMPLING_RATE) / (self.fall_time * SAMPLING_RATE))
            pitch = pitch.copy()
            for note, end in zip(notes, [note.start for note in notes[1:]] + [np.inf], strict=True):
                first = round(note.start * SAMPLING_RATE)
                last = int(min(first + len(fall), samples, round(min(end, 1e6) * SAMPLING_RATE)))
                pitch[first:last] += fall[: last - first]
        return 440.0 * np.exp2((pitch - 69 + self._vibrato(samples)) / 12)

    def _vibrato(self, samples: int) -> np.ndarray | float:
        if not self.vibrato:
            return 0.0
        # Steps of 1.5 ms are enough: the phase that runs at this frequency has no steps.
        wave = np.sin(2 * np.pi * self.vibrato_rate / SAMPLING_RATE * control_times(samples))
        return np.repeat(self.vibrato / 100 * wave, CONTROL_BLOCK)[:samples]

    def _level(self, phrases: list[Note], samples: int) -> np.ndarray:
        level = np.zeros(samples, np.float32)
        for phrase in phrases:
            first = round(phrase.start * SAMPLING_RATE)
            shape = self.amplifier.over(max(phrase.end - phrase.start, 0.005))[: samples - first]
            # What is left of the note before dies in 3 ms, or the jump would click.
            left = level[first] * np.exp(-np.arange(len(shape), dtype=np.float32) / (0.003 * SAMPLING_RATE))
            level[first:] = 0
            level[first : first + len(shape)] = np.maximum(shape * loudness_of(phrase.velocity, self.dynamics), left)
        return level

    def _chords(self, notes: list[Note], samples: int, bank: OscillatorBank, rng: SeededRandom) -> np.ndarray:
        """Voices note by note, which share one filter.

        A pitch sounds once, as long as its longest note; its notes are cut from that.
        """
        longest = max(max(note.end - note.start for note in notes), 0.01)
        shape = self.amplifier.over(longest)
        on = max(1, round(longest * SAMPLING_RATE))
        release = shape[on - 1 :] / max(float(shape[on - 1]), 1e-9)
        sounds: dict[int, np.ndarray] = {}
        lengths = {note.pitch: 0 for note in notes}
        for note in notes:
            held = max(1, round((note.end - note.start) * SAMPLING_RATE))
            lengths[note.pitch] = max(lengths[note.pitch], held + len(release))
        track = np.zeros(samples, np.float32)
        noise = self.noise * rng.uniforms(-1.0, 1.0, len(shape) + 1).astype(np.float32) if self.noise else None
        for note in notes:
            if note.pitch not in sounds:
                length = lengths[note.pitch]
                vibrato = 2 ** (np.asarray(self._vibrato(length)) / 12)
                sound = bank.run(np.full(length, frequency_of(note.pitch)) * vibrato, [(0, length)])
                sounds[note.pitch] = sound if noise is None else sound + noise[:length]
            held = max(1, round((note.end - note.start) * SAMPLING_RATE))
            gain = np.float32(loudness_of(note.velocity, self.dynamics))
            sound = gain * sounds[note.pitch][: held + len(release) - 1]
            sound[:held] *= shape[:held]
            sound[held:] *= shape[held - 1] * release[1:]
            add_at(track, sound, note.start)
        starts = {note.start: note for note in notes}
        return self.filter.run(_drive(track, self.drive_before), list(starts.values()))


def _phrases(notes: list[Note]) -> list[Note]:
    """Join notes of different pitches without a gap to one, of the last pitch."""
    phrases = notes[:1]
    for note in notes[1:]:
        last = phrases[-1]
        if note.start - last.end < 0.015 and note.pitch != last.pitch:
            phrases[-1] = replace(last, end=note.end, pitch=note.pitch)
        else:
            phrases.append(note)
    return phrases


def _level_at(envelope: Envelope, time: np.ndarray, held: float) -> np.ndarray:
    """Level of an envelope at times in seconds since a note's start."""
    while_held = np.minimum(time, held)
    fall = np.exp(-np.maximum(while_held - envelope.attack, 0) / envelope.decay)
    level = np.minimum(while_held / envelope.attack, 1) * (envelope.sustain + (1 - envelope.sustain) * fall)
    return level * np.exp(-np.maximum(time - held, 0) / envelope.release)


def _drive(audio: np.ndarray, drive: float) -> np.ndarray:
    return np.tanh(np.float32(drive) * audio) / np.float32(np.tanh(drive)) if drive else audio
