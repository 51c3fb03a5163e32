"""Hand percussion that every kit plays alike: claps, shakers, scrapers and whistles, of shaped noise and sines."""

import numpy as np

from latentstem.data.render.engines.percussion import DrumKey, band_noise, decay_of, time_of
from latentstem.data.rng import SeededRandom


def clap(bursts: int, distance: float, decay: float, centre: float, rng: SeededRandom) -> np.ndarray:
    """Return a hand clap: a few short bursts of noise, then a tail.

    Args:
        bursts: Number of bursts, the tail's beginning among them.
        distance: Seconds between them.
        decay: Seconds of the tail.
        centre: Centre of the noise in Hz.
        rng: Source of the noise.

    Example:
        >>> sound = clap(3, 0.01, 0.1, 1000.0, SeededRandom(0))
        >>> bool(abs(sound[:100]).max() > abs(sound[340:440]).max())
        True
    """
    last = (bursts - 1) * distance
    time = time_of(last + 1.7 * decay)
    shape = np.where(time < last, np.exp(-(time % distance) / (0.3 * distance)), 0.0)
    shape += np.where(time >= last, decay_of(time - last, decay), 0.0)
    return band_noise(rng, len(time), 0.7 * centre, 1.6 * centre) * shape


def shaker(key: DrumKey, decay: float, rng: SeededRandom) -> np.ndarray:
    """Return a stroke of a shaker or tambourine, high noise; `decay` in seconds."""
    time = time_of(1.7 * decay * key.length)
    low = min(4000.0 * 2.0 ** (key.pitch / 12), 9000.0)
    return band_noise(rng, len(time), low, 15000.0) * decay_of(time, decay * key.length) * np.minimum(time / 0.002, 1.0)


def scrape(key: DrumKey, teeth: float, rng: SeededRandom) -> np.ndarray:
    """Return a guiro or vibraslap: noise in pulses, `teeth` a second at first and more later."""
    time = time_of(0.3 * key.length)
    pulses = np.exp(-((teeth * (1 + 0.6 * time) * time) % 1.0) * 4.0)
    low = 1500.0 * 2.0 ** (key.pitch / 12)
    return band_noise(rng, len(time), low, 3 * low) * pulses * np.minimum((time[-1] - time) / 0.05, 1.0)


def whistle(key: DrumKey, pitch: float) -> np.ndarray:
    """Return a whistle of `pitch` Hz with the warble of its ball, or a cuica, deeper."""
    time = time_of(0.4 * key.length)
    angle = 2 * np.pi * pitch * 2.0 ** (key.pitch / 12) * time + 3.0 * np.sin(2 * np.pi * 24.0 * time)
    return 0.6 * np.sin(angle) * np.minimum(np.minimum(time / 0.003, 1.0), (time[-1] - time) / 0.03)
