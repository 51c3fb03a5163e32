"""Contrastive model of mixes and stems that ranks which stem fits which mix (arXiv 2402.01412, figure 3).

The paper says what it is for, not how it is made. Here both encoders read latents, at a rate at which notes and chords
can still be told apart, and a pair is compared moment by moment: a stem of the right notes at the wrong time does not
fit. The loss is the symmetric cross entropy of Radford et al. (2021, arXiv 2103.00020).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem.models.config_bounds import check_contrastive
from latentstem.nn.convnext import ConvNeXtBlock1D


class _Encoder(nn.Module):
    """Encoder of a recording: blocks at the rate of the latents, then at half and at a quarter of it."""

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
        for index, stage in enumerate(self.stages):
            if index:
                hidden = F.avg_pool1d(hidden.transpose(1, 2), 2, ceil_mode=True).transpose(1, 2)
            hidden = stage(hidden)
        return F.normalize(self.project_out(self.norm(hidden)), dim=-1)


class ContrastiveStemModel(ModelMixin, ConfigMixin):
    """Score how well stems fit mixes, from normalized latents of both.

    Args:
        latent_channels: Channels of the latents.
        channels: Width of the encoders.
        embedding_channels: Width of an embedding.
        layers: Number of blocks of each stage; from one stage to the next the rate is halved.

    Raises:
        ValueError: A number is out of bounds.

    Example:
        >>> import torch
        >>> model = ContrastiveStemModel(latent_channels=8, channels=16, embedding_channels=4).eval()
        >>> mixes, stems = torch.randn(3, 8, 20), torch.randn(5, 8, 20)
        >>> model(mixes, stems).shape
        torch.Size([3, 5])
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 64,
        channels: int = 192,
        embedding_channels: int = 64,
        layers: tuple[int, ...] = (2, 2, 2),
    ):
        super().__init__()
        check_contrastive(self.config)
        self.mix_encoder = _Encoder(latent_channels, channels, embedding_channels, tuple(layers))
        self.stem_encoder = _Encoder(latent_channels, channels, embedding_channels, tuple(layers))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @classmethod
    def extract_init_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Split a saved config into arguments and others, without the `head` that 0.1.0 saved.

        Args:
            config_dict: Saved config.
            **kwargs: Values that replace saved ones.

        Raises:
            ValueError: The config is of a model that compares embeddings through a learned matrix.
        """
        if config_dict.get("head", "cosine") != "cosine":
            raise ValueError(
                f"got a ContrastiveStemModel saved with head={config_dict['head']!r}, expected 'cosine', the one that "
                "versions after 0.1.0 have; train the model again"
            )
        return super().extract_init_dict({k: v for k, v in config_dict.items() if k != "head"}, **kwargs)

    def embed_mix(self, latents: Tensor) -> Tensor:
        """Embed mixes.

        Args:
            latents: Normalized, `(mixes, latent_channels, frames)`.

        Returns:
            Embeddings of unit length, `(mixes, moments, embedding_channels)`; a moment is four frames by default.

        Raises:
            ValueError: The latents have another shape, or latents or embeddings are not finite.
        """
        return self._embed(self.mix_encoder, latents)

    def embed_stem(self, latents: Tensor) -> Tensor:
        """Embed stems.

        Args:
            latents: Normalized, `(stems, latent_channels, frames)`.

        Returns:
            Embeddings of unit length, `(stems, moments, embedding_channels)`.

        Raises:
            ValueError: The latents have another shape, or latents or embeddings are not finite.
        """
        return self._embed(self.stem_encoder, latents)

    def compare(self, mixes: Tensor, stems: Tensor) -> Tensor:
        """Compare each mix with each stem, from embeddings of equal length.

        Args:
            mixes: From `embed_mix`, `(mixes, moments, embedding_channels)`.
            stems: From `embed_stem`, `(stems, moments, embedding_channels)`.

        Returns:
            Logits `(mixes, stems)`, float32: the mean over time of the cosines, over the temperature.

        Raises:
            ValueError: The lengths differ, or embeddings are not finite.
        """
        if mixes.shape[1] != stems.shape[1]:
            raise ValueError(
                f"got {mixes.shape[1]} and {stems.shape[1]} moments; expected mixes and stems of one length"
            )
        # A sum over minutes, in which stems that are nearly equal differ by little: half precision has too few digits.
        scale = self.log_scale.float().exp().clamp(max=100.0)
        scores = scale * torch.einsum("mtd, ntd -> mn", mixes.float(), stems.float()) / mixes.shape[1]
        check_finite("the score", scores, {"mixes": mixes, "stems": stems})
        return scores

    def forward(self, mixes: Tensor, stems: Tensor) -> Tensor:
        """Return logits `(mixes, stems)` of latents `(mixes or stems, latent_channels, frames)`."""
        return self.compare(self.embed_mix(mixes), self.embed_stem(stems))

    def _embed(self, encoder: _Encoder, latents: Tensor) -> Tensor:
        check_tensors(latents=latents)
        channels = self.config["latent_channels"]
        if latents.ndim != 3 or latents.shape[1] != channels or not latents.shape[2]:
            raise ValueError(f"got latents of shape {tuple(latents.shape)}; expected (batch, {channels}, frames)")
        embeddings = encoder(latents)
        check_finite("the embedding", embeddings, {"latents": latents})
        return embeddings
