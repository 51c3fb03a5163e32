"""Dynamic position bias: an MLP from signed distances to biases of attention logits (CrossFormer, ICLR 2022).

The bias added to the attention logit of query i and key j is `b_h(j - i)`, given for every head h by one MLP
(CrossFormer, Wang et al., ICLR 2022, section 3.3, there in two dimensions; the one-dimensional shape is that of
x-transformers). A function and not a table of learned entries, it serves lengths beyond those of training; the
logarithm of the distance keeps its input near the trained range there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class DynamicPositionBias(nn.Module):
    """Table of attention biases over the signed distances -(n-1)..(n-1), one row a head.

    `table[h, (j - i) + n - 1]` is the bias of query i and key j. The entry of a distance does not depend on the
    length, so the table of length n is the middle of the table of any greater length. The last layer starts at
    zero: at first attention does not depend on positions. The table is computed outside autocast, in the dtype of the
    weights; keep those in float32, because bfloat16 cannot tell the distances 63 and 64 apart.

    Args:
        num_heads: Number of attention heads, which is that of the table's rows.
        hidden_dim: Width of the MLP.
        depth: Number of hidden layers, at least 1.
        log_distance: Give the MLP `sign(r) * log(1 + |r|)` in place of the distance r.

    Shape:
        length (int) to `(num_heads, 2 * length - 1)`.

    Example:
        >>> bias = DynamicPositionBias(num_heads=4)
        >>> bias(16).shape
        torch.Size([4, 31])
        >>> torch.allclose(bias(16)[:, 8:-8], bias(8), atol=1e-6)  # the middle 15 of 31 distances
        True
    """

    def __init__(self, num_heads: int, hidden_dim: int = 64, depth: int = 2, log_distance: bool = True):
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is {depth}, expected at least one hidden layer")
        self.num_heads = num_heads
        self.log_distance = log_distance
        self.hidden = nn.ModuleList(nn.Linear(hidden_dim if i else 1, hidden_dim) for i in range(depth))
        self.to_bias = nn.Linear(hidden_dim, num_heads)
        nn.init.zeros_(self.to_bias.weight)
        nn.init.zeros_(self.to_bias.bias)
        self._cache: dict[tuple[int, torch.device], torch.Tensor] | None = None

    def forward(self, length: int, device: torch.device | None = None) -> torch.Tensor:
        """Return the table for sequences of a length.

        Args:
            length: Length of the sequences in frames.
            device: Device of the sequences; None is that of the weights. Offloaded weights are elsewhere until used.

        Returns:
            Biases `(num_heads, 2 * length - 1)`.

        Raises:
            ValueError: `length` is below 1.
        """
        if length < 1:
            raise ValueError(f"length is {length}, expected at least one frame")
        device = device or self.to_bias.weight.device
        # Compiled code would have to be compiled anew for each length and each table that it finds.
        if torch.compiler.is_compiling() or torch.is_grad_enabled() or self._cache is None:
            return self._table(length, device)
        key = (length, device)
        if key not in self._cache:
            self._cache[key] = self._table(length, device)
        return self._cache[key]

    def _table(self, length: int, device: torch.device) -> torch.Tensor:
        distance = torch.arange(1 - length, length, device=device, dtype=torch.float32)
        if self.log_distance:
            distance = distance.sign() * distance.abs().log1p()
        with torch.autocast(device.type, enabled=False):
            hidden = distance.to(self.to_bias.weight.dtype)[:, None]
            for layer in self.hidden:
                hidden = nn.functional.silu(layer(hidden))
            return self.to_bias(hidden).t().contiguous()  # (heads, 2n - 1), each row in one piece


@contextmanager
def reuse_position_tables(module: nn.Module) -> Iterator[None]:
    """Let every `DynamicPositionBias` under a module compute each length's table only once within the context.

    This serves the steps of one sampling call. Tables are reused only where gradients are off, and not by compiled
    code. They are dropped at the end, so weights may change freely between two calls but not within one.

    Args:
        module: Module that holds the biases, for instance a whole U-Net.

    Example:
        >>> bias = DynamicPositionBias(num_heads=4)
        >>> with torch.no_grad(), reuse_position_tables(bias):
        ...     bias(16) is bias(16)
        True
    """
    biases = [m for m in module.modules() if isinstance(m, DynamicPositionBias) and m._cache is None]
    for bias in biases:
        bias._cache = {}
    try:
        yield
    finally:
        for bias in biases:
            bias._cache = None
