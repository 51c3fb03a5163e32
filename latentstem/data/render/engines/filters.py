"""Filters whose parameters change over time, block by block, and resonant bodies."""

from collections.abc import Sequence

import numpy as np
from scipy.signal import oaconvolve, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.partials import damped_partials

CONTROL_BLOCK = 64
"""Samples for which the parameters of a filter stay: 1.5 ms."""


def control_times(samples: int) -> np.ndarray:
    """Return the first sample of each block for which a filter's parameters stay, `(blocks,)`."""
    return np.arange(0, samples, CONTROL_BLOCK)


def sweep(audio: np.ndarray, sections: np.ndarray) -> np.ndarray:
    """Filter by a cascade of second-order sections that changes from block to block.

    Args:
        audio: `(samples,)`.
        sections: Coefficients `(blocks, sections, 6)` as `scipy.signal.sosfilt` takes them, for each block of
            `CONTROL_BLOCK` samples.

    Returns:
        `(samples,)` float32.
    """
    filtered = np.empty(len(audio), np.float32)
    state = np.zeros((sections.shape[1], 2))
    # Blocks of equal parameters are filtered in one piece.
    changes = np.flatnonzero((sections[1:] != sections[:-1]).any((1, 2))) + 1
    for first, last in zip([0, *changes], [*changes, len(sections)], strict=True):
        piece = slice(first * CONTROL_BLOCK, last * CONTROL_BLOCK)
        filtered[piece], state = sosfilt(sections[first], audio[piece], zi=state)
    return filtered


def lowpass_sections(cutoff: np.ndarray, resonance: float, poles: int = 2) -> np.ndarray:
    """Compute low-pass sections (Bristow-Johnson's audio equalizer cookbook, LPF).

    Args:
        cutoff: Cutoff frequency in Hz of each block, `(blocks,)`.
        resonance: Gain in dB at the cutoff of a two-pole filter over that in the pass band, -3 and more.
        poles: 2 for 12 dB an octave or 4 for 24, of which the first two are without resonance.

    Returns:
        `(blocks, poles / 2, 6)`.
    """
    angle = 2 * np.pi * np.clip(cutoff, 10.0, 0.45 * SAMPLING_RATE) / SAMPLING_RATE
    cosine = np.cos(angle)
    qualities = [10 ** (resonance / 20)] if poles == 2 else [0.5**0.5, 10 ** (resonance / 20)]
    sections = []
    for quality in qualities:
        alpha = np.sin(angle) / (2 * quality)
        edge = (1 - cosine) / 2
        sections.append(_normalized(edge, 2 * edge, edge, 1 + alpha, -2 * cosine, 1 - alpha))
    return np.stack(sections, 1)


def highpass_sections(cutoff: np.ndarray, quality: float = 0.7071) -> np.ndarray:
    """Compute a high-pass section (the cookbook's HPF).

    Args:
        cutoff: Cutoff frequency in Hz of each block, `(blocks,)`.
        quality: Quality factor; 0.7071 has no peak.

    Returns:
        `(blocks, 1, 6)`.
    """
    angle = 2 * np.pi * np.clip(cutoff, 5.0, 0.45 * SAMPLING_RATE) / SAMPLING_RATE
    cosine, alpha = np.cos(angle), np.sin(angle) / (2 * quality)
    edge = (1 + cosine) / 2
    return _normalized(edge, -2 * edge, edge, 1 + alpha, -2 * cosine, 1 - alpha)[:, None]


def bandpass_sections(centre: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Compute band-pass sections of unit gain at their centres (the cookbook's BPF), such as formants.

    Args:
        centre: Centre frequency in Hz of each block, `(blocks,)`.
        bandwidth: Width in Hz at 3 dB down, `(blocks,)`.

    Returns:
        `(blocks, 1, 6)`.
    """
    angle = 2 * np.pi * np.clip(centre, 10.0, 0.45 * SAMPLING_RATE) / SAMPLING_RATE
    alpha = np.sin(angle) * bandwidth / (2 * np.clip(centre, 10.0, 0.45 * SAMPLING_RATE))
    zero = np.zeros_like(alpha)
    return _normalized(alpha, zero, -alpha, 1 + alpha, -2 * np.cos(angle), 1 - alpha)[:, None]


def _normalized(*coefficients: np.ndarray) -> np.ndarray:
    return np.stack([coefficient / coefficients[3] for coefficient in coefficients], -1)


def resonate(
    audio: np.ndarray, frequency: Sequence[float], bandwidth: Sequence[float], gain: Sequence[float]
) -> np.ndarray:
    """Add the resonances of a body to a sound.

    Args:
        audio: `(samples,)`.
        frequency: Frequencies of the resonances in Hz.
        bandwidth: Bandwidths in Hz at 3 dB down.
        gain: Level of each resonance at its frequency, the direct sound as 1.

    Returns:
        `(samples,)` float32, without delay.
    """
    width = np.asarray(bandwidth, dtype=np.float64)
    decay = np.pi * width
    # The transform of a damped sinusoid has magnitude amplitude / (2 decay) at its frequency.
    amplitude = np.asarray(gain) * 2 * decay / SAMPLING_RATE
    samples = max(1, int(6.9 / decay.min() * SAMPLING_RATE))
    response = damped_partials(np.asarray(frequency, dtype=np.float64), decay, amplitude, 0 * decay, samples)
    response[0] += 1.0
    return oaconvolve(audio, response)[: len(audio)].astype(np.float32)
