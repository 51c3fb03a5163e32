"""Effects on batches of audio, without delay: the level follower looks ahead, and filters have zero phase.

So annotations and stems stay aligned to the sample. Random chains of them: `latentstem.data.render.random_effects`.
"""

import io
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate, max_pool1d, pad

from latentstem.audio.level import active_rms
from latentstem.audio.rate import SAMPLING_RATE

FOLLOWER_BLOCK = 256
"""Samples between two values of the gain of the compressor and of the limiter."""
CODECS = {"vorbis": ("OGG", "VORBIS"), "mp3": ("MP3", "MPEG_LAYER_III")}
"""Lossy codecs whose decoded audio has no delay, and what libsndfile calls them."""
_CODEC_BLOCK = 65536  # libsndfile may crash where Vorbis is given much at once
_FFT_MULTIPLE = 8192
_EDGE = 4096  # silence beyond the end, so that a filter does not carry the end into the beginning


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
    return audio * _between_blocks(decibels, samples)


def limit(
    audio: Tensor, gain: Tensor, release: Tensor, ceiling: float = 0.95, sampling_rate: int = SAMPLING_RATE
) -> Tensor:
    """Make audio louder, and turn it down where it would go over a ceiling, as in the loudness of a master.

    Args:
        audio: `(batch, channels, samples)`.
        gain: Gain in dB before the limiter, `(batch,)`.
        release: Rise of the limiter's gain after a peak in dB a second, `(batch,)`.
        ceiling: Greatest absolute sample of the result.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        Audio of the same shape, with no sample over the ceiling.

    Example:
        >>> tone = 0.5 * torch.sin(torch.arange(44100) / 20)[None, None]
        >>> round(float(limit(tone, torch.tensor([12.0]), torch.tensor([60.0])).amax()), 2)
        0.95
    """
    samples = audio.shape[-1]
    blocks = -(-samples // FOLLOWER_BLOCK)
    audio = audio * 10 ** (gain[:, None, None] / 20)
    peak = max_pool1d(pad(audio.abs().amax(1, keepdim=True), (0, -samples % FOLLOWER_BLOCK)), FOLLOWER_BLOCK)
    over = 20 * (peak / ceiling).clamp(min=1).log10()
    fall = release[:, None, None] * FOLLOWER_BLOCK / sampling_rate * torch.arange(blocks, device=audio.device)
    over = ((over + fall).cummax(-1).values - fall).clamp(min=0)
    return audio * _between_blocks(-over, samples)


def _between_blocks(decibels: Tensor, samples: int) -> Tensor:
    """Turn gains in dB of blocks into a factor a sample, the lines between the middles of blocks.

    Each value becomes the least of three neighbours, so that the gain is down before a loud block begins.
    """
    decibels = -max_pool1d(-decibels, 3, stride=1, padding=1)
    gain = interpolate(decibels, size=decibels.shape[-1] * FOLLOWER_BLOCK, mode="linear", align_corners=False)
    return 10 ** (gain[..., :samples] / 20)


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


def encode_lossy(audio: Tensor, codec: str, compression: float, sampling_rate: int = SAMPLING_RATE) -> Tensor:
    """Encode audio with a lossy codec, and decode it.

    Args:
        audio: `(batch, channels, samples)`, one or two channels; what exceeds 1 is clipped by some codecs.
        codec: Name of the codec, a key of `CODECS`.
        compression: How much is left out: 0 for the best quality, below 1; 0.9 leaves 40 to 60 kbit/s of mono.
        sampling_rate: Sampling rate of `audio` in Hz, which the codec has to know.

    Returns:
        Audio of the same shape, without delay, on the device of `audio`.

    Raises:
        ImportError: If soundfile is not installed.

    Example:
        >>> tone = 0.1 * torch.sin(torch.arange(44100) / 20)[None, None]
        >>> bool((encode_lossy(tone, "vorbis", 0.5) - tone).abs().mean() < 0.01)
        True
    """
    import soundfile

    container, subtype = CODECS[codec]
    decoded = []
    for item in audio.cpu():
        file = io.BytesIO()
        options = {"format": container, "subtype": subtype, "compression_level": compression}
        with soundfile.SoundFile(file, "w", sampling_rate, len(item), **options) as writer:
            for block in item.T.contiguous().split(_CODEC_BLOCK):
                writer.write(block.numpy())
        file.seek(0)
        decoded.append(soundfile.read(file, audio.shape[-1], dtype="float32", always_2d=True, fill_value=0.0)[0].T)
    return torch.from_numpy(np.stack(decoded)).to(audio.device)


def _fft_size(samples: int) -> int:
    """Round a length up to one of small factors: a transform of prime length would take many times as long."""
    return -(-samples // _FFT_MULTIPLE) * _FFT_MULTIPLE
