"""Random chains of effects, as augmentation of mixes and style references.

Compression, equalizer, saturation, room, noise, band limits, a master's limiter and a codec, each applied with a
probability and with random parameters.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.effects import (
    CODECS,
    add_room,
    bandpass,
    compress,
    encode_lossy,
    equalize,
    limit,
    saturate,
)
from latentstem.data.rng import SeededRandom

PROBABILITY = 0.5
"""Probability of each effect of the chain."""


def apply_random_effects(
    audio: Tensor, generator: torch.Generator, strength: float = 1.0, sampling_rate: int = SAMPLING_RATE
) -> Tensor:
    """Apply a random chain of effects, another one to each item of the batch.

    Args:
        audio: `(batch, channels, samples)`.
        generator: Source of the random draws, on the CPU.
        strength: Strength of each effect: 0 changes nothing, 1 is the full range.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Audio of the same shape, without delay; each item keeps its loudness by `latentstem.audio.level.active_rms`.

    Raises:
        ValueError: If `strength` is not in 0 to 1.

    Example:
        >>> audio = torch.randn(2, 1, 44100, generator=torch.Generator().manual_seed(0))
        >>> augmented = apply_random_effects(audio, torch.Generator().manual_seed(1))
        >>> bool(torch.allclose(active_rms(augmented), active_rms(audio), rtol=1e-3))
        True
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}, expected 0 (nothing) to 1 (the full range)")
    level = active_rms(audio)
    if strength == 0 or not level.any():
        return audio
    # Each effect draws from a stream of its own: more draws in one of them change no other.
    streams = SeededRandom(int(torch.randint(1 << 62, (), generator=generator)))
    scale = REFERENCE_RMS / level.clamp(min=1e-9)[:, None, None]
    processed = audio * scale
    for name, effect in EFFECTS.items():
        rng = _TensorDraws(streams.child(name), audio.device, strength)
        # Parameters are drawn only for the items that take the effect: the others cost nothing.
        chosen = rng.uniform(len(audio), 0.0, 1.0) < PROBABILITY
        if chosen.any():
            processed = processed.clone()
            processed[chosen] = effect(processed[chosen], rng, sampling_rate)
    now = active_rms(processed)
    gain = torch.where(level > 0, level / now.clamp(min=1e-9), 0.0)
    return processed * gain[:, None, None]


class _TensorDraws:
    """Random tensors from one stream, on the device of the audio."""

    def __init__(self, stream: SeededRandom, device: torch.device, strength: float):
        self.generator = torch.Generator().manual_seed(stream.integer(1 << 53))
        self.device, self.strength = device, strength

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=self.generator)).to(self.device)

    def log_uniform(self, count: int, low: float, high: float) -> Tensor:
        return self.uniform(count, math.log(low), math.log(high)).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)


def _compression(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    reference = 20 * math.log10(REFERENCE_RMS)
    threshold = reference + rng.uniform(len(audio), -12.0, 3.0)
    # The slope 1 - 1/ratio is what strength scales.
    slope = rng.strength * (1 - 1 / rng.log_uniform(len(audio), 1.5, 6.0))
    return compress(
        audio, threshold, 1 / (1 - slope), rng.log_uniform(len(audio), 30.0, 300.0), sampling_rate=sampling_rate
    )


def _equalization(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    return equalize(audio, 3.0 * rng.strength * rng.normal(len(audio), 6))


def _saturation(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    return saturate(audio, rng.strength * rng.log_uniform(len(audio), 1.0, 6.0))


def _room(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    """Add a few early reflections and a tail of noise that falls by 60 dB in 0.15 to 0.6 s, both with damped highs."""
    batch, reflections, size = len(audio), 6, round(0.6 * sampling_rate)
    time = torch.arange(size, device=audio.device) / sampling_rate
    fall = 3 * math.log(10) / rng.log_uniform(batch, 0.15, 0.6)[:, None]
    begin = rng.uniform(batch, 0.005, 0.02)[:, None]
    tail = rng.normal(batch, size) * torch.exp(-fall * time) * (time > begin)
    delays = (rng.uniform(batch * reflections, 0.002, 0.04) * sampling_rate).long().reshape(batch, reflections)
    signs = rng.normal(batch, reflections).sign()
    early = torch.zeros_like(tail).scatter_add_(1, delays, signs * torch.exp(-fall * delays / sampling_rate))
    # Both carry half of the reverberation's energy, 6 to 24 dB below the direct sound.
    response = tail / tail.norm(dim=1, keepdim=True) + early / early.norm(dim=1, keepdim=True).clamp(min=1e-6)
    wet = rng.strength * 10 ** (rng.uniform(batch, -24.0, -6.0) / 20)
    damping = torch.linspace(0, 1, 6, device=audio.device) * rng.uniform(batch, -24.0, -3.0)[:, None]
    # The equalizer has zero phase; the part of its output before the direct sound is left out.
    response = equalize(response[:, None], damping)[:, 0]
    return add_room(audio, wet[:, None] / math.sqrt(2) * response)


def _noise(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    """Add noise 35 to 60 dB below the reference loudness, from white to low-passed."""
    batch, channels, samples = audio.shape
    noise = rng.normal(batch, channels, samples)
    slope = torch.linspace(0, 1, 6, device=audio.device) * rng.uniform(batch, -30.0, 0.0)[:, None]
    noise = equalize(noise, slope)
    level = rng.strength * REFERENCE_RMS * 10 ** (rng.uniform(batch, -60.0, -35.0) / 20)
    return audio + noise * (level / noise.square().mean((1, 2)).sqrt())[:, None, None]


def _band(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    """Limit the band at 20 to 150 Hz and at 3 to 16 kHz; at less strength the limits lie farther out."""
    low = rng.strength * rng.log_uniform(len(audio), 20.0, 150.0)
    high = rng.log_uniform(len(audio), 3000.0, 16000.0) / rng.strength
    return bandpass(audio, low, high, sampling_rate=sampling_rate)


def _limiting(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    """Limit the audio as if it were brought up to 12 dB over full scale: back at its level it is denser."""
    peak = audio.abs().amax((1, 2), keepdim=True).clamp(min=1e-9)
    gain = rng.strength * rng.uniform(len(audio), 0.0, 12.0)
    return peak * limit(audio / peak, gain, rng.log_uniform(len(audio), 30.0, 600.0), 1.0, sampling_rate)


def _coding(audio: Tensor, rng: _TensorDraws, sampling_rate: int) -> Tensor:
    """Pass the audio through a lossy codec; a strength below 1 mixes the result with what went in."""
    peak = audio.abs().amax((1, 2), keepdim=True).clamp(min=1e-9)
    codecs, compressions = rng.uniform(len(audio), 0.0, len(CODECS)), rng.uniform(len(audio), 0.3, 0.95)
    coded = [
        encode_lossy(item[None], sorted(CODECS)[int(codec)], float(compression), sampling_rate)
        for item, codec, compression in zip(audio / peak, codecs, compressions, strict=True)
    ]
    return torch.lerp(audio, peak * torch.cat(coded), rng.strength)


EFFECTS: dict[str, Callable[[Tensor, _TensorDraws, int], Tensor]] = {
    "compression": _compression,
    "equalization": _equalization,
    "saturation": _saturation,
    "room": _room,
    "noise": _noise,
    "band": _band,
    "limiter": _limiting,
    "codec": _coding,
}
"""Effects of the chain, in order."""
