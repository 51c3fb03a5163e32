"""Acoustic drum kits: membranes, shells, snare wires and cymbals.

A membrane is a sum of damped partials at the zeros of the Bessel functions over the first one: 1, 1.59, 2.14, 2.30,
2.65, 2.92 and so on (Fletcher and Rossing, "The Physics of Musical Instruments", chapter 3). A hard beater sounds more
of the high ones, and the greater tension of a stroke's beginning makes it begin sharp. Snare wires are noise that
follows the head. A plate has modes at an even density in Hz, so a cymbal is some hundred damped partials at random
frequencies, the high ones damped faster, with noise where they start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.filters import convolve
from latentstem.data.render.engines.hand_percussion import clap, scrape, shaker, whistle
from latentstem.data.render.engines.partials import damped_partials
from latentstem.data.render.engines.percussion import DrumKey, band_noise, decay_of, draw_levels, play_strokes, time_of
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_MODES = np.array(
    [1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.600, 3.652, 4.060, 4.154, 4.601, 4.832, 5.132, 5.412]
)
_PLATE_MODES = 220
_BAR_MODES = np.array([1.0, 1.51, 2.76, 3.96, 5.40, 7.1, 8.93])


@dataclass(frozen=True)
class AcousticDrums:
    """A drum kit.

    Attributes:
        kick_pitch: Frequency of the bass drum in Hz.
        kick_decay: Seconds until it is 35 dB down.
        kick_beater: Hardness of its beater, 0 felt to 1 wood.
        kick_click: Level of the beater's click.
        snare_pitch: Frequency of the snare drum in Hz.
        snare_decay: Seconds of its head.
        wires: Level of the snare wires.
        wires_decay: Seconds of the wires.
        wires_low: Lowest frequency of the wires in Hz.
        tom_pitch: Frequency of the middle tom in Hz.
        tom_decay: Its seconds.
        bend: Semitones by which a membrane begins sharp.
        hardness: Hardness of the sticks, 0 to 1.
        overtones: Ratio of a membrane's damping at twice the frequency; high for muffled heads.
        shell: Frequency in Hz of a resonance of the shells.
        shell_level: Its level.
        cymbal_low: Lowest mode of the middle crash in Hz.
        cymbal_slope: Fall of its modes' amplitudes in dB an octave above 3 kHz.
        cymbal_decay: Seconds of the crash.
        cymbal_damping: Exponent over the frequency by which high modes fall faster.
        cymbal_noise: Level of the noise in cymbals.
        hat_decay: Seconds of the closed hat.
        hat_low: Lowest mode of the hats in Hz.
        bell_pitch: Frequency of the cowbell in Hz.
        block_pitch: Frequency of blocks in Hz.
        hand_decay: Seconds of claps and shakers.
        scatter: How much strokes differ from each other, 0 to 1.
        room: Level of the room.
        room_decay: Seconds of the room's tail.
        levels: Levels of kick, snares, toms, metal and hand percussion.
        touch: How much a soft stroke loses brightness.

    Example:
        >>> kit = AcousticDrums.draw(PatchDraws(SeededRandom(0)), "drums")
        >>> audio = kit.render([Note(0.5, 0.6, pitch=38, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    kick_pitch: float
    kick_decay: float
    kick_beater: float
    kick_click: float
    snare_pitch: float
    snare_decay: float
    wires: float
    wires_decay: float
    wires_low: float
    tom_pitch: float
    tom_decay: float
    bend: float
    hardness: float
    overtones: float
    shell: float
    shell_level: float
    cymbal_low: float
    cymbal_slope: float
    cymbal_decay: float
    cymbal_damping: float
    cymbal_noise: float
    hat_decay: float
    hat_low: float
    bell_pitch: float
    block_pitch: float
    hand_decay: float
    scatter: float
    room: float
    room_decay: float
    levels: tuple[float, ...]
    touch: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "AcousticDrums":
        """Draw a kit; see `Engine.draw`."""
        log, flat = draws.log_uniform, draws.uniform
        return cls(
            kick_pitch=draws.main("kick pitch", 40.0, 90.0, logarithmic=True),
            kick_decay=draws.main("kick decay", 0.08, 0.7, logarithmic=True),
            kick_beater=flat("kick beater", 0.0, 1.0),
            kick_click=log("kick click", 0.01, 0.7),
            snare_pitch=draws.main("snare pitch", 140.0, 300.0, logarithmic=True),
            snare_decay=log("snare decay", 0.06, 0.4),
            wires=log("wires", 0.1, 2.0),
            wires_decay=log("wires decay", 0.06, 0.35),
            wires_low=log("wires low", 800.0, 4000.0),
            tom_pitch=log("tom pitch", 80.0, 170.0),
            tom_decay=log("tom decay", 0.15, 1.2),
            bend=log("bend", 0.2, 4.0),
            hardness=draws.main("hardness", 0.0, 1.0),
            overtones=flat("overtones", 1.2, 3.0),
            shell=log("shell", 180.0, 700.0),
            shell_level=log("shell level", 0.02, 0.4),
            cymbal_low=log("cymbal low", 250.0, 900.0),
            cymbal_slope=flat("cymbal slope", 0.0, 9.0),
            cymbal_decay=log("cymbal decay", 0.7, 3.5),
            cymbal_damping=flat("cymbal damping", 0.2, 1.0),
            cymbal_noise=log("cymbal noise", 0.1, 1.0),
            hat_decay=log("hat decay", 0.03, 0.2),
            hat_low=log("hat low", 800.0, 6000.0),
            bell_pitch=log("bell pitch", 450.0, 900.0),
            block_pitch=log("block pitch", 600.0, 1500.0),
            hand_decay=log("hand decay", 0.05, 0.3),
            scatter=flat("scatter", 0.2, 1.0),
            room=0.0 if draws.bernoulli("dry", 0.4) else log("room", 0.03, 0.6),
            room_decay=log("room decay", 0.1, 0.9),
            levels=draw_levels(draws),
            touch=flat("touch", 0.4, 1.5),
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes, whose pitches are drum keys; see `Engine.render`."""
        track = play_strokes(notes, duration, rng, self._stroke, 2, self.levels, self.touch)
        if not self.room:
            return track
        time = time_of(1.5 * self.room_decay)
        tail = band_noise(rng.child("room"), len(time), 150.0, 7000.0) * decay_of(time, self.room_decay)
        tail *= self.room / np.sqrt(np.sum(tail**2))
        tail[0] += 1.0
        return convolve(track, tail.astype(np.float32))

    def _stroke(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        # Not one stroke hits the same place as hard as the last one.
        vary = 1.0 + 0.1 * self.scatter * rng.uniform(-1.0, 1.0)
        return (vary * self._sound(key, rng)).astype(np.float32)

    def _sound(self, key: DrumKey, rng: SeededRandom) -> np.ndarray:
        raised = 2.0 ** (key.pitch / 12)
        match key.family:
            case "kick":
                head = self._membrane(self.kick_pitch * raised, self.kick_decay * key.length, self.kick_beater, rng)
                click = band_noise(rng, len(head), 800.0 + 2500.0 * self.kick_beater, 9000.0)
                return head + self.kick_click * click * np.exp(-time_of(len(head) / SAMPLING_RATE) / 0.003)
            case "snare":
                return self._snare(self.snare_pitch * raised, rng)
            case "tom":
                return self._membrane(self.tom_pitch * raised, self.tom_decay * key.length, self.hardness, rng)
            case "rim":
                return self._bar(self.block_pitch, 0.06, rng)
            case "hat":
                return self._plate(self.hat_low * raised, self.hat_decay * key.length, 0.4, rng)
            case "cymbal":
                return self._plate(self.cymbal_low * raised, self.cymbal_decay * key.length, 1.0, rng)
            case "bell":
                return self._bar(self.bell_pitch * raised, 0.25 * key.length, rng)
            case "block":
                return self._bar(self.block_pitch * raised, 0.06 * key.length, rng)
            case "clap":
                return clap(4, rng.uniform(0.004, 0.012), self.hand_decay, 1.2 * self.block_pitch, rng)
            case "shaker":
                return shaker(key, self.hand_decay, rng)
            case "scrape":
                return scrape(key, 0.1 * self.block_pitch, rng)
            case _:
                return whistle(key, 2.0 * self.block_pitch)

    def _membrane(self, pitch: float, decay: float, hardness: float, rng: SeededRandom) -> np.ndarray:
        """Return a struck membrane with the resonance of its shell and the noise of the stick."""
        time = time_of(1.7 * decay)
        ratios = _MODES * (1 + 0.01 * self.scatter * rng.uniforms(-1.0, 1.0, len(_MODES)))
        place = 1 + 0.5 * self.scatter * rng.uniforms(-1.0, 1.0, len(_MODES))
        # Where a mode swings down as another one swings up, they have other signs.
        amplitude = (
            place * ratios ** (-0.3 - 2.5 * (1 - hardness)) * np.where(rng.uniforms(-1.0, 1.0, len(_MODES)) < 0, -1, 1)
        )
        amplitude[0] = 1.0
        amplitude /= np.sqrt(np.sum(amplitude**2))
        rate = 4.0 / decay * self.overtones ** np.log2(ratios)
        frequency, shell = np.append(pitch * ratios, self.shell), np.append(amplitude, self.shell_level)
        zero = np.zeros(len(frequency))
        # The bend makes the head run fast at first; what that takes is heard before its time is over.
        excess = (2.0 ** (self.bend / 12) - 1) * 0.03
        warped = (time + excess * (1 - np.exp(-time / 0.03))) * SAMPLING_RATE
        body = damped_partials(frequency, np.append(rate, 4.0 / decay + 20.0), shell, zero, int(warped[-1]) + 2)
        body = np.interp(warped, np.arange(len(body)), body)
        stick = band_noise(rng, len(time), 500.0 + 3000.0 * hardness, 12000.0) * np.exp(-time / 0.004)
        return 0.7 * body + (0.03 + 0.2 * hardness) * stick

    def _snare(self, pitch: float, rng: SeededRandom) -> np.ndarray:
        head = self._membrane(pitch, self.snare_decay, self.hardness, rng)
        time = time_of(1.7 * self.wires_decay)
        noise = band_noise(rng, len(time), self.wires_low, 14000.0)
        # The wires leave the head and fall back on it, a millisecond later and with every swing of it.
        swing = 1 + 0.4 * np.cos(2 * np.pi * pitch * time) * np.exp(-time / 0.05)
        wires = 0.5 * self.wires * noise * swing * decay_of(time, self.wires_decay) * np.minimum(time / 0.001, 1.0)
        sound = np.zeros(max(len(head), len(wires)))
        sound[: len(head)] += head
        sound[: len(wires)] += wires
        return sound

    def _plate(self, lowest: float, decay: float, fall: float, rng: SeededRandom) -> np.ndarray:
        """Return a cymbal, whose high modes are weaker by more the greater `fall` is, 1 for a large one."""
        time = time_of(1.7 * decay)
        frequency = lowest + (16000.0 - lowest) * rng.uniforms(0.0, 1.0, _PLATE_MODES) ** (1.0 + 0.5 * fall)
        octaves = np.log2(frequency / 3000.0)
        amplitude = rng.uniforms(0.2, 1.0, _PLATE_MODES) * 10 ** (
            -fall * self.cymbal_slope * np.maximum(octaves, 0.0) / 20
        )
        rate = 4.0 / decay * np.maximum(frequency / 3000.0, 0.3) ** self.cymbal_damping
        rate *= rng.uniforms(0.7, 1.6, _PLATE_MODES)
        phase = rng.uniforms(0.0, 2 * np.pi, _PLATE_MODES)
        ring = damped_partials(frequency, rate, amplitude, phase, len(time)) / np.sqrt(np.sum(amplitude**2))
        noise = band_noise(rng, len(time), max(2.0 * lowest, 1500.0), 15000.0)
        stick = 0.5 * self.hardness * np.exp(-time / 0.004)
        return ring + noise * (0.5 * self.cymbal_noise * np.exp(-12.0 * time / decay) + stick)

    def _bar(self, pitch: float, decay: float, rng: SeededRandom) -> np.ndarray:
        """Return a struck piece of wood or metal with a few partials."""
        time = time_of(1.7 * decay)
        ratios = _BAR_MODES * (1 + 0.02 * self.scatter * rng.uniforms(-1.0, 1.0, len(_BAR_MODES)))
        amplitude = ratios ** (-0.5 - 1.5 * (1 - self.hardness))
        body = damped_partials(pitch * ratios, 4.0 / decay * np.sqrt(ratios), amplitude, 0 * ratios, len(time))
        return body + 0.2 * band_noise(rng, len(time), 1500.0, 12000.0) * np.exp(-time / 0.002)
