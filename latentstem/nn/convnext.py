"""ConvNeXt block (Liu et al. 2022, arXiv 2201.03545, figure 4) in one dimension, local in time.

The autoencoder is built of it. It normalizes each frame over its channels and never over time, so the result for a
frame depends on its neighbourhood only, whatever the length of the sequence.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNeXtBlock1D(nn.Module):
    """Residual block of a depthwise convolution over time, LayerNorm over channels and a two-layer perceptron.

    Sequences are held frame by frame, `(batch, frames, channels)`: the perceptron is then one matrix product.

    Args:
        channels: Width of the sequence.
        kernel_size: Odd extent of the depthwise convolution in frames; 1 leaves the convolution out.
        expansion: Hidden width of the perceptron as a multiple of `channels`.

    Shape:
        `(batch, frames, channels)` to the same.

    Example:
        >>> import torch
        >>> ConvNeXtBlock1D(8, kernel_size=5)(torch.randn(2, 3, 8)).shape
        torch.Size([2, 3, 8])
    """

    def __init__(self, channels: int, kernel_size: int = 7, expansion: int = 4):
        super().__init__()
        self.depthwise = (
            nn.Conv2d(channels, channels, (1, kernel_size), padding=(0, kernel_size // 2), groups=channels)
            if kernel_size > 1
            else None
        )
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Add the block's change to `hidden_states`, `(batch, frames, channels)`."""
        mixed = hidden_states
        if self.depthwise is not None:
            # A view as (batch, channels, 1, frames) has the channels-last layout, the fast one on a CPU.
            mixed = self.depthwise(mixed[:, None].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)[:, 0]
        mixed = self.contract(F.gelu(self.expand(self.norm(mixed))))
        return hidden_states + mixed
