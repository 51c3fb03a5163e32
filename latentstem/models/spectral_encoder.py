"""Encoder of the spectral autoencoder: log magnitudes through two windows, folded to the rate of the latents."""

import math

from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from torch import Tensor, nn

from latentstem.models.spectral_scale import log_spectrogram
from latentstem.nn.convnext import ConvNeXtBlock1D


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

    def _build_encoder(self) -> None:
        """Create the layers that the config asks for."""
        config = self.config
        channels, hidden = config["channels"], config["latent_hidden_channels"]
        audio_channels, low_window = config["audio_channels"], config["low_window_length"]
        bins = audio_channels * (config["encoder_window_length"] // 2 + 1)
        self.frames_per_latent: int = config["hop_length"] // config["stft_hop_length"]

        self.encoder_in = nn.Sequential(nn.Linear(bins, channels), nn.LayerNorm(channels))
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
        for block in self.encoder_blocks:
            hidden = block(hidden)
        hidden = self.encoder_fold(rearrange(hidden, "b (t r) d -> b t (r d)", r=self.frames_per_latent))
        if self.encoder_low is not None:
            hidden = hidden + self.encoder_low(self._low_bins(audio).to(self.dtype))
        for block in self.encoder_latent_blocks:
            hidden = block(hidden)
        return self.encoder_out(self.encoder_norm(hidden)).transpose(1, 2).contiguous()

    def _low_bins(self, audio: Tensor) -> Tensor:
        """The lowest bins through the longer window, two frames to a latent."""
        spectrogram = log_spectrogram(audio, self.config["low_window_length"], self.config["hop_length"] // 2)
        return rearrange(spectrogram[:, :, : self.low_bins], "b c f (t r) -> b t (r c f)", r=2)
