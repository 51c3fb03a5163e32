"""Self-attention over time in which positions enter only as a Toeplitz bias of the logits.

`softmax(Q K^T / sqrt(d) + B) V` with `B[h, i, j] = table[h, (j - i) + n - 1]` (CrossFormer, Wang et al., ICLR 2022,
equation of section 3.3), where the n-by-n matrix B is never stored when sampling.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from einops import rearrange
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from latentstem.nn.resnet import ChannelNorm

DENSE_FRAMES = 1024
"""Frames up to which a CUDA device is given the bias as a dense matrix: that takes megabytes, while a kernel that reads
the table has to be compiled first, which takes longer than the sampling."""


def biased_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, table: torch.Tensor | None = None
) -> torch.Tensor:
    """Attend with a bias that depends on the signed distance alone, given as a table of 2n-1 values a head.

    Three implementations give the same result. Where gradients are needed, or on CUDA for up to `DENSE_FRAMES` frames,
    the bias is a dense matrix `(heads, n, n)`: such sequences are short. On the CPU, without gradients, the queries are
    taken in reverse order: then the bias is a Hankel matrix, `table[i + j]`, which is a view of the table with row and
    column stride 1 and serves as a mask without a copy. Compiled flex attention, for longer sequences on CUDA, reads
    the table inside its kernel.

    Args:
        query: Queries, `(batch, heads, n, head_dim)`.
        key: Keys, `(batch, heads, n, head_dim)`.
        value: Values, `(batch, heads, n, head_dim)`.
        table: Biases as `DynamicPositionBias` returns them: `table[h, (j - i) + n - 1]` is added to the logit of query
            i and key j. None adds nothing.

    Returns:
        Attended values, shaped like `value`, in its dtype.

    Shape:
        query, key, value `(batch, heads, n, head_dim)`; table `(heads, 2n - 1)`.

    Raises:
        ValueError: The table does not fit the heads and the length.

    Example:
        >>> query, key, value = torch.randn(3, 2, 4, 10, 8).unbind()
        >>> table = torch.full((4, 19), -100.0)
        >>> table[:, 9] = 0.0  # only the distance 0: every frame attends to itself alone
        >>> torch.allclose(biased_attention(query, key, value, table), value, atol=1e-6)
        True
    """
    if table is None:
        return scaled_dot_product_attention(query, key, value)
    heads, length = query.shape[1], query.shape[2]
    if key.shape[2] != length or table.shape != (heads, 2 * length - 1):
        raise ValueError(
            f"got {length} queries, {key.shape[2]} keys and a table of shape {tuple(table.shape)}; expected as "
            f"many queries as keys and a table of shape {(heads, 2 * length - 1)}, "
            f"DynamicPositionBias(num_heads={heads})({length})"
        )
    # Under autocast the mask would be cast, and a cast of the view writes the whole matrix: cast the table instead.
    table = table.to(query.dtype)
    with torch.autocast(query.device.type, enabled=False):
        on_cuda = query.device.type == "cuda"
        needs_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in (query, key, value, table))
        if needs_gradient or (on_cuda and length <= DENSE_FRAMES):
            return scaled_dot_product_attention(query, key, value, attn_mask=_hankel(table).flip(-2)[None])
        if on_cuda:
            return _compiled_flex_attention()(query, key, value, score_mod=_add_table(table))
        reversed_query = query.flip(-2)
        return scaled_dot_product_attention(reversed_query, key, value, attn_mask=_hankel(table)[None]).flip(-2)


def _hankel(table: torch.Tensor) -> torch.Tensor:
    """Return the view `(heads, n, n)` of the table, [h, i, j] = table[h, i + j]: the bias of query n-1-i and key j."""
    heads, distances = table.shape
    length = (distances + 1) // 2
    # Not unfold, which torch.compile knows for one length only.
    return table.contiguous().as_strided((heads, length, length), (distances, 1, 1))


def _add_table(table: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Make flex attention's score_mod of the table."""
    centre = table.shape[-1] // 2

    def score_mod(score, batch, head, query_index, key_index):
        return score + table[head, key_index - query_index + centre]

    return score_mod


@cache
def _compiled_flex_attention() -> Callable[..., torch.Tensor]:
    # Imported here: compiling machinery costs seconds, and only CUDA needs it.
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


class SelfAttention1D(nn.Module):
    """Residual multi-head self-attention over the frames of a sequence, normalized frame by frame beforehand.

    `hidden + to_out(biased_attention(...))`; `to_out` starts at zero, so that the block starts as the identity.

    Args:
        channels: Number of channels in and out, a multiple of `num_heads`.
        num_heads: Number of attention heads.
        log_n_scaling: Multiply the logits by `log(n) / log(train_length)`, floored at 1. Softmax over many more
            frames than in training is diluted; this keeps its entropy (Su 2021; Chiang and Cholak, ACL 2022).
        train_length: Number of frames of a training sequence at this resolution, from which the scaling acts.

    Shape:
        hidden_states `(batch, channels, n)`, table `(num_heads, 2n - 1)` or None, to `(batch, channels, n)`.

    Example:
        >>> attention = SelfAttention1D(channels=32, num_heads=4)
        >>> attention(torch.randn(2, 32, 10)).shape
        torch.Size([2, 32, 10])
    """

    def __init__(self, channels: int, num_heads: int, log_n_scaling: bool = False, train_length: int = 128):
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"got {channels} channels for {num_heads} heads, expected a multiple of the heads")
        if train_length < 2:
            raise ValueError(f"train_length is {train_length}, expected at least 2 frames")
        self.num_heads = num_heads
        self.log_n_scaling = log_n_scaling
        self.train_length = train_length
        self.norm = ChannelNorm(channels)
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, hidden_states: torch.Tensor, table: torch.Tensor | None = None) -> torch.Tensor:
        """Attend over the frames.

        Args:
            hidden_states: `(batch, channels, n)`.
            table: Position bias `(num_heads, 2n - 1)`, see `biased_attention`; None for none.

        Returns:
            `(batch, channels, n)`.
        """
        frames = self.norm(hidden_states).transpose(1, 2)
        query, key, value = (
            rearrange(project(frames), "b n (h d) -> b h n d", h=self.num_heads)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        if self.log_n_scaling:
            query = query * max(1.0, math.log(frames.shape[1]) / math.log(self.train_length))
        attended = rearrange(biased_attention(query, key, value, table), "b h n d -> b n (h d)")
        return hidden_states + self.to_out(attended).transpose(1, 2)
