"""The position bias is a function of the signed distance alone, whatever the length."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn import DynamicPositionBias, reuse_position_tables


def trained_bias(**kwargs) -> DynamicPositionBias:
    torch.manual_seed(1)
    bias = DynamicPositionBias(num_heads=3, **kwargs)
    torch.nn.init.normal_(bias.to_bias.weight)
    torch.nn.init.normal_(bias.to_bias.bias)
    return bias


@given(length=st.integers(1, 40), more=st.integers(0, 300), log_distance=st.booleans())
def test_a_shorter_table_is_the_middle_of_a_longer_one(length, more, log_distance):
    bias = trained_bias(log_distance=log_distance)
    middle = bias(length + more)[:, more : more + 2 * length - 1]
    # Matrix products over more rows may round in another order; raw distances of 300 make larger values.
    torch.testing.assert_close(middle, bias(length), atol=1e-6 if log_distance else 1e-4, rtol=1e-5)


@pytest.mark.parametrize("log_distance", [True, False])
def test_entries_are_the_mlp_of_each_distance(log_distance):
    bias = trained_bias(hidden_dim=5, depth=3, log_distance=log_distance)
    layers = [(layer.weight.tolist(), layer.bias.tolist()) for layer in [*bias.hidden, bias.to_bias]]
    table = bias(6)
    for column, distance in enumerate(range(-5, 6)):
        x = math.copysign(math.log(1 + abs(distance)), distance) if log_distance else float(distance)
        values = [x]
        for index, (weight, offset) in enumerate(layers):
            if index:
                values = [v / (1 + math.exp(-v)) for v in values]
            values = [
                sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(weight, offset, strict=True)
            ]
        torch.testing.assert_close(table[:, column], torch.tensor(values), atol=1e-5, rtol=1e-5)


def test_positions_are_invisible_before_training_and_told_apart_after():
    assert DynamicPositionBias(num_heads=2)(50).count_nonzero() == 0
    table = trained_bias()(200)
    assert (table.diff(dim=1).abs().amax(dim=0) > 0).all(), "two neighbouring distances share a bias"
    assert not torch.allclose(table, table.flip(1)), "the sign of the distance is lost"


def test_the_usual_net_has_two_hidden_layers_of_64_and_is_given_logarithms():
    bias = DynamicPositionBias(num_heads=2)
    assert [tuple(layer.weight.shape) for layer in bias.hidden] == [(64, 1), (64, 64)]
    torch.nn.init.normal_(bias.to_bias.weight)
    logarithmic = DynamicPositionBias(2, log_distance=True)
    logarithmic.load_state_dict(bias.state_dict())
    assert torch.equal(bias(9), logarithmic(9))
    assert DynamicPositionBias(2, depth=1)(1).shape == (2, 1)


def test_autocast_changes_nothing():
    bias = trained_bias()
    plain = bias(33)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(bias(33), plain)


def test_tables_are_reused_within_the_context_only():
    bias = trained_bias()
    net = torch.nn.Sequential(torch.nn.Identity(), bias)
    with torch.no_grad(), reuse_position_tables(net):
        first = bias(9)
        assert bias(9) is first
        assert bias(10).shape == (3, 19)
        with reuse_position_tables(bias):
            assert bias(9) is first
        assert bias(9) is first, "an inner context must not drop the outer one's tables"
        with torch.enable_grad():
            assert bias(9).requires_grad, "training inside the context needs a fresh table"
    bias.to_bias.bias.data += 1.0  # as an averaged copy of the weights is swapped in
    with torch.no_grad(), reuse_position_tables(bias):
        torch.testing.assert_close(bias(9), first + 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DynamicPositionBias(2)(0), "length is 0"),
        (lambda: DynamicPositionBias(2, depth=0), "depth is 0"),
    ],
)
def test_errors_name_what_was_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()
