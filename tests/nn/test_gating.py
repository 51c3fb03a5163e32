"""Gated autoencoders are bilinear, and the products of factors are those of their definition."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from latentstem.nn import GatedAutoencoder


class LinearCoder(nn.Module):
    def __init__(self, matrix, decoding):
        super().__init__()
        self.matrix, self.decoding = matrix, decoding

    def forward(self, data):
        return data @ self.matrix

    def decode(self, hidden):
        return hidden @ self.decoding


def linear_gates(seed):
    generator = torch.Generator().manual_seed(seed)
    x_encoding, y_encoding = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    encoding, decoding = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    matrices = {"u": x_encoding, "v": y_encoding, "w": encoding, "s": decoding.T}
    gated = GatedAutoencoder(
        LinearCoder(x_encoding, None), LinearCoder(y_encoding, y_encoding.T), LinearCoder(encoding, decoding.T)
    )
    return gated, matrices, torch.randn(4, 5, generator=generator, dtype=torch.float64)


@given(st.integers(0, 2**32 - 1))
def test_relations_and_their_application_are_three_way_products(seed):
    gated, matrices, x = linear_gates(seed)
    y, relation = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    u, v, w, s = matrices.values()
    factors = gated.x_encoder(x)
    torch.testing.assert_close(gated.relate(factors, y), torch.einsum("bi,bj,if,jf,fk->bk", x, y, u, v, w))
    torch.testing.assert_close(
        gated.apply_relation(factors, relation), torch.einsum("bi,bk,if,kf,jf->bj", x, relation, u, s, v)
    )


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_with_the_other_held_the_output_is_linear_in_each(seed, scale):
    gated, _, x = linear_gates(seed)
    y, other, relation = torch.randn(4, 5), torch.randn(4, 5), torch.randn(4, 3)
    y, other, relation = y.double(), other.double(), relation.double()
    factors = gated.x_encoder(x)
    summed = gated.relate(factors, scale * y + other)
    torch.testing.assert_close(summed, scale * gated.relate(factors, y) + gated.relate(factors, other))
    summed = gated.apply_relation(gated.x_encoder(scale * x + other), relation)
    parts = scale * gated.apply_relation(factors, relation) + gated.apply_relation(gated.x_encoder(other), relation)
    torch.testing.assert_close(summed, parts)
