"""Dilated residual blocks in two dimensions, and decoders whose weights are tied to them.

The block is figure 3 of BassNet (Grachten, Lattner and Deruty 2020, section 4.4.1), after Yu and Koltun's dilated
residual networks (2017, arXiv 1705.09914). Maps are `(batch, channels, steps, bins)`. On a CPU in bfloat16 the layers
are several times faster where the channels of a position lie side by side in memory (`torch.channels_last`).
"""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn


def covering_dilations(length: int, layers: int, kernel_size: int = 3) -> tuple[int, ...]:
    """Choose dilations whose receptive field covers a length, growing no faster than they must.

    Layer i has the dilation `round(base ** i)`, with the smallest base for which the receptive field of all layers,
    `1 + (kernel_size - 1) * sum(dilations)`, is at least `length`. Up to `base = kernel_size` it has no holes; where
    even that covers too little, the last dilation makes up for it.

    Args:
        length: Length to cover, in positions.
        layers: Number of layers.
        kernel_size: Number of positions that the kernel of a layer takes.

    Returns:
        A dilation a layer, ascending, from 1 on.

    Raises:
        ValueError: The length is below one, or layers of that kernel cannot see that far.

    Example:
        >>> covering_dilations(40, layers=5), covering_dilations(264, layers=5)
        ((1, 2, 3, 5, 9), (1, 3, 9, 27, 92))
    """
    if length < 1:
        raise ValueError(f"got length={length}; expected at least 1")
    if length > 1 and (layers < 1 or kernel_size < 2):
        raise ValueError(
            f"got layers={layers} and kernel_size={kernel_size}, which see one position; expected at least one layer, "
            f"of a kernel of at least 2, to cover {length}"
        )
    wanted = -(-(length - 1) // max(kernel_size - 1, 1))
    base, dilations = 1.0, (1,) * layers
    while sum(dilations) < wanted and base < kernel_size:
        base = min(base + 0.01, kernel_size)
        dilations = tuple(round(base**layer) for layer in range(layers))
    missing = max(wanted - sum(dilations), 0)
    return (*dilations[:-1], dilations[-1] + missing) if dilations else dilations


class DilatedResidualBlock2D(nn.Module):
    """Sum of a dilated convolution and a linear map of each position, each with batch normalization, then ReLU.

    Args:
        in_channels: Number of channels in.
        out_channels: Number of channels out (n in the figure).
        kernel_size: Extent of the dilated kernel (k) in steps and bins, both odd.
        dilation: Dilation (d) in steps and bins.

    Raises:
        ValueError: A kernel's extent is even.

    Shape:
        `(batch, in_channels, steps, bins)` to `(batch, out_channels, steps, bins)`; beyond the edges are zeros.

    Example:
        >>> import torch
        >>> DilatedResidualBlock2D(1, 8, dilation=(2, 9))(torch.randn(2, 1, 10, 36)).shape
        torch.Size([2, 8, 10, 36])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int] = (3, 3),
        dilation: tuple[int, int] = (1, 1),
    ):
        super().__init__()
        if not all(extent % 2 for extent in kernel_size):
            raise ValueError(f"got kernel_size={tuple(kernel_size)}; expected odd extents, which have a middle")
        padding = (dilation[0] * (kernel_size[0] // 2), dilation[1] * (kernel_size[1] // 2))
        # Batch normalization subtracts whatever a bias would add.
        self.dilated = nn.Conv2d(in_channels, out_channels, kernel_size, 1, padding, dilation, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dilated_norm = nn.BatchNorm2d(out_channels)
        self.pointwise_norm = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Run the block."""
        return F.relu(self.dilated_norm(self.dilated(hidden)) + self.pointwise_norm(self.pointwise(hidden)))


class TransposedResidualBlock2D(nn.Module):
    """Decoder twin of a `DilatedResidualBlock2D`: transposed convolutions with its weights, and norms of its own.

    Args:
        out_channels: Number of channels out, those that the block takes.
        rectify: Whether the block ends in a ReLU; without, its output takes any value.

    Shape:
        `(batch, channels of the block, steps, bins)` to `(batch, out_channels, steps, bins)`.

    Example:
        >>> import torch
        >>> block, twin = DilatedResidualBlock2D(1, 8), TransposedResidualBlock2D(1)
        >>> twin(block(torch.randn(2, 1, 10, 36)), block).shape
        torch.Size([2, 1, 10, 36])
    """

    def __init__(self, out_channels: int, rectify: bool = True):
        super().__init__()
        self.rectify = rectify
        self.dilated_norm = nn.BatchNorm2d(out_channels)
        self.pointwise_norm = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: Tensor, block: DilatedResidualBlock2D, uniform: bool = False) -> Tensor:
        """Run the twin of a block.

        Args:
            hidden: `(batch, channels of the block, steps, bins)`.
            block: Block whose weights are used.
            uniform: Whether `hidden` is one position, `(batch, channels, 1, 1)`, that stands for a map without edges
                which is the same everywhere; so is the output.

        Returns:
            `(batch, out_channels, steps, bins)`.
        """
        if uniform:
            dilated = F.conv_transpose2d(hidden, block.dilated.weight.sum((2, 3), keepdim=True))
        else:
            convolution = block.dilated
            padding = cast(tuple[int, int], convolution.padding)
            dilated = F.conv_transpose2d(hidden, convolution.weight, padding=padding, dilation=convolution.dilation)
        pointwise = F.conv_transpose2d(hidden, block.pointwise.weight)
        summed = self.dilated_norm(dilated) + self.pointwise_norm(pointwise)
        return F.relu(summed) if self.rectify else summed


class DilatedResidualStack2D(nn.Module):
    """Stack of dilated residual blocks that encodes; where asked for, it decodes too, through weights tied to them.

    Args:
        in_channels: Number of channels in.
        channels: Number of channels of each block.
        dilations: Dilation of each block in steps and bins; no blocks leave a map as it is.
        kernel_size: Extent of the kernels in steps and bins, both odd.
        decoder: Whether the stack has a decoder.
        rectify: Whether the decoder's output is rectified, as that of every other block is.

    Shape:
        `(batch, in_channels, steps, bins)` to `(batch, channels, steps, bins)`.

    Example:
        >>> import torch
        >>> stack = DilatedResidualStack2D(1, 8, dilations=((1, 1), (2, 3)), decoder=True)
        >>> hidden = stack(torch.randn(2, 1, 10, 36))
        >>> hidden.shape, stack.decode(hidden).shape
        (torch.Size([2, 8, 10, 36]), torch.Size([2, 1, 10, 36]))
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dilations: Sequence[tuple[int, int]],
        kernel_size: tuple[int, int] = (3, 3),
        decoder: bool = False,
        rectify: bool = True,
    ):
        super().__init__()
        widths = [in_channels, *(channels for _ in dilations)]
        self.blocks = nn.ModuleList(
            DilatedResidualBlock2D(width, channels, kernel_size, dilation)
            for width, dilation in zip(widths, dilations, strict=False)
        )
        self.twins = nn.ModuleList(
            TransposedResidualBlock2D(width, rectify or index > 0) for index, width in enumerate(widths[:-1])
        )
        if not decoder:
            self.twins = nn.ModuleList()

    def forward(self, hidden: Tensor) -> Tensor:
        """Run the blocks in turn."""
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def decode(self, hidden: Tensor, uniform: bool = False) -> Tensor:
        """Run the twins of the blocks, the last one's first.

        Args:
            hidden: `(batch, channels, steps, bins)`.
            uniform: Whether `hidden` is one position of a map that is the same everywhere, see
                `TransposedResidualBlock2D`.

        Returns:
            `(batch, in_channels, steps, bins)`.

        Raises:
            ValueError: The stack has no decoder.
        """
        if len(self.twins) < len(self.blocks):
            raise ValueError("the stack has no decoder; make it with decoder=True")
        for twin, block in zip(reversed(self.twins), reversed(self.blocks), strict=True):
            hidden = twin(hidden, block, uniform)
        return hidden
