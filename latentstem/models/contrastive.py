"""Two encoders that tell which stem belongs to which mix: the judge of arXiv 2402.01412, figure 3.

The paper says what it is for, not how it is made. Here both encoders read latents, at a rate at which notes and chords
can still be told apart, and a pair is compared moment by moment: a stem of the right notes at the wrong time does not
fit. The loss is the symmetric cross entropy of Radford et al. (2021); the bilinear head is COCOLA's (arXiv 2404.16969).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.nn.convnext import ConvNeXtBlock1D


class _Tower(nn.Module):
    """One recording's encoder: blocks at the rate of the latents, then at half and at a quarter of it."""

    def __init__(self, in_channels: int, channels: int, embedding_channels: int, layers: tuple[int, ...]):
        super().__init__()
        self.project_in = nn.Linear(in_channels, channels)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock1D(channels, 5, expansion=2) for _ in range(count))) for count in layers
        )
        self.norm = nn.LayerNorm(channels)
        self.project_out = nn.Linear(channels, embedding_channels)

    def forward(self, latents: Tensor) -> Tensor:
        hidden = self.project_in(latents.transpose(1, 2))
        for number, stage in enumerate(self.stages):
            if number:
                hidden = F.avg_pool1d(hidden.transpose(1, 2), 2, ceil_mode=True).transpose(1, 2)
            hidden = stage(hidden)
        return F.normalize(self.project_out(self.norm(hidden)), dim=-1)


class ContrastiveStemModel(ModelMixin, ConfigMixin):
    """Scores how well stems fit mixes, from normalized latents of both.

    Args:
        latent_channels: Channels of the latents.
        channels: Width of the encoders.
        embedding_channels: Width of an embedding.
        layers: Blocks of each stage; from one stage to the next the rate is halved.
        head: `"cosine"` compares embeddings directly, `"bilinear"` through a learned matrix.

    Raises:
        ValueError: If the head is unknown.

    Example:
        >>> import torch
        >>> judge = ContrastiveStemModel(latent_channels=8, channels=16, embedding_channels=4).eval()
        >>> mixes, stems = torch.randn(3, 8, 20), torch.randn(5, 8, 20)
        >>> judge(mixes, stems).shape
        torch.Size([3, 5])
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 64,
        channels: int = 192,
        embedding_channels: int = 64,
        layers: tuple[int, ...] = (2, 2, 2),
        head: Literal["cosine", "bilinear"] = "cosine",
    ):
        super().__init__()
        if head not in ("cosine", "bilinear"):
            raise ValueError(f"got head={head!r}; expected 'cosine' or 'bilinear'")
        self.mix_encoder = _Tower(latent_channels, channels, embedding_channels, tuple(layers))
        self.stem_encoder = _Tower(latent_channels, channels, embedding_channels, tuple(layers))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bilinear = nn.Linear(embedding_channels, embedding_channels, bias=False) if head == "bilinear" else None
        if self.bilinear is not None:
            nn.init.eye_(self.bilinear.weight)

    def embed_mix(self, latents: Tensor) -> Tensor:
        """Embed mixes.

        Args:
            latents: Normalized, `(mixes, latent_channels, frames)`.

        Returns:
            Embeddings of unit length, `(mixes, moments, embedding_channels)`; a moment is four frames by default.
        """
        return self.mix_encoder(self._checked(latents))

    def embed_stem(self, latents: Tensor) -> Tensor:
        """Embed stems, as `embed_mix` embeds mixes."""
        return self.stem_encoder(self._checked(latents))

    def compare(self, mixes: Tensor, stems: Tensor) -> Tensor:
        """Compare embeddings of equal length, each mix with each stem.

        Args:
            mixes: From `embed_mix`, `(mixes, moments, embedding_channels)`.
            stems: From `embed_stem`, `(stems, moments, embedding_channels)`.

        Returns:
            Logits `(mixes, stems)`, float32: the mean over time of the cosines, or of the bilinear forms, over the
            temperature.

        Raises:
            ValueError: If the lengths differ.
        """
        if mixes.shape[1] != stems.shape[1]:
            raise ValueError(
                f"got {mixes.shape[1]} and {stems.shape[1]} moments; expected mixes and stems of one length"
            )
        if self.bilinear is not None:
            mixes = self.bilinear(mixes)
        # A sum over minutes, in which stems that are nearly equal differ by little: half precision has too few digits.
        scale = self.log_scale.float().exp().clamp(max=100.0)
        return scale * torch.einsum("mtd, ntd -> mn", mixes.float(), stems.float()) / mixes.shape[1]

    def forward(self, mixes: Tensor, stems: Tensor) -> Tensor:
        """Logits `(mixes, stems)` of latents `(mixes or stems, latent_channels, frames)`."""
        return self.compare(self.embed_mix(mixes), self.embed_stem(stems))

    def _checked(self, latents: Tensor) -> Tensor:
        channels = self.config["latent_channels"]
        if latents.ndim != 3 or latents.shape[1] != channels:
            raise ValueError(f"got latents of shape {tuple(latents.shape)}; expected (batch, {channels}, frames)")
        return latents
