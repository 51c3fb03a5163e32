"""Filters whose parameters change over time, block by block, and resonant bodies."""

from collections.abc import Sequence
from itertools import pairwise

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
    changes = np.flatnonzero((sections[1:] != sections[:-1]).any((1, 2))) + 1
    # A call takes as long as some forty blocks of one section: few changes are filtered piece by piece.
    if 40 * len(changes) <= len(sections) * sections.shape[1]:
        return _sweep_pieces(audio, sections, changes)
    blocks = np.zeros((len(sections), CONTROL_BLOCK))
    blocks.reshape(-1)[: len(audio)] = audio
    # Samples before blocks: each step of the recursion is taken in all blocks at once.
    samples = np.ascontiguousarray(blocks.T)
    for section in range(sections.shape[1]):
        samples = _sweep_section(samples, np.ascontiguousarray(sections[:, section].T))
    return samples.T.reshape(-1)[: len(audio)].astype(np.float32)


def _sweep_pieces(audio: np.ndarray, sections: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Filter by `sections` that change at the blocks `changes` alone."""
    filtered, state = np.zeros(len(audio), np.float32), np.zeros((sections.shape[1], 2))
    for first, last in pairwise([0, *changes.tolist(), len(sections)]):
        piece = audio[first * CONTROL_BLOCK : last * CONTROL_BLOCK]
        if len(piece):
            filtered[first * CONTROL_BLOCK : last * CONTROL_BLOCK], state = sosfilt(sections[first], piece, zi=state)
    return filtered


def _sweep_section(samples: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Filter all blocks at once by one section.

    The state at a block's end is that of silence before it plus what the state at its beginning becomes. So the blocks
    are filtered from silence, the states are passed on from block to block, and the blocks are filtered from them.

    Args:
        samples: `(CONTROL_BLOCK, blocks)`.
        coefficients: `(6, blocks)`.

    Returns:
        `(CONTROL_BLOCK, blocks)`.
    """
    b0, b1, b2, _, a1, a2 = coefficients

    def run(first: np.ndarray, second: np.ndarray, output: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        for step, sample in enumerate(samples):
            value = b0 * sample + first
            first = b1 * sample - a1 * value + second
            second = b2 * sample - a2 * value
            if output is not None:
                output[step] = value
        return first, second

    rest = run(np.zeros_like(b0), np.zeros_like(b0), None)
    # What a block of silence makes of its first state: a step's matrix to the power of 64, by six squarings.
    m11, m12, m21, m22 = -a1, np.ones_like(a1), -a2, np.zeros_like(a2)
    for _ in range(CONTROL_BLOCK.bit_length() - 1):
        m11, m12, m21, m22 = m11 * m11 + m12 * m21, m12 * (m11 + m22), m21 * (m11 + m22), m21 * m12 + m22 * m22
    first, second, states = 0.0, 0.0, ([], [])
    for a, b, c, d, u, v in zip(*(values.tolist() for values in (m11, m12, m21, m22, *rest)), strict=True):
        states[0].append(first)
        states[1].append(second)
        first, second = a * first + b * second + u, c * first + d * second + v
        if abs(first) + abs(second) < 1e-30:
            # Numbers near the least one are slow to compute with.
            first = second = 0.0
    filtered = np.empty_like(samples)
    run(np.array(states[0]), np.array(states[1]), filtered)
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
    return convolve(audio, response)


def convolve(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve a sound with an impulse response.

    Args:
        audio: `(samples,)`.
        response: `(any number of samples,)`.

    Returns:
        `(samples,)` float32, without delay; the silence before the sound stays silence.
    """
    convolved = np.zeros(len(audio), np.float32)
    sounding = np.flatnonzero(audio)[:1]
    if len(sounding):
        # Rounding in the transforms would fill the silence before.
        convolved[sounding[0] :] = oaconvolve(audio[sounding[0] :], response)[: len(audio) - sounding[0]]
    return convolved
