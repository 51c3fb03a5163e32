"""Pooling of sequences to one vector."""

import torch
from torch import Tensor, nn


class AttentiveStatisticsPooling(nn.Module):
    """Mean and deviation over time, with weights that the sequence itself gives (Okabe et al. 2018, arXiv 1803.10963).

    Args:
        channels: Channels of the sequence.

    Shape:
        `(batch, channels, frames)` and a mask `(batch, frames)` to `(batch, 2 * channels)`: means, then deviations.
        Frames outside the mask have no weight; where a mask is empty, all frames count.

    Example:
        >>> import torch
        >>> pooling = AttentiveStatisticsPooling(8)
        >>> pooling(torch.randn(3, 8, 20), torch.rand(3, 20) < 0.5).shape
        torch.Size([3, 16])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.score = nn.Conv1d(channels, 1, 1)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool sequences, see above."""
        scores = self.score(sequence).float()
        if mask is not None:
            counted = mask | ~mask.any(dim=-1, keepdim=True)
            scores = scores.masked_fill(~counted[:, None], -torch.inf)
        weights = scores.softmax(dim=-1).to(sequence.dtype)
        mean = (weights * sequence).sum(-1)
        variance = (weights * (sequence - mean[..., None]).square()).sum(-1)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=-1)
