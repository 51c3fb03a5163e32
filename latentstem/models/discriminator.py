"""Discriminator of the autoencoder's adversarial term (optional, off by default), after Musika (arXiv 2208.08706).

A residual net over log-magnitude spectrograms.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.fourier import stft
from latentstem.models.config_bounds import check_discriminator


class _ResidualDown(nn.Module):
    """Two leaky convolutions, the second halving time, beside an averaged shortcut; variance kept by sqrt(1/2)."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.first = nn.Conv1d(channels_in, channels_in, 3, padding=1)
        self.second = nn.Conv1d(channels_in, channels_out, 4, stride=2, padding=1)
        self.shortcut = nn.Conv1d(channels_in, channels_out, 1)

    def forward(self, hidden_states: Tensor) -> Tensor:
        branch = F.leaky_relu(self.second(F.leaky_relu(self.first(hidden_states), 0.2)), 0.2)
        shortcut = self.shortcut(F.avg_pool1d(hidden_states, 2))
        return (branch + shortcut) * math.sqrt(0.5)


class SpectralDiscriminator(ModelMixin, ConfigMixin):
    """Score how real audio is, frame by frame of its log-magnitude spectrogram.

    Args:
        audio_channels: Number of channels of the audio.
        window_length: Length of the Hann window in samples.
        hop_length: Hop of the STFT in samples.
        channels: Width of the first layer; each further one is twice as wide, up to four times this width.
        layers: Number of residual layers, each halving time.

    Raises:
        ValueError: A number is out of bounds, or the window does not fit the hop.

    Shape:
        `(batch, audio_channels, samples)` to scores `(batch, frames)`, frames = samples / hop / 2**layers.

    Example:
        >>> import torch
        >>> SpectralDiscriminator(channels=8)(torch.randn(2, 1, 8192)).shape
        torch.Size([2, 4])
    """

    @register_to_config
    def __init__(
        self,
        audio_channels: int = 1,
        window_length: int = 1024,
        hop_length: int = 256,
        channels: int = 192,
        layers: int = 3,
    ):
        super().__init__()
        check_discriminator(self.config)
        widths = [channels * min(2**i, 4) for i in range(layers + 1)]
        self.entry = nn.Conv1d(audio_channels * (window_length // 2 + 1), channels, 1)
        self.blocks = nn.ModuleList(_ResidualDown(a, b) for a, b in itertools.pairwise(widths))
        self.head = nn.Conv1d(widths[-1], 1, 1)

    def forward(self, audio: Tensor) -> Tensor:
        """Score audio `(batch, audio_channels, samples)`; return scores `(batch, frames)`."""
        return self.features(audio)[-1][:, 0]

    def features(self, audio: Tensor) -> list[Tensor]:
        """Return what every layer makes of audio, for feature matching.

        Args:
            audio: `(batch, audio_channels, samples)`.

        Returns:
            Hidden states `(batch, channels, frames)` of each layer from the first on, and last the scores with one
            channel.
        """
        audio = F.pad(audio, (0, -audio.shape[-1] % (self.config["hop_length"] * 2 ** self.config["layers"])))
        spectrum = stft(audio, self.config["window_length"], self.config["hop_length"])
        # The floor under the power keeps the gradient finite at silence, where R1 differentiates twice.
        level = 0.5 * torch.log(spectrum.real**2 + spectrum.imag**2 + 1e-8) / 4.6 + 1
        features = [self.entry(level.flatten(1, 2))]
        for block in self.blocks:
            features.append(block(features[-1]))
        return [*features, self.head(features[-1])]
