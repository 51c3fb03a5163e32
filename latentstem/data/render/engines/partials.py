"""Sums of damped sinusoids, the sound of struck and plucked bodies, as one matrix product."""

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE

_BLOCK = 256


def damped_partials(
    frequency: np.ndarray, decay: np.ndarray, amplitude: np.ndarray, phase: np.ndarray, samples: int
) -> np.ndarray:
    """Compute `sum_k amplitude_k exp(-decay_k t) sin(2 pi frequency_k t + phase_k)`.

    A time of `m` blocks and `r` samples makes each term a product of a factor for `m` and one for `r`, so the sum over
    the partials is a matrix product: a second of 80 partials takes about a millisecond.

    Args:
        frequency: Frequencies in Hz, `(partials,)`; partials at or above half the sampling rate are left out.
        decay: Decay rates in nepers a second, `(partials,)`: 6.9 is 60 dB a second.
        amplitude: Amplitudes, `(partials,)`.
        phase: Phases at the first sample in radians, `(partials,)`.
        samples: Length of the result.

    Returns:
        `(samples,)` float32.

    Example:
        >>> one = np.ones(1)
        >>> tone = damped_partials(441 * one, 0 * one, one, 0 * one, 100)
        >>> bool(np.allclose(tone, np.sin(2 * np.pi * np.arange(100) / 100), atol=1e-5))
        True
    """
    heard = frequency < 0.5 * SAMPLING_RATE
    exponent = (-decay[heard] + 2j * np.pi * frequency[heard]) / SAMPLING_RATE
    start = amplitude[heard] * np.exp(1j * phase[heard])
    first = (start[:, None] * _powers(_BLOCK * exponent, -(-samples // _BLOCK))).astype(np.complex64)
    inside = _powers(exponent, _BLOCK).astype(np.complex64)
    return (first.real.T @ inside.imag + first.imag.T @ inside.real).reshape(-1)[:samples]


def _powers(exponent: np.ndarray, count: int) -> np.ndarray:
    """Compute `exp(exponent n)` for n from 0 to count - 1, `(partials, count)`, as products of few exponentials."""
    coarse = np.exp(exponent[:, None] * (16 * np.arange(-(-count // 16))))
    fine = np.exp(exponent[:, None] * np.arange(16))
    return (coarse[:, :, None] * fine[:, None]).reshape(len(exponent), coarse.shape[1] * 16)[:, :count]
