"""Filtered noise in the STFT domain, the noisy part of a decoder's sound (DDSP, Engel et al. 2020, section 3.4).

A decoder that emits a magnitude and a phase a bin cannot make noise: phases that do not fit each other from frame to
frame cancel in the overlap-add, by 3 dB and more, and phases that do fit need latents that carry them. The frames of a
noise that exists as a signal fit each other by construction. It is given once, and the net predicts how loud it is in
each band; it depends on absolute time alone, so a tile has the noise of the whole.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from latentstem.audio.fourier import stft
from latentstem.nn.oscillators import bounded_exp

PERIOD = 256
"""STFT frames after which the noise repeats: 3 s at a hop of 512 samples."""
_CHANNELS = 2  # as many independent noises as audio may have channels


class NoiseBank(nn.Module):
    """Complex STFT frames of noise whose level in each band follows the hidden states.

    Levels are a linear map of the hidden states, interpolated linearly between the centres of the bands, which are
    spaced evenly on the mel scale of O'Shaughnessy (1987).

    Args:
        channels: Width of the hidden states.
        sampling_rate: Sampling rate of the audio in Hz.
        window_length: Window of the STFT in samples.
        hop_length: Hop of the STFT in samples.
        bands: Number of bands, from 0 Hz to half the sampling rate.
        audio_channels: Channels of the audio, 1 or 2, each with a noise of its own.

    Shape:
        `(batch, frames, channels)` to real and imaginary parts `(2, batch, audio_channels, bins, frames)` and to the
        levels of the bins, `(batch, audio_channels, bins, frames)`, the root of their mean power; both float32.

    Example:
        >>> import torch
        >>> bank = NoiseBank(16, 44100, window_length=2048, hop_length=512, bands=32)
        >>> whole, level = bank(torch.randn(1, 10, 16))
        >>> whole.shape, level.shape
        (torch.Size([2, 1, 1, 1025, 10]), torch.Size([1, 1, 1025, 10]))
    """

    def __init__(
        self,
        channels: int,
        sampling_rate: int,
        window_length: int,
        hop_length: int,
        bands: int = 96,
        audio_channels: int = 1,
    ):
        super().__init__()
        self.bands, self.audio_channels = bands, audio_channels
        self.level = nn.Linear(channels, audio_channels * bands)
        nn.init.normal_(self.level.weight, std=0.1 * channels**-0.5)
        nn.init.constant_(self.level.bias, -13.0)  # white noise of -88 dB: the net turns it up

        generator = torch.Generator().manual_seed(0)
        once = torch.randn(_CHANNELS, PERIOD * hop_length, generator=generator)
        # A period before and after, so that the frames at the ends of the one between see their neighbours.
        frames = stft(once.repeat(1, 3), window_length, hop_length)[..., PERIOD : 2 * PERIOD]
        frames = frames / frames.abs().square().mean().sqrt()
        self.register_buffer("noise", torch.stack([frames.real, frames.imag]), persistent=False)

        bins = torch.arange(window_length // 2 + 1) * (sampling_rate / window_length)
        mel = torch.log1p(bins / 700)
        place = mel / mel[-1] * (bands - 1)
        weights = (1 - (place - torch.arange(bands)[:, None]).abs()).clamp(min=0)
        self.register_buffer("interpolation", weights, persistent=False)

    def forward(self, hidden_states: Tensor, start_frame: int = 0) -> tuple[Tensor, Tensor]:
        """Synthesize STFT frames.

        Args:
            hidden_states: `(batch, frames, channels)`.
            start_frame: Absolute index of the first frame, where the frames are a piece of a longer sequence.

        Returns:
            STFT frames `(2, batch, audio_channels, bins, frames)` and levels `(batch, audio_channels, bins, frames)`.
        """
        logarithm = rearrange(self.level(hidden_states).float(), "b t (c n) -> b c t n", c=self.audio_channels)
        with torch.autocast(hidden_states.device.type, enabled=False):
            level = bounded_exp(logarithm @ self.get_buffer("interpolation").float()).mT
        frames = (start_frame + torch.arange(hidden_states.shape[1], device=hidden_states.device)) % PERIOD
        noise = self.get_buffer("noise").float()[:, None, : self.audio_channels]
        return noise[..., frames] * level, level
