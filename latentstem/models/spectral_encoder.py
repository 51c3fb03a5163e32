"""Encoder of the spectral autoencoder: log magnitudes through two windows, folded to the rate of the latents."""

import math

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from torch import Tensor, nn

from latentstem._checks import check_finite
from latentstem.audio.fourier import stft
from latentstem.losses.spectral import log_frequency_bands
from latentstem.models.spectral_scale import log_spectrogram
from latentstem.nn.convnext import ConvNeXtBlock1D

_LOWEST_LEVEL = 80.0  # centre of the lowest band of the levels in Hz


def latent_blocks(channels: int, count: int, convolutional: int) -> list[ConvNeXtBlock1D]:
    """Build blocks at the rate of the latents.

    Args:
        channels: Width of the blocks.
        count: Number of blocks.
        convolutional: How many of them, from the first on, convolve over neighbouring frames.
    """
    return [ConvNeXtBlock1D(channels, 3 if i < convolutional else 1, expansion=2) for i in range(count)]


class SpectralEncoder(ModelMixin, ConfigMixin):
    """Layers of the encoder, for `AutoencoderSpectral` to inherit: saved weights name them on the model itself."""

    encoder_low: nn.Sequential | None
    encoder_levels: nn.Linear | None

    def _build_encoder(self) -> None:
        """Create the layers that the config asks for."""
        config = self.config
        channels, hidden = config["channels"], config["latent_hidden_channels"]
        audio_channels, low_window = config["audio_channels"], config["low_window_length"]
        bins = audio_channels * (config["encoder_window_length"] // 2 + 1)
        self.frames_per_latent: int = config["hop_length"] // config["stft_hop_length"]

        self.encoder_in = nn.Sequential(nn.Linear(bins, channels), nn.LayerNorm(channels))
        self.encoder_levels = None
        if config["levels_per_octave"]:
            window, rate = config["encoder_window_length"], config["sampling_rate"]
            bands = log_frequency_bands(window, rate, config["levels_per_octave"], _LOWEST_LEVEL)
            self.register_buffer("level_bands", bands, persistent=False)
            # It starts without effect, so that it can be added to a trained net.
            self.encoder_levels = nn.Linear(audio_channels * len(bands), channels)
            nn.init.zeros_(self.encoder_levels.weight)
            nn.init.zeros_(self.encoder_levels.bias)
        self.encoder_blocks = nn.ModuleList(ConvNeXtBlock1D(channels, 5) for _ in range(config["encoder_layers"]))
        self.encoder_fold = nn.Sequential(nn.Linear(self.frames_per_latent * channels, hidden), nn.LayerNorm(hidden))
        self.low_bins = int(config["low_highest"] * low_window / config["sampling_rate"]) + 1
        self.encoder_low = None
        if low_window:
            low_channels = 2 * audio_channels * self.low_bins
            self.encoder_low = nn.Sequential(
                nn.LayerNorm(low_channels),
                nn.Linear(low_channels, hidden),
                nn.GELU(),
                nn.Linear(hidden, hidden, bias=False),
            )
        self.encoder_latent_blocks = nn.ModuleList(latent_blocks(hidden, config["latent_layers"], 1))
        self.encoder_norm = nn.LayerNorm(hidden)
        self.encoder_out = nn.Linear(hidden, config["latent_channels"])

        # Latent frames on each side that a latent depends on: tiles overlap by as much.
        self.encoder_context_frames = (
            math.ceil(2 * config["encoder_layers"] / self.frames_per_latent)
            + 1
            + math.ceil(max(config["encoder_window_length"], low_window) / config["hop_length"])
        )

    def _encode(self, audio: Tensor) -> Tensor:
        """Encode whole frames of audio, `(batch, audio_channels, frames * hop_length)`, in one piece."""
        config = self.config
        spectrogram = log_spectrogram(audio, config["encoder_window_length"], config["stft_hop_length"])
        hidden = self.encoder_in(rearrange(spectrogram, "b c f t -> b t (c f)").to(self.dtype))
        if self.encoder_levels is not None:
            hidden = hidden + self.encoder_levels(self._levels(audio).to(self.dtype))
        for block in self.encoder_blocks:
            hidden = block(hidden)
        hidden = self.encoder_fold(rearrange(hidden, "b (t r) d -> b t (r d)", r=self.frames_per_latent))
        if self.encoder_low is not None:
            hidden = hidden + self.encoder_low(self._low_bins(audio).to(self.dtype))
        for block in self.encoder_latent_blocks:
            hidden = block(hidden)
        latents = self.encoder_out(self.encoder_norm(hidden)).transpose(1, 2).contiguous()
        check_finite("the encoding", latents, {"audio": audio})
        return latents

    def _levels(self, audio: Tensor) -> Tensor:
        """The levels of bands: 0 is 100 dB under full scale, 1 is 50 dB higher."""
        spectrum = stft(audio, self.config["encoder_window_length"], self.config["stft_hop_length"])
        power = spectrum.real.square() + spectrum.imag.square()
        with torch.autocast(audio.device.type, enabled=False):
            pooled = self.get_buffer("level_bands").float() @ power
        return rearrange((10 * torch.log10(pooled + 1e-10) + 100) / 50, "b c f t -> b t (c f)")

    def _low_bins(self, audio: Tensor) -> Tensor:
        """The lowest bins through the longer window, two frames to a latent."""
        spectrogram = log_spectrogram(audio, self.config["low_window_length"], self.config["hop_length"] // 2)
        return rearrange(spectrogram[:, :, : self.low_bins], "b c f (t r) -> b t (r c f)", r=2)
