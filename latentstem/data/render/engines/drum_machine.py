"""Drum machines in the manner of the analogue ones of the 1980s and the samplers after them.

A kick is a sine of falling pitch, a snare two sines and noise, a clap a few bursts of noise; hats and cymbals are the
sum of six square waves, a sine that modulates another one (Chowning 1973), or noise, each through filters. Werner,
Abel and Smith analysed such circuits (DAFx 2014); here every parameter is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.hand_percussion import clap, scrape, shaker, whistle
from latentstem.data.render.engines.percussion import (
    DrumKey,
    band_noise,
    decay_of,
    draw_levels,
    falling_sine,
    play_strokes,
    square,
    time_of,
)
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_METAL = np.array([1.0, 1.483, 1.800, 2.546, 2.630, 3.897])  # ratios of the six oscillators of a hat


@dataclass(frozen=True)
class DrumMachine:
    """A drum machine.

    Attributes:
        kick_pitch: Frequency of the kick in Hz.
        kick_decay: Seconds until the kick is 35 dB down.
        kick_fall: Semitones by which it falls.
        kick_fall_time: Time constant of the fall in seconds.
        kick_click: Level of the noise at its start.
        snare_pitch: Frequency of the lower sine of the snare in Hz.
        snare_ratio: Frequency of the upper one over that.
        snare_decay: Seconds of the noise.
        snare_tone: Level of the sines over the noise.
        snare_tone_decay: Seconds of the sines.
        snare_snap: Level of the short noise at its start.
        snare_low: Lowest frequency of the noise in Hz.
        snare_high: Its highest frequency.
        hat_kind: Source of hats and cymbals: 0 squares, 1 modulated sines, 2 noise.
        hat_pitch: Lowest frequency of that source in Hz.
        hat_index: Modulation index of the sines.
        hat_low: Lowest frequency of the hats that passes, in Hz.
        hat_decay: Seconds of the closed hat.
        hat_noise: Level of noise mixed in.
        cymbal_decay: Seconds of the crash.
        clap_bursts: Bursts of the clap.
        clap_distance: Seconds between them.
        clap_decay: Seconds of its tail.
        clap_centre: Centre of its noise in Hz.
        tom_pitch: Frequency of the middle tom in Hz.
        tom_decay: Its seconds.
        tom_fall: Semitones by which toms fall.
        tom_noise: Level of the noise in toms.
        bell_pitch: Lower frequency of the cowbell in Hz.
        bell_ratio: Upper frequency over the lower.
        bell_decay: Its seconds.
        block_pitch: Frequency of blocks and of the rim in Hz.
        block_decay: Their seconds.
        shaker_decay: Seconds of shakers.
        drive: Gain before the saturation.
        bits: Bits of the samples; 16 leaves them as they are.
        hold: Samples that keep one value: 1 for the full rate.
        levels: Levels of kick, snares, toms, metal and hand percussion.
        touch: How much a soft stroke loses brightness.

    Example:
        >>> machine = DrumMachine.draw(PatchDraws(SeededRandom(0)), "drums")
        >>> audio = machine.render([Note(0.5, 0.6, pitch=36, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    kick_pitch: float
    kick_decay: float
    kick_fall: float
    kick_fall_time: float
    kick_click: float
    snare_pitch: float
    snare_ratio: float
    snare_decay: float
    snare_tone: float
    snare_tone_decay: float
    snare_snap: float
    snare_low: float
    snare_high: float
    hat_kind: int
    hat_pitch: float
    hat_index: float
    hat_low: float
    hat_decay: float
    hat_noise: float
    cymbal_decay: float
    clap_bursts: int
    clap_distance: float
    clap_decay: float
    clap_centre: float
    tom_pitch: float
    tom_decay: float
    tom_fall: float
    tom_noise: float
    bell_pitch: float
    bell_ratio: float
    bell_decay: float
    block_pitch: float
    block_decay: float
    shaker_decay: float
    drive: float
    bits: int
    hold: int
    levels: tuple[float, ...]
    touch: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "DrumMachine":
        """Draw a machine; see `Engine.draw`."""
        log, flat = draws.log_uniform, draws.uniform
        low = log("snare low", 300.0, 3000.0)
        sampled = draws.bernoulli("sampled", 0.3)
        return cls(
            kick_pitch=draws.main("kick pitch", 36.0, 75.0, logarithmic=True),
            kick_decay=draws.main("kick decay", 0.05, 1.2, logarithmic=True),
            kick_fall=flat("kick fall", 5.0, 42.0),
            kick_fall_time=log("kick fall time", 0.005, 0.06),
            kick_click=log("kick click", 0.02, 1.0),
            snare_pitch=log("snare pitch", 130.0, 320.0),
            snare_ratio=flat("snare ratio", 1.4, 2.2),
            snare_decay=draws.main("snare decay", 0.06, 0.6, logarithmic=True),
            snare_tone=log("snare tone", 0.15, 2.0),
            snare_tone_decay=log("snare tone decay", 0.05, 0.35),
            snare_snap=flat("snare snap", 0.0, 1.5),
            snare_low=low,
            snare_high=low * log("snare width", 2.0, 20.0),
            hat_kind=draws.choice("hat kind", (0, 0, 1, 2)),
            hat_pitch=log("hat pitch", 150.0, 700.0),
            hat_index=flat("hat index", 1.0, 12.0),
            hat_low=log("hat low", 2500.0, 9500.0),
            hat_decay=draws.main("hat decay", 0.02, 0.2, logarithmic=True),
            hat_noise=flat("hat noise", 0.0, 0.8),
            cymbal_decay=log("cymbal decay", 0.4, 3.0),
            clap_bursts=draws.choice("clap bursts", (3, 4)),
            clap_distance=flat("clap distance", 0.006, 0.014),
            clap_decay=log("clap decay", 0.06, 0.5),
            clap_centre=log("clap centre", 700.0, 2200.0),
            tom_pitch=log("tom pitch", 80.0, 200.0),
            tom_decay=log("tom decay", 0.12, 0.9),
            tom_fall=flat("tom fall", 1.0, 18.0),
            tom_noise=log("tom noise", 0.01, 0.4),
            bell_pitch=log("bell pitch", 400.0, 800.0),
            bell_ratio=flat("bell ratio", 1.3, 1.7),
            bell_decay=log("bell decay", 0.06, 0.5),
            block_pitch=log("block pitch", 600.0, 1700.0),
            block_decay=log("block decay", 0.02, 0.15),
            shaker_decay=log("shaker decay", 0.04, 0.25),
            drive=log("drive", 0.2, 8.0),
            bits=draws.choice("bits", (8, 10, 12)) if sampled else 16,
            hold=draws.choice("hold", (1, 2, 2, 3)) if sampled else 1,
            levels=draw_levels(draws),
            touch=flat("touch", 0.3, 1.2),
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes, whose pitches are drum keys; see `Engine.render`."""
        return play_strokes(notes, duration, rng, self._stroke, 1, self.levels, self.touch)

    def _stroke(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        sound = self._sound(key, rng)
        sound = np.tanh(self.drive * sound) / np.tanh(self.drive)
        if self.hold > 1:
            sound = np.repeat(sound[:: self.hold], self.hold)[: len(sound)]
        if self.bits < 16:
            sound = np.round(sound * 2 ** (self.bits - 1)) / 2 ** (self.bits - 1)
        return sound.astype(np.float32)

    def _sound(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        match key.family:
            case "kick":
                return self._kick(key, rng)
            case "snare":
                return self._snare(key, rng)
            case "rim":
                return self._rim(rng)
            case "clap":
                return clap(self.clap_bursts, self.clap_distance, self.clap_decay, self.clap_centre, rng)
            case "tom":
                return self._tom(key, rng)
            case "hat" | "cymbal":
                return self._metal(key, rng)
            case "bell":
                return self._bell(key)
            case "block":
                return self._block(key)
            case "shaker":
                return shaker(key, self.shaker_decay, rng)
            case "scrape":
                return scrape(key, 0.1 * self.block_pitch, rng)
            case _:
                return whistle(key, 2.0 * self.block_pitch)

    def _kick(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        decay = self.kick_decay * key.length
        time = time_of(1.7 * decay)
        pitch = self.kick_pitch * 2.0 ** (key.pitch / 12)
        body = falling_sine(time, pitch, self.kick_fall, self.kick_fall_time) * decay_of(time, decay)
        return body + self.kick_click * band_noise(rng, len(time), 1000.0, 8000.0) * np.exp(-time / 0.002)

    def _snare(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        decay, tone_decay = self.snare_decay * key.length, self.snare_tone_decay * key.length
        time = time_of(1.7 * max(decay, tone_decay))
        pitch = self.snare_pitch * 2.0 ** (key.pitch / 12)
        tone = falling_sine(time, pitch, 4.0, 0.015) + 0.6 * falling_sine(time, pitch * self.snare_ratio, 4.0, 0.015)
        noise = band_noise(rng, len(time), self.snare_low, self.snare_high)
        shape = decay_of(time, decay) + self.snare_snap * np.exp(-time / 0.006)
        return 0.6 * self.snare_tone * tone * decay_of(time, tone_decay) + 0.4 * noise * shape

    def _rim(self, rng: SeededRandom) -> np.ndarray:
        time = time_of(2 * self.block_decay)
        modes = np.sin(2 * np.pi * self.block_pitch * time) + np.sin(2 * np.pi * 0.37 * self.block_pitch * time)
        tick = 0.5 * band_noise(rng, len(time), 1500.0, 9000.0) * np.exp(-time / 0.003)
        return modes * decay_of(time, 0.6 * self.block_decay) + tick

    def _tom(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        decay = self.tom_decay * key.length
        time = time_of(1.7 * decay)
        body = falling_sine(time, self.tom_pitch * 2.0 ** (key.pitch / 12), self.tom_fall, 0.05) * decay_of(time, decay)
        return body + self.tom_noise * band_noise(rng, len(time), 300.0, 5000.0) * decay_of(time, 0.4 * decay)

    def _metal(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        hat = key.family == "hat"
        decay = (self.hat_decay if hat else self.cymbal_decay) * key.length
        time = time_of(1.7 * decay)
        frequency = self.hat_pitch * 2.0 ** (key.pitch / 12) * _METAL
        # Falling edges of an open filter: cymbals pass more of the low frequencies than hats.
        low = self.hat_low if hat else 0.5 * self.hat_low
        noise = band_noise(rng, len(time), low, 16000.0)
        if self.hat_kind == 2:
            return 0.6 * noise * decay_of(time, decay)
        if self.hat_kind == 0:
            phases = rng.uniforms(0.0, 1.0, len(_METAL)).tolist()
            source = sum(square(one, begin, len(time)) for one, begin in zip(frequency, phases, strict=True)) / 2.5
        else:
            carrier, modulator = 2 * np.pi * 4.1 * frequency[0] * time, 2 * np.pi * 5.83 * frequency[0] * time
            source = np.sin(carrier + self.hat_index * np.sin(modulator) + 2.0 * np.sin(2.71 * carrier))
        passed = np.asarray(sosfilt(butter(3, low, "highpass", fs=SAMPLING_RATE, output="sos"), source))
        return (1.5 * passed + self.hat_noise * noise) * decay_of(time, decay)

    def _bell(self, key: DrumKey) -> np.ndarray:
        decay = self.bell_decay * key.length
        time = time_of(1.7 * decay)
        pitch = self.bell_pitch * 2.0 ** (key.pitch / 12)
        squares = square(pitch, 0.0, len(time)) + square(self.bell_ratio * pitch, 0.0, len(time))
        band = butter(1, (0.8 * pitch, min(5 * pitch, 20000.0)), "bandpass", fs=SAMPLING_RATE, output="sos")
        return np.asarray(sosfilt(band, squares)) * (decay_of(time, decay) + 0.6 * np.exp(-time / 0.01))

    def _block(self, key: DrumKey) -> np.ndarray:
        decay = self.block_decay * key.length
        time = time_of(1.7 * decay)
        return falling_sine(time, self.block_pitch * 2.0 ** (key.pitch / 12), 2.0, 0.005) * decay_of(time, decay)
