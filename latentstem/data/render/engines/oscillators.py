"""Oscillators of synthesizers: mixtures of the classic waves, hard sync, pulse width modulation, unison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstem.data.render.engines.wavetables import HARMONICS, Waveform, pulse, run_phase, sawtooth
from latentstem.data.rng import SeededRandom


@dataclass(frozen=True)
class Oscillator:
    """One oscillator.

    Attributes:
        saw: Level of the sawtooth.
        pulse: Level of the pulse.
        triangle: Level of the triangle.
        sine: Level of the sine.
        width: Width of the pulse in periods.
        sync: Frequency of the sawtooth over that of the oscillator which restarts it; 1 is without sync.
        semitones: Interval from the note's pitch.
        cents: What is added to the interval.

    Example:
        >>> square = Oscillator(0.0, 1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.0).harmonics()
        >>> bool(abs(square[1]) < 1e-9 < abs(square[2]))
        True
    """

    saw: float
    pulse: float
    triangle: float
    sine: float
    width: float
    sync: float
    semitones: float
    cents: float

    def harmonics(self, with_pulse: bool = True) -> np.ndarray:
        """Return the complex amplitudes of the harmonics from the first on, `(512,)`.

        Args:
            with_pulse: Whether the pulse is among the waves.
        """
        order = np.arange(1, HARMONICS + 1)
        mixed = self.saw * (self._synced() if self.sync > 1 else sawtooth())
        mixed = mixed + self.triangle * np.where(order % 2, -1j * (-1.0) ** (order // 2) / order**2, 0)
        mixed[0] -= 1j * self.sine
        return mixed + 2 * self.pulse * pulse(self.width) if with_pulse else mixed

    def _synced(self) -> np.ndarray:
        length = 32 * HARMONICS
        wave = 0.5 - self.sync * np.arange(length) / length % 1.0
        return 2 * np.pi * np.fft.rfft(wave)[1 : HARMONICS + 1] / length


class OscillatorBank:
    """Several oscillators, each in several detuned voices.

    Args:
        oscillators: The oscillators.
        unison: Voices of each.
        spread: Cents from the lowest voice to the highest.
        width_depth: Depth of the modulation of the width of pulses, 0 to 0.4 periods.
        width_rate: Its frequency in Hz.
        rng: Source of the phases at the beginning.
    """

    def __init__(
        self,
        oscillators: Sequence[Oscillator],
        unison: int,
        spread: float,
        width_depth: float,
        width_rate: float,
        rng: SeededRandom,
    ):
        self.width_depth, self.width_rate = width_depth, width_rate
        phases = rng.child("phases")
        self.gain = np.float32(1 / unison**0.5)
        self.saw = Waveform(sawtooth())
        places = np.linspace(-0.5, 0.5, unison) if unison > 1 else np.zeros(1)
        self.voices: list[tuple[Oscillator, Waveform | None, float, float]] = []
        for oscillator in oscillators:
            harmonics = oscillator.harmonics(with_pulse=not width_depth)
            waveform = Waveform(harmonics) if np.abs(harmonics).any() else None
            for place in places:
                interval = oscillator.semitones / 12 + (oscillator.cents + spread * place) / 1200
                self.voices.append((oscillator, waveform, 2**interval, phases.uniform(0, 1)))

    def run(self, frequency: np.ndarray, pieces: Sequence[tuple[int, int]]) -> np.ndarray:
        """Sound at a frequency that may change.

        Args:
            frequency: Frequency of the note in Hz at each sample, `(samples,)`.
            pieces: First sample and end of each piece that is heard; the frequency stays about equal in a piece.

        Returns:
            `(samples,)` float32, 0 outside of the pieces.
        """
        sound = np.zeros(len(frequency), np.float32)
        phase = run_phase(frequency)
        for first, last in pieces:
            if first >= last:
                continue
            here, highest = phase[first:last], float(frequency[first:last].max())
            for oscillator, waveform, ratio, start in self.voices:
                own = here * ratio + start
                if waveform is not None:
                    sound[first:last] += waveform.read(own, highest * ratio)
                if self.width_depth and oscillator.pulse:
                    turn = self.width_rate / float(frequency[first]) * 2 * np.pi
                    width = np.clip(oscillator.width + self.width_depth * np.sin(turn * here), 0.03, 0.97)
                    wave = self.saw.read(own, highest * ratio) - self.saw.read(own - width, highest * ratio)
                    sound[first:last] += np.float32(2 * oscillator.pulse / np.pi) * wave
        return sound * self.gain
