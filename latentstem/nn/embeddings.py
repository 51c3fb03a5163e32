"""Timestep embedding: sines and cosines (Vaswani et al. 2017, arXiv 1706.03762, section 3.5), then an MLP."""

import math

import torch
from torch import nn


def sinusoidal_embedding(timestep: torch.Tensor, dim: int, max_period: float = 10000.0) -> torch.Tensor:
    """Compute cosines and sines of timesteps at `dim / 2` frequencies from 1 down to nearly `1 / max_period`.

    Args:
        timestep: Timesteps, integers or floats, `(batch,)`.
        dim: Even width of the embedding.
        max_period: Longest period in timesteps, divided by 2 pi.

    Returns:
        Float32 embedding, cosines first.

    Shape:
        `(batch,)` to `(batch, dim)`.

    Example:
        >>> sinusoidal_embedding(torch.tensor([0.0]), 4).tolist()
        [[1.0, 1.0, 0.0, 0.0]]
    """
    exponent = torch.arange(dim // 2, device=timestep.device, dtype=torch.float32) / (dim // 2)
    angle = timestep.float()[:, None] * torch.exp(-math.log(max_period) * exponent)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class TimestepEmbedding(nn.Module):
    """Embed timesteps by an MLP of `sinusoidal_embedding`.

    Args:
        embedding_dim: Even width of the embedding.

    Shape:
        `(batch,)` to `(batch, embedding_dim)`, in the dtype of the weights.

    Example:
        >>> TimestepEmbedding(16)(torch.tensor([0, 511, 1023])).shape
        torch.Size([3, 16])
    """

    def __init__(self, embedding_dim: int):
        super().__init__()
        if embedding_dim % 2:
            raise ValueError(f"embedding_dim is {embedding_dim}, expected an even number")
        self.linear_1 = nn.Linear(embedding_dim, embedding_dim)
        self.linear_2 = nn.Linear(embedding_dim, embedding_dim)

    def forward(self, timestep: torch.Tensor) -> torch.Tensor:
        """Embed timesteps `(batch,)`."""
        waves = sinusoidal_embedding(timestep, self.linear_1.in_features)
        return self.linear_2(nn.functional.silu(self.linear_1(waves.to(self.linear_1.weight.dtype))))
