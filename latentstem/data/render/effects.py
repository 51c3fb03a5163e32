"""Random audio effects as augmentation of mixes and style references, without delay.

A chain of compression, equalizer, saturation, room, noise and band limits, each applied with a probability and with
random parameters. No effect delays: the level follower looks ahead, filters have zero phase, a room begins with the
direct sound. So annotations and stems stay aligned to the sample.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate, max_pool1d, pad

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.rng import SeededRandom

PROBABILITY = 0.5
"""Probability of each effect of the chain."""

FOLLOWER_BLOCK = 256
"""Samples between two values of the compressor's gain."""
_FFT_MULTIPLE = 8192
_EDGE = 4096  # silence beyond the end, so that a filter does not carry the end into the beginning


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


def equalize(audio: Tensor, decibels: Tensor, lowest: float = 1 / 1024) -> Tensor:
    """Filter audio by a smooth curve over log-frequency.

    Args:
        audio: `(batch, channels, samples)`.
        decibels: Gain at points evenly spaced in octaves from `lowest` to half the sampling rate, `(batch, points)`.
        lowest: First point, as a fraction of half the sampling rate; below it the curve is flat.

    Returns:
        Audio of the same shape, with zero phase shift.

    Example:
        >>> audio = torch.randn(2, 1, 1000)
        >>> bool(torch.allclose(equalize(audio, torch.full((2, 6), 20.0)), 10 * audio, atol=1e-4))
        True
    """
    size = _fft_size(audio.shape[-1] + _EDGE)
    spectrum = torch.fft.rfft(audio, size)
    frequency = torch.linspace(0, 1, spectrum.shape[-1], device=audio.device).clamp(min=lowest)
    position = (frequency.log2() / -math.log2(lowest) + 1) * (decibels.shape[1] - 1)
    left = position.floor().long().clamp(max=decibels.shape[1] - 2)
    curve = torch.lerp(decibels[:, left], decibels[:, left + 1], (position - left).expand(len(decibels), -1))
    return torch.fft.irfft(spectrum * 10 ** (curve[:, None] / 20), size)[..., : audio.shape[-1]]


def compress(
    audio: Tensor,
    threshold: Tensor,
    ratio: Tensor,
    release: Tensor,
    knee: float = 6.0,
    sampling_rate: int = SAMPLING_RATE,
) -> Tensor:
    """Compress the dynamics by the soft-knee gain computer of Giannoulis, Massberg and Reiss (2012), equation 4.

    The level follower rises at once, falls by a constant number of decibels a second, and looks one block ahead, so
    that the gain is down when an attack begins.

    Args:
        audio: `(batch, channels, samples)`.
        threshold: Level in dB (full scale 0) above which the gain falls, `(batch,)`.
        ratio: Decibels in for one decibel out above the threshold, `(batch,)`; 1 changes nothing.
        release: Fall of the level follower in dB a second, `(batch,)`.
        knee: Width of the transition in dB.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Audio of the same shape.

    Example:
        >>> audio = torch.full((1, 1, 44100), 0.5)
        >>> compressed = compress(audio, torch.tensor([-26.0]), torch.tensor([2.0]), torch.tensor([100.0]))
        >>> round(float(compressed[0, 0, 22050] / audio[0, 0, 22050]), 2)  # 20 dB over the threshold become 10
        0.32
    """
    samples = audio.shape[-1]
    blocks = -(-samples // FOLLOWER_BLOCK)
    power = pad(audio.square().mean(1, keepdim=True), (0, blocks * FOLLOWER_BLOCK - samples))
    level = 10 * avg_pool1d(power, FOLLOWER_BLOCK).clamp(min=1e-10).log10()
    # Instant rise and linear fall, without a loop: the running maximum of the level in a falling frame.
    fall = release[:, None, None] * FOLLOWER_BLOCK / sampling_rate * torch.arange(blocks, device=audio.device)
    level = (level + fall).cummax(-1).values - fall
    over = level - threshold[:, None, None]
    in_knee = (over + knee / 2).clamp(0, knee).square() / (2 * knee)
    over = torch.where(over > knee / 2, over, in_knee)
    decibels = (1 / ratio[:, None, None] - 1) * over
    # The least gain of three neighbours, so that the line between two values is down before the loud block begins.
    decibels = -max_pool1d(-decibels, 3, stride=1, padding=1)
    gain = interpolate(decibels, size=blocks * FOLLOWER_BLOCK, mode="linear", align_corners=False)
    return audio * 10 ** (gain[..., :samples] / 20)


def saturate(audio: Tensor, drive: Tensor) -> Tensor:
    """Saturate the waveform by `tanh(drive x) / drive`, and restore the loudness.

    Args:
        audio: `(batch, channels, samples)`.
        drive: Gain before the tanh, above 0, `(batch,)`; towards 0 nothing changes.

    Returns:
        Audio of the same shape and `active_rms`.

    Example:
        >>> tone = 0.5 * torch.sin(torch.arange(4096) / 20)[None, None]
        >>> bool(saturate(tone, torch.tensor([5.0])).amax() < tone.amax())
        True
    """
    drive = drive[:, None, None]
    saturated = torch.tanh(drive * audio) / drive
    return saturated * (active_rms(audio) / active_rms(saturated).clamp(min=1e-9))[:, None, None]


def add_room(audio: Tensor, response: Tensor) -> Tensor:
    """Add the reverberation of a room to the direct sound.

    Args:
        audio: `(batch, channels, samples)`.
        response: Impulse response without the direct sound, `(batch, samples)`, aligned with it.

    Returns:
        Audio of the same shape: reverberation beyond the end is cut.

    Example:
        >>> click = torch.eye(1, 8)[None]
        >>> add_room(click, torch.tensor([[0.0, 0.0, 0.5]]))[0, 0, :4].round(decimals=3).abs()
        tensor([1.0000, 0.0000, 0.5000, 0.0000])
    """
    samples = audio.shape[-1]
    size = _fft_size(samples + response.shape[-1])
    reverb = torch.fft.rfft(audio, size) * torch.fft.rfft(response, size)[:, None]
    return audio + torch.fft.irfft(reverb, size)[..., :samples]


def bandpass(audio: Tensor, low: Tensor, high: Tensor, order: int = 3, sampling_rate: int = SAMPLING_RATE) -> Tensor:
    """Filter by the magnitudes of a Butterworth high-pass and low-pass, with zero phase.

    Args:
        audio: `(batch, channels, samples)`.
        low: Frequency in Hz at which the high-pass has lost 3 dB, `(batch,)`; 0 leaves out the high-pass.
        high: Frequency in Hz at which the low-pass has lost 3 dB, `(batch,)`; infinity leaves out the low-pass.
        order: Order of each filter, of 6 dB an octave.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Audio of the same shape.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 100 * torch.arange(44100) / 44100)[None, None]
        >>> band = bandpass(tone, torch.tensor([100.0]), torch.tensor([torch.inf]))
        >>> round(float(band[0, 0, 10000:34000].square().mean() / tone.square().mean()), 2)
        0.5
    """
    samples = audio.shape[-1]
    size = _fft_size(samples + _EDGE)
    frequency = torch.fft.rfftfreq(size, 1 / sampling_rate, device=audio.device).clamp(min=1e-3)
    below = (low[:, None] / frequency) ** (2 * order)
    above = (frequency / high[:, None]) ** (2 * order)
    response = ((1 + below) * (1 + above)).rsqrt()
    return torch.fft.irfft(torch.fft.rfft(audio, size) * response[:, None], size)[..., :samples]


def _fft_size(samples: int) -> int:
    """Round a length up to one of small factors: a transform of prime length would take many times as long."""
    return -(-samples // _FFT_MULTIPLE) * _FFT_MULTIPLE


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


EFFECTS: dict[str, Callable[[Tensor, _TensorDraws, int], Tensor]] = {
    "compression": _compression,
    "equalization": _equalization,
    "saturation": _saturation,
    "room": _room,
    "noise": _noise,
    "band": _band,
}
"""Effects of the chain, in order."""
