"""What drum kits share: the keys of General MIDI by family, strokes that are made once, and choked open hats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at
from latentstem.data.render.engines.tone import tilt
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

LAYERS = 4
"""Steps of the velocity between which a stroke's brightness does not change."""
_CHOKE = 0.02  # seconds in which a choked hat fades


@dataclass(frozen=True)
class DrumKey:
    """An instrument of a kit.

    Attributes:
        family: "kick", "snare", "rim", "clap", "tom", "hat", "cymbal", "bell", "block", "shaker", "scrape", "whistle".
        pitch: Semitones over the family's middle.
        length: Factor of the family's decay.
    """

    family: str
    pitch: float = 0.0
    length: float = 1.0


KEYS = {
    35: DrumKey("kick", -2.0, 1.2),
    36: DrumKey("kick"),
    37: DrumKey("rim"),
    38: DrumKey("snare"),
    39: DrumKey("clap"),
    40: DrumKey("snare", 3.0, 0.8),
    41: DrumKey("tom", -9.0, 1.4),
    42: DrumKey("hat"),
    43: DrumKey("tom", -6.0, 1.25),
    44: DrumKey("hat", -1.0, 0.7),
    45: DrumKey("tom", -3.0, 1.1),
    46: DrumKey("hat", 0.0, 7.0),
    47: DrumKey("tom", 0.0),
    48: DrumKey("tom", 3.0, 0.9),
    49: DrumKey("cymbal", 0.0, 1.0),
    50: DrumKey("tom", 6.0, 0.8),
    51: DrumKey("cymbal", 3.0, 0.7),
    52: DrumKey("cymbal", -4.0, 0.6),
    53: DrumKey("bell", 2.0, 3.0),
    54: DrumKey("shaker", 5.0, 1.5),
    55: DrumKey("cymbal", 7.0, 0.4),
    56: DrumKey("bell"),
    57: DrumKey("cymbal", -2.0, 1.2),
    58: DrumKey("scrape", 5.0, 2.0),
    59: DrumKey("cymbal", 5.0, 0.8),
    60: DrumKey("tom", 19.0, 0.3),
    61: DrumKey("tom", 14.0, 0.35),
    62: DrumKey("tom", 10.0, 0.2),
    63: DrumKey("tom", 9.0, 0.5),
    64: DrumKey("tom", 4.0, 0.6),
    65: DrumKey("tom", 12.0, 0.8),
    66: DrumKey("tom", 7.0, 0.9),
    67: DrumKey("bell", 7.0, 0.8),
    68: DrumKey("bell", 2.0, 0.9),
    69: DrumKey("shaker", -3.0, 0.8),
    70: DrumKey("shaker", 2.0, 0.5),
    71: DrumKey("whistle", 0.0, 0.4),
    72: DrumKey("whistle", 0.0, 1.5),
    73: DrumKey("scrape", 0.0, 0.5),
    74: DrumKey("scrape", -2.0, 1.5),
    75: DrumKey("block", 8.0, 0.8),
    76: DrumKey("block", 2.0),
    77: DrumKey("block", -3.0, 1.1),
    78: DrumKey("whistle", -14.0, 0.4),
    79: DrumKey("whistle", -19.0, 0.8),
    80: DrumKey("bell", 26.0, 0.6),
    81: DrumKey("bell", 26.0, 6.0),
}
"""General MIDI's percussion, key to instrument."""
GROUPS = (
    ("kick",),
    ("snare", "rim", "clap"),
    ("tom",),
    ("hat", "cymbal"),
    ("bell", "block", "shaker", "scrape", "whistle"),
)
"""Families whose level is drawn together."""
_OPEN_HAT, _HATS = 46, (42, 44, 46)


def draw_levels(draws: PatchDraws) -> tuple[float, ...]:
    """Draw the levels of the `GROUPS`: metal stays behind the drums."""
    kick, snares, toms, hand = (
        draws.log_uniform(f"level {name}", 0.5, 1.4) for name in ("kick", "snares", "toms", "hand")
    )
    return kick, snares, toms, draws.log_uniform("level metal", 0.08, 0.6), 0.5 * hand


def play_strokes(
    notes: Sequence[Note],
    duration: float,
    rng: SeededRandom,
    stroke: Callable[[DrumKey, SeededRandom], np.ndarray],
    variants: int,
    levels: Sequence[float],
    touch: float,
) -> np.ndarray:
    """Play a kit.

    Args:
        notes: Notes in order of their start; keys outside of `KEYS` sound as the nearest one in it.
        duration: Length of the result in seconds.
        rng: Source of what differs from stroke to stroke.
        stroke: Makes the sound of an instrument, `(samples,)`, at full velocity.
        variants: Different strokes of each instrument, which alternate at random.
        levels: Level of each of the `GROUPS`.
        touch: How much a soft stroke loses brightness: exponent over the velocity.

    Returns:
        `(round(duration * 44100),)` float32.
    """
    track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
    full: dict[tuple[int, int], np.ndarray] = {}
    layers: dict[tuple[int, int, int], np.ndarray] = {}
    choices = rng.child("variants").uniforms(0.0, variants, len(notes)).astype(int)
    choked = _choke_times(notes)
    for note, variant, end in zip(notes, choices.tolist(), choked, strict=True):
        key = min(max(note.pitch, min(KEYS)), max(KEYS))
        layer = -(-LAYERS * note.velocity // 127)
        if (key, variant, layer) not in layers:
            if (key, variant) not in full:
                level = next(level for group, level in zip(GROUPS, levels, strict=True) if KEYS[key].family in group)
                full[key, variant] = level * stroke(KEYS[key], rng.child(f"stroke {key} {variant}"))
            layers[key, variant, layer] = _softer(full[key, variant], KEYS[key].family, (layer / LAYERS) ** touch)
        sound = layers[key, variant, layer]
        if end < np.inf:
            sound = fade_out(sound, end - note.start, _CHOKE)
        add_at(track, np.float32((note.velocity / 127) ** 1.5) * sound, note.start)
    return track


def _softer(sound: np.ndarray, family: str, brightness: float) -> np.ndarray:
    corner = {"kick": 150.0, "tom": 300.0, "snare": 800.0}.get(family, 3000.0)
    return tilt(sound, brightness, corner, poles=1)


def _choke_times(notes: Sequence[Note]) -> list[float]:
    """Return for each open hat the start of the next stroke of any hat, infinity for all other notes."""
    times, following = [np.inf] * len(notes), np.inf
    for index in range(len(notes) - 1, -1, -1):
        if notes[index].pitch == _OPEN_HAT:
            times[index] = following
        if notes[index].pitch in _HATS:
            following = notes[index].start
    return times


def fade_out(sound: np.ndarray, seconds: float, fade: float) -> np.ndarray:
    """End a sound after some seconds, with a fade of `fade` seconds from there on."""
    first, samples = round(seconds * SAMPLING_RATE), round(fade * SAMPLING_RATE)
    sound = sound[: first + samples].copy()
    tail = sound[first:]
    tail *= np.linspace(1.0, 0.0, samples, dtype=np.float32)[: len(tail)]
    return sound


def time_of(seconds: float) -> np.ndarray:
    """Return the times of the samples of a sound that lasts some seconds."""
    return np.arange(max(64, round(seconds * SAMPLING_RATE))) / SAMPLING_RATE


def band_noise(rng: SeededRandom, samples: int, low: float, high: float) -> np.ndarray:
    """Return noise between two frequencies in Hz, with slopes of 12 dB an octave, of about level 1."""
    low, high = min(low, 12000.0), min(high, 20000.0)
    band = butter(2, (low, max(high, 1.2 * low)), "bandpass", fs=SAMPLING_RATE, output="sos")
    noise = np.asarray(sosfilt(band, rng.uniforms(-1.7, 1.7, samples)))
    # The power of white noise in the band.
    return noise / np.sqrt((max(high, 1.2 * low) - low) / (0.5 * SAMPLING_RATE))


def falling_sine(time: np.ndarray, frequency: float, fall: float, fall_time: float) -> np.ndarray:
    """Return a sine that begins `fall` semitones high: f(t) = f (1 + (2^(fall / 12) - 1) exp(-t / fall_time))."""
    excess = (2.0 ** (fall / 12) - 1) * fall_time * (1 - np.exp(-time / fall_time))
    return np.sin(2 * np.pi * frequency * (time + excess))


def decay_of(time: np.ndarray, seconds: float) -> np.ndarray:
    """Return an exponential that is 35 dB down after some seconds."""
    return np.exp((-4.0 / seconds * time).astype(np.float32))


def square(frequency: float, begin: float, samples: int) -> np.ndarray:
    """Return a square wave of level 1 as a counter makes it; `begin` is the phase of its first sample in periods."""
    step, first = (np.uint32(int(turns % 1.0 * 2**32)) for turns in (frequency / SAMPLING_RATE, begin))
    return 1.0 - 2.0 * ((step * np.arange(samples, dtype=np.uint32) + first) >> np.uint32(31)).astype(np.float32)
