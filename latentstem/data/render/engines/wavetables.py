"""Oscillators that read one period of a waveform from band-limited tables, at a frequency that may change."""

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE

LENGTH = 4096
"""Samples of a table."""
HARMONICS = 512
"""Most harmonics of a waveform: at the low E of a bass they reach 21 kHz."""


def sawtooth(harmonics: int = HARMONICS) -> np.ndarray:
    """Return the complex amplitudes of a falling sawtooth's harmonics from the first on, `(harmonics,)`."""
    return -1j / np.arange(1, harmonics + 1)


def pulse(width: float, harmonics: int = HARMONICS) -> np.ndarray:
    """Return the complex amplitudes of a pulse's harmonics, `(harmonics,)`.

    Args:
        width: Fraction of the period in which the pulse is high, above 0 and below 1; a half is a square.
        harmonics: Number of harmonics.
    """
    order = np.arange(1, harmonics + 1)
    return 2 * np.sin(np.pi * width * order) / (np.pi * order) * np.exp(-1j * np.pi * width * order)


class Waveform:
    """One period of a waveform, in tables of ever fewer harmonics, so that no frequency aliases.

    Args:
        harmonics: Complex amplitudes of the harmonics from the first on, `(any number up to 512,)`: the waveform is
            the real part of `sum_k harmonics_k exp(2 pi j k phase)`.

    Example:
        >>> sine = Waveform(np.array([-1j]))
        >>> phase = np.arange(1000) * 441 / 44100
        >>> bool(np.allclose(sine.read(phase, 441), np.sin(2 * np.pi * phase), atol=1e-4))
        True
    """

    def __init__(self, harmonics: np.ndarray):
        self.count = min(len(harmonics), HARMONICS)
        spectrum = np.zeros(LENGTH // 2 + 1, complex)
        spectrum[1 : self.count + 1] = 0.5 * harmonics[: self.count]
        self.spectrum = spectrum
        self._tables: dict[int, np.ndarray] = {}

    def read(self, phase: np.ndarray, highest: float) -> np.ndarray:
        """Read the waveform.

        Args:
            phase: Phase in periods, of any shape.
            highest: Greatest frequency in Hz at which the phase runs; harmonics of it beyond the band are left out.

        Returns:
            Values shaped like `phase`, float32.
        """
        table = self._table(max(1, min(self.count, int(0.45 * SAMPLING_RATE / highest))))
        place = phase * LENGTH
        left = np.floor(place)
        fraction = (place - left).astype(np.float32)
        # The length is a power of two, so its bits are the place in the period.
        left = left.astype(np.int64) & (LENGTH - 1)
        value = table[left]
        return value + fraction * (table[left + 1] - value)

    def _table(self, harmonics: int) -> np.ndarray:
        # One table for each octave of harmonic counts, made when it is first read.
        kept = 1 << (harmonics.bit_length() - 1) if harmonics < self.count else self.count
        if kept not in self._tables:
            spectrum = self.spectrum.copy()
            spectrum[kept + 1 :] = 0
            table = np.fft.irfft(spectrum, LENGTH) * LENGTH
            self._tables[kept] = np.append(table, table[0]).astype(np.float32)
        return self._tables[kept]


def run_phase(frequency: np.ndarray, start: float = 0.0) -> np.ndarray:
    """Integrate a frequency to a phase.

    Args:
        frequency: Frequency at each sample in Hz, `(samples,)`.
        start: Phase of the first sample in periods.

    Returns:
        Phase at each sample in periods, `(samples,)`, float64.
    """
    phase = np.cumsum(frequency, dtype=np.float64) / SAMPLING_RATE
    return start + phase - frequency[0] / SAMPLING_RATE if len(phase) else phase
