"""Encoder of the sound of an instrument: from latents of a recording to a few numbers that say nothing of its notes."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem.models.config_bounds import check_style_encoder
from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.pooling import AttentiveStatisticsPooling


class StyleEncoder(ModelMixin, ConfigMixin):
    """Encode how recordings sound, for a denoiser that takes the code as a global condition.

    The code is kept from telling notes by its training (`latentstem.training.style_encoder`), in which one instrument
    plays different notes and different instruments play the same, in short pieces out of order. Mean and deviation over
    time are pooled with learned weights: two instruments of one mean differ in their attack.

    Args:
        latent_channels: Channels of the latents.
        channels: Width of the net.
        code_dim: Number of dimensions of the code.
        layers: Number of blocks.

    Raises:
        ValueError: A number is out of bounds.

    Example:
        >>> import torch
        >>> encoder = StyleEncoder(latent_channels=8, channels=16, code_dim=4).eval()
        >>> encoder(torch.randn(3, 8, 40), sounding=torch.rand(3, 40) < 0.7).shape
        torch.Size([3, 4])
    """

    @register_to_config
    def __init__(self, latent_channels: int = 64, channels: int = 128, code_dim: int = 16, layers: int = 3):
        super().__init__()
        check_style_encoder(self.config)
        self.project_in = nn.Conv1d(latent_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ConvNeXtBlock1D(channels, 3, expansion=2) for _ in range(layers)))
        self.pooling = AttentiveStatisticsPooling(channels)
        self.norm = nn.LayerNorm(2 * channels)
        self.project_out = nn.Linear(2 * channels, code_dim)

    def forward(self, latents: Tensor, sounding: Tensor | None = None) -> Tensor:
        """Encode recordings.

        Args:
            latents: Normalized latents, `(batch, latent_channels, frames)`.
            sounding: Frames in which something sounds, which alone count, bool `(batch, frames)`; None counts all.

        Returns:
            Codes, `(batch, code_dim)`, about as large as draws from a normal distribution.

        Raises:
            ValueError: The shapes are not as above, or latents or codes are not finite.
        """
        check_tensors(latents=latents)
        channels = self.config["latent_channels"]
        if latents.ndim != 3 or latents.shape[1] != channels or not latents.shape[2]:
            raise ValueError(f"got latents of shape {tuple(latents.shape)}; expected (batch, {channels}, frames)")
        if sounding is not None and (sounding.shape != latents.shape[::2] or sounding.dtype != torch.bool):
            raise ValueError(
                f"got sounding of shape {tuple(sounding.shape)} and {sounding.dtype}; expected bool "
                f"{tuple(latents.shape[::2])}"
            )
        hidden = self.blocks(self.project_in(latents).transpose(1, 2)).transpose(1, 2)
        codes = self.project_out(self.norm(self.pooling(hidden, sounding)))
        check_finite("the code", codes, {"latents": latents})
        return codes
