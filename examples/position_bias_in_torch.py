"""`DynamicPositionBias` in torch's `nn.TransformerEncoder`: one bias for all layers, for any length.

python examples/position_bias_in_torch.py
"""

import torch
from torch import nn

from latentstem import DynamicPositionBias


def bias_matrix(position_bias: DynamicPositionBias, length: int) -> torch.Tensor:
    """Expand the bias to every query and key, `(heads, length, length)`, as a mask of torch's attention."""
    frame = torch.arange(length)
    return position_bias(length)[:, frame - frame[:, None] + length - 1]


class BiasedEncoder(nn.Module):
    """An `nn.TransformerEncoder` with positions by signed distance only."""

    def __init__(self, width: int, heads: int, layers: int):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.position_bias = DynamicPositionBias(heads)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Encode `(batch, length, width)`."""
        mask = bias_matrix(self.position_bias, frames.shape[1])
        return self.layers(frames, mask.repeat(len(frames), 1, 1))  # torch wants one mask an item and head


def main() -> None:
    encoder = BiasedEncoder(width=32, heads=4, layers=2)
    for length in (10, 200):
        print(encoder(torch.randn(1, length, 32)).shape)


if __name__ == "__main__":
    main()
