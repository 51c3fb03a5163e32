"""Short bursts of noise, of fingers, plectra, hammers and keys."""

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.filters import control_times, highpass_sections, lowpass_sections, sweep
from latentstem.data.rng import SeededRandom


class NoiseBursts:
    """Bursts of band-limited noise that decay exponentially, each cut from another place of one second of noise.

    Args:
        centre: Lower edge of the band in Hz; the upper one is an octave above.
        time_constant: Time constant of the decay in seconds, at most 0.1.
        rng: Source of the noise and of the places.

    Example:
        >>> sound = np.zeros(4410, np.float32)
        >>> NoiseBursts(1000.0, 0.01, SeededRandom(0)).add(sound, first=400, level=0.5)
        >>> bool(sound[:400].any()), bool(sound[400:].any())
        (False, True)
    """

    def __init__(self, centre: float, time_constant: float, rng: SeededRandom):
        white = rng.child("noise").uniforms(-1.0, 1.0, SAMPLING_RATE)
        edge = np.full(len(control_times(len(white))), centre)
        self.noise = sweep(white, np.concatenate([highpass_sections(edge, 1.0), lowpass_sections(2 * edge, 0.0)], 1))
        time = np.arange(int(7 * time_constant * SAMPLING_RATE)) / SAMPLING_RATE
        self.decay = np.exp(-time / time_constant).astype(np.float32)
        self.places = rng.child("places")

    def add(self, sound: np.ndarray, first: int, level: float) -> None:
        """Add a burst to a sound in place; what lies beyond its end is cut.

        Args:
            sound: `(samples,)` float32.
            first: Sample at which the burst begins.
            level: Amplitude of the noise before the filters.
        """
        place = self.places.integer(len(self.noise) - len(self.decay))
        here = sound[first : first + len(self.decay)]
        here += np.float32(level) * self.noise[place : place + len(here)] * self.decay[: len(here)]
