"""Light production: what separates a finished mix from the sum of its instruments, as augmentation of mixes and styles.

A chain of compression, equalizer, saturation, room, noise and band limits, each there by chance and drawn at random. No
element delays: the level follower looks ahead, filters have zero phase, a room begins with the direct sound. So what
happened at a sample still happens at it, and annotations and stems stay true.
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
"""Of each element of the chain."""

FOLLOWER_BLOCK = 256
"""Samples between two values of the compressor's gain."""
_FFT_MULTIPLE = 8192
_EDGE = 4096  # silence beyond the end, so that a filter does not carry the end into the beginning


def apply_random_effects(
    audio: Tensor, generator: torch.Generator, strength: float = 1.0, sampling_rate: int = SAMPLING_RATE
) -> Tensor:
    """Send audio through a random chain, another one for each item of the batch.

    Args:
        audio: `(batch, channels, samples)`.
        generator: Source of every draw, on the CPU.
        strength: How far each element goes: 0 changes nothing, 1 is the full range.
        sampling_rate: In Hz.

    Returns:
        Audio of the same shape, without delay; each item has the loudness it came with, as
        `latentstem.audio.level.active_rms` measures it.

    Raises:
        ValueError: If `strength` is not in 0 to 1.

    Example:
        >>> audio = torch.randn(2, 1, 44100, generator=torch.Generator().manual_seed(0))
        >>> produced = apply_random_effects(audio, torch.Generator().manual_seed(1))
        >>> bool(torch.allclose(active_rms(produced), active_rms(audio), rtol=1e-3))
        True
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}, expected 0 (nothing) to 1 (the full range)")
    level = active_rms(audio)
    if strength == 0 or not level.any():
        return audio
    # Each element draws from a stream of its own: what is added to one of them leaves the others as they are.
    streams = SeededRandom(int(torch.randint(1 << 62, (), generator=generator)))
    scale = REFERENCE_RMS / level.clamp(min=1e-9)[:, None, None]
    produced = audio * scale
    for name, element in ELEMENTS.items():
        rng = _Draws(streams.child(name), audio.device, strength)
        # Parameters are drawn for the items that take the element alone: the others cost nothing.
        chosen = rng.uniform(len(audio), 0.0, 1.0) < PROBABILITY
        if chosen.any():
            produced = produced.clone()
            produced[chosen] = element(produced[chosen], rng, sampling_rate)
    now = active_rms(produced)
    gain = torch.where(level > 0, level / now.clamp(min=1e-9), 0.0)
    return produced * gain[:, None, None]


def equalize(audio: Tensor, decibels: Tensor, lowest: float = 1 / 1024) -> Tensor:
    """Filter audio by a smooth curve over log-frequency.

    Args:
        audio: `(batch, channels, samples)`.
        decibels: Gain at points evenly spaced in octaves from `lowest` to half the sampling rate, `(batch, points)`.
        lowest: First point, as a share of half the sampling rate; below it the curve is flat.

    Returns:
        Audio of the same shape, with zero phase shift.

    Example:
        >>> audio = torch.randn(2, 1, 1000)
        >>> bool(torch.allclose(equalize(audio, torch.full((2, 6), 20.0)), 10 * audio, atol=1e-4))
        True
    """
    size = _fft_size(audio.shape[-1] + _EDGE)
    spectrum = torch.fft.rfft(audio, size)
    place = torch.linspace(0, 1, spectrum.shape[-1], device=audio.device).clamp(min=lowest)
    place = (place.log2() / -math.log2(lowest) + 1) * (decibels.shape[1] - 1)
    left = place.floor().long().clamp(max=decibels.shape[1] - 2)
    curve = torch.lerp(decibels[:, left], decibels[:, left + 1], (place - left).expand(len(decibels), -1))
    return torch.fft.irfft(spectrum * 10 ** (curve[:, None] / 20), size)[..., : audio.shape[-1]]


def compress(
    audio: Tensor,
    threshold: Tensor,
    ratio: Tensor,
    release: Tensor,
    knee: float = 6.0,
    sampling_rate: int = SAMPLING_RATE,
) -> Tensor:
    """Turn loud moments down: the soft-knee gain computer of Giannoulis, Massberg and Reiss (2012), equation 4.

    The level rises at once and falls by a constant number of decibels a second; it is known one block ahead, so that an
    attack meets the gain that it asks for.

    Args:
        audio: `(batch, channels, samples)`.
        threshold: Level in dB (full scale 0) above which the gain falls, `(batch,)`.
        ratio: Decibels in for one decibel out above the threshold, `(batch,)`; 1 changes nothing.
        release: Fall of the level in dB a second, `(batch,)`.
        knee: Width in dB of the transition.
        sampling_rate: In Hz.

    Returns:
        Audio of the same shape.

    Example:
        >>> audio = torch.full((1, 1, 44100), 0.5)
        >>> soft = compress(audio, torch.tensor([-26.0]), torch.tensor([2.0]), torch.tensor([100.0]))
        >>> round(float(soft[0, 0, 22050] / audio[0, 0, 22050]), 2)  # 20 dB over the threshold come out as 10
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
    bent = (over + knee / 2).clamp(0, knee).square() / (2 * knee)
    over = torch.where(over > knee / 2, over, bent)
    decibels = (1 / ratio[:, None, None] - 1) * over
    # The least gain of three neighbours, so that the line between two values is down before the loud block begins.
    decibels = -max_pool1d(-decibels, 3, stride=1, padding=1)
    gain = interpolate(decibels, size=blocks * FOLLOWER_BLOCK, mode="linear", align_corners=False)
    return audio * 10 ** (gain[..., :samples] / 20)


def saturate(audio: Tensor, drive: Tensor) -> Tensor:
    """Bend the waveform by `tanh(drive x) / drive`, as tape does; the loudness is restored.

    Args:
        audio: `(batch, channels, samples)`.
        drive: Gain before the bend, above 0, `(batch,)`; towards 0 nothing changes.

    Returns:
        Audio of the same shape and `active_rms`.

    Example:
        >>> tone = 0.5 * torch.sin(torch.arange(4096) / 20)[None, None]
        >>> bool(saturate(tone, torch.tensor([5.0])).amax() < tone.amax())
        True
    """
    drive = drive[:, None, None]
    bent = torch.tanh(drive * audio) / drive
    return bent * (active_rms(audio) / active_rms(bent).clamp(min=1e-9))[:, None, None]


def add_room(audio: Tensor, response: Tensor) -> Tensor:
    """Add a room's answer to the direct sound.

    Args:
        audio: `(batch, channels, samples)`.
        response: Impulse response after the direct sound, `(batch, samples)`; its first sample falls on the direct one.

    Returns:
        Audio of the same shape: what sounds on beyond the end is cut.

    Example:
        >>> click = torch.eye(1, 8)[None]
        >>> add_room(click, torch.tensor([[0.0, 0.0, 0.5]]))[0, 0, :4].round(decimals=3).abs()
        tensor([1.0000, 0.0000, 0.5000, 0.0000])
    """
    samples = audio.shape[-1]
    size = _fft_size(samples + response.shape[-1])
    answer = torch.fft.rfft(audio, size) * torch.fft.rfft(response, size)[:, None]
    return audio + torch.fft.irfft(answer, size)[..., :samples]


def bandpass(audio: Tensor, low: Tensor, high: Tensor, order: int = 3, sampling_rate: int = SAMPLING_RATE) -> Tensor:
    """Keep a band: the magnitudes of two Butterworth filters of the given order, with zero phase.

    Args:
        audio: `(batch, channels, samples)`.
        low: Frequency in Hz at which the high-pass has lost 3 dB, `(batch,)`; 0 leaves it out.
        high: Likewise of the low-pass; infinity leaves it out.
        order: Of both; 6 dB an octave each.
        sampling_rate: In Hz.

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
    """A length of small factors that holds the samples: a prime one would take many times as long."""
    return -(-samples // _FFT_MULTIPLE) * _FFT_MULTIPLE


class _Draws:
    """Tensors drawn from one stream, put where the audio is."""

    def __init__(self, stream: SeededRandom, device: torch.device, strength: float):
        self.generator = torch.Generator().manual_seed(stream.integer(1 << 53))
        self.device, self.strength = device, strength

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=self.generator)).to(self.device)

    def log_uniform(self, count: int, low: float, high: float) -> Tensor:
        return self.uniform(count, math.log(low), math.log(high)).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)


def _compression(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    reference = 20 * math.log10(REFERENCE_RMS)
    threshold = reference + rng.uniform(len(audio), -12.0, 3.0)
    # The slope 1 - 1/ratio is what strength scales.
    slope = rng.strength * (1 - 1 / rng.log_uniform(len(audio), 1.5, 6.0))
    return compress(
        audio, threshold, 1 / (1 - slope), rng.log_uniform(len(audio), 30.0, 300.0), sampling_rate=sampling_rate
    )


def _equalization(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    return equalize(audio, 3.0 * rng.strength * rng.normal(len(audio), 6))


def _saturation(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    return saturate(audio, rng.strength * rng.log_uniform(len(audio), 1.0, 6.0))


def _room(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    """A few early reflections and a tail of noise that falls by 60 dB in 0.15 to 0.6 s, both dull."""
    batch, reflections, size = len(audio), 6, round(0.6 * sampling_rate)
    time = torch.arange(size, device=audio.device) / sampling_rate
    fall = 3 * math.log(10) / rng.log_uniform(batch, 0.15, 0.6)[:, None]
    begin = rng.uniform(batch, 0.005, 0.02)[:, None]
    tail = rng.normal(batch, size) * torch.exp(-fall * time) * (time > begin)
    delays = (rng.uniform(batch * reflections, 0.002, 0.04) * sampling_rate).long().reshape(batch, reflections)
    signs = rng.normal(batch, reflections).sign()
    early = torch.zeros_like(tail).scatter_add_(1, delays, signs * torch.exp(-fall * delays / sampling_rate))
    # Both parts carry half of the answer's energy, 6 to 24 dB below the direct sound.
    answer = tail / tail.norm(dim=1, keepdim=True) + early / early.norm(dim=1, keepdim=True).clamp(min=1e-6)
    wet = rng.strength * 10 ** (rng.uniform(batch, -24.0, -6.0) / 20)
    damping = torch.linspace(0, 1, 6, device=audio.device) * rng.uniform(batch, -24.0, -3.0)[:, None]
    # What the equalizer, of zero phase, smears to before the direct sound is left out.
    answer = equalize(answer[:, None], damping)[:, 0]
    return add_room(audio, wet[:, None] / math.sqrt(2) * answer)


def _noise(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    """Noise 35 to 60 dB below the reference loudness, white to dull."""
    batch, channels, samples = audio.shape
    noise = rng.normal(batch, channels, samples)
    slope = torch.linspace(0, 1, 6, device=audio.device) * rng.uniform(batch, -30.0, 0.0)[:, None]
    noise = equalize(noise, slope)
    level = rng.strength * REFERENCE_RMS * 10 ** (rng.uniform(batch, -60.0, -35.0) / 20)
    return audio + noise * (level / noise.square().mean((1, 2)).sqrt())[:, None, None]


def _band(audio: Tensor, rng: _Draws, sampling_rate: int) -> Tensor:
    """Limits at 20 to 150 Hz and at 3 to 16 kHz; at less strength they lie farther out."""
    low = rng.strength * rng.log_uniform(len(audio), 20.0, 150.0)
    high = rng.log_uniform(len(audio), 3000.0, 16000.0) / rng.strength
    return bandpass(audio, low, high, sampling_rate=sampling_rate)


ELEMENTS: dict[str, Callable[[Tensor, _Draws, int], Tensor]] = {
    "compression": _compression,
    "equalization": _equalization,
    "saturation": _saturation,
    "room": _room,
    "noise": _noise,
    "band": _band,
}
"""The chain, in its order."""
