"""`DynamicPositionBias` in transformers of torch's own, against our attention with equal weights."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

import latentstem
from latentstem import DynamicPositionBias, SelfAttention1D, biased_attention

EXAMPLE = Path(latentstem.__file__).parents[1] / "examples" / "position_bias_in_torch.py"
HEADS, WIDTH = 4, 32


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def bias(heads=HEADS):
    made = DynamicPositionBias(heads)
    nn.init.normal_(made.to_bias.weight)
    return made


@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_the_matrix_holds_the_table_by_signed_distance(example, length):
    position_bias = bias()
    table, matrix = position_bias(length), example["bias_matrix"](position_bias, length)
    for query in range(length):
        for key in range(length):
            assert torch.equal(matrix[:, query, key], table[:, key - query + length - 1])


@pytest.mark.parametrize("length", [1, 7, 64])
def test_as_the_mask_of_torchs_attention_it_is_our_attention(example, length):
    position_bias = bias()
    query, key, value = torch.randn(3, 2, HEADS, length, 8).unbind()
    with torch.no_grad():
        theirs = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=example["bias_matrix"](position_bias, length)
        )
        ours = biased_attention(query, key, value, position_bias(length))
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 64])
def test_an_encoder_layer_of_torch_attends_as_our_block_does(example, length):
    """The attention of `nn.TransformerEncoderLayer`, its feed-forward silenced, is `SelfAttention1D`."""
    position_bias = bias()
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 8, dropout=0.0, batch_first=True, norm_first=True)
    ours = SelfAttention1D(WIDTH, HEADS)
    attention = layer.self_attn
    with torch.no_grad():
        nn.init.zeros_(layer.linear2.weight)
        nn.init.zeros_(layer.linear2.bias)
        nn.init.zeros_(attention.in_proj_bias)
        for project, weight in zip((ours.to_q, ours.to_k, ours.to_v), attention.in_proj_weight.chunk(3), strict=True):
            project.weight.copy_(weight)
        ours.to_out.load_state_dict(attention.out_proj.state_dict())
        ours.norm.eps = layer.norm1.eps

    frames = torch.randn(3, length, WIDTH)
    mask = example["bias_matrix"](position_bias, length).repeat(3, 1, 1)
    theirs = layer(frames, src_mask=mask)
    block = ours(frames.transpose(1, 2), position_bias(length)).transpose(1, 2)
    torch.testing.assert_close(theirs, block, atol=1e-5, rtol=1e-5)
    if length > 1:
        assert not torch.allclose(layer(frames), theirs, atol=1e-3)


def test_the_example_runs_and_trains_the_bias(example):
    encoder = example["BiasedEncoder"](width=WIDTH, heads=HEADS, layers=2)
    encoder(torch.randn(2, 9, WIDTH)).square().sum().backward()
    assert encoder.position_bias.to_bias.weight.grad.abs().max() > 0
    example["main"]()
