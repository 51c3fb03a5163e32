"""Dilated residual blocks against their plain definition, and decoders against the adjoint of the encoder."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from latentstem.nn import (
    DilatedResidualBlock2D,
    DilatedResidualStack2D,
    TransposedResidualBlock2D,
    covering_dilations,
)

kernels = st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5]))
dilations = st.tuples(st.integers(1, 3), st.integers(1, 4))


def stirred(module):
    """The module with norms that do something, in evaluation."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return module.eval()


def normed(values, norm):
    return (values - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


@given(st.integers(1, 300), st.integers(1, 6), st.sampled_from([2, 3, 5]))
def test_dilations_see_the_whole_length(length, layers, kernel_size):
    chosen = covering_dilations(length, layers, kernel_size)
    assert (len(chosen) == layers and chosen[0] == 1) or layers == 1
    assert list(chosen) == sorted(chosen)
    assert 1 + (kernel_size - 1) * sum(chosen) >= length


@given(st.integers(1, 120))
def test_dilations_leave_no_holes_where_they_need_none(length):
    """All sums of one offset a layer are all offsets, up to the farthest: five layers of kernel 3 reach 121."""
    chosen = covering_dilations(length, 5)
    offsets = {sum(signs) for signs in itertools.product(*((-dilation, 0, dilation) for dilation in chosen))}
    assert offsets == set(range(-sum(chosen), sum(chosen) + 1))


@pytest.mark.parametrize(("length", "layers", "kernel_size"), [(0, 5, 3), (10, 0, 3), (10, 5, 1)])
def test_what_cannot_be_covered_is_refused(length, layers, kernel_size):
    with pytest.raises(ValueError, match="expected at least"):
        covering_dilations(length, layers, kernel_size)


@settings(deadline=None, max_examples=12)
@given(kernels, dilations, st.integers(1, 6), st.integers(1, 7))
def test_a_block_is_its_formula_at_every_position(kernel, dilation, steps, bins):
    block, hidden = stirred(DilatedResidualBlock2D(2, 3, kernel, dilation)), torch.randn(2, 2, steps, bins)
    out = block(hidden)
    for step, bin_ in itertools.product(range(steps), range(bins)):
        dilated = torch.zeros(2, 3)
        for i, j in itertools.product(*map(range, kernel)):
            t, f = step + (i - kernel[0] // 2) * dilation[0], bin_ + (j - kernel[1] // 2) * dilation[1]
            if 0 <= t < steps and 0 <= f < bins:
                dilated += hidden[:, :, t, f] @ block.dilated.weight[:, :, i, j].T
        pointwise = hidden[:, :, step, bin_] @ block.pointwise.weight[:, :, 0, 0].T
        summed = normed(dilated, block.dilated_norm) + normed(pointwise, block.pointwise_norm)
        torch.testing.assert_close(out[:, :, step, bin_], summed.relu(), atol=1e-5, rtol=1e-5)


def test_the_two_paths_are_normalized_over_batch_steps_and_bins():
    block = DilatedResidualBlock2D(2, 3)
    block(5 * torch.randn(4, 2, 6, 7) + 2)
    seen = {}
    block.pointwise_norm.register_forward_hook(lambda layer, given, out: seen.update(out=out))
    block(5 * torch.randn(4, 2, 6, 7) + 2)
    torch.testing.assert_close(seen["out"].mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen["out"].std((0, 2, 3), correction=0), torch.ones(3), atol=1e-3, rtol=0)


@settings(deadline=None, max_examples=40)
@given(kernels, dilations, st.integers(1, 6), st.integers(1, 7), st.booleans())
def test_a_twin_is_the_adjoint_of_each_path_of_its_block(kernel, dilation, steps, bins, pointwise):
    """<conv(x), y> = <x, twin(y)>, with one path and norms that do nothing."""
    block, twin = DilatedResidualBlock2D(2, 3, kernel, dilation).eval(), TransposedResidualBlock2D(2, False).eval()
    kept, silent = (block.pointwise, block.dilated) if pointwise else (block.dilated, block.pointwise)
    nn.init.zeros_(silent.weight)
    x, y = torch.randn(2, 2, steps, bins), torch.randn(2, 3, steps, bins)
    torch.testing.assert_close((kept(x) * y).sum(), (x * twin(y, block)).sum(), atol=1e-3, rtol=1e-3)


def test_a_twin_normalizes_and_rectifies_as_a_block_does():
    block, twin = DilatedResidualBlock2D(2, 3), stirred(TransposedResidualBlock2D(2))
    y = torch.randn(2, 3, 4, 5)
    dilated = nn.functional.conv_transpose2d(y, block.dilated.weight, padding=1)
    pointwise = nn.functional.conv_transpose2d(y, block.pointwise.weight)
    moved = [values.movedim(1, -1) for values in (dilated, pointwise)]
    summed = normed(moved[0], twin.dilated_norm) + normed(moved[1], twin.pointwise_norm)
    torch.testing.assert_close(twin(y, block), summed.relu().movedim(-1, 1))
    twin.rectify = False
    torch.testing.assert_close(twin(y, block), summed.movedim(-1, 1))


def test_one_position_of_a_uniform_map_stands_for_its_middle():
    stack = stirred(DilatedResidualStack2D(2, 4, ((1, 1), (2, 3)), decoder=True))
    hidden = torch.randn(3, 4, 1, 1)
    whole = stack.decode(hidden.expand(-1, -1, 15, 21))
    torch.testing.assert_close(stack.decode(hidden, uniform=True)[..., 0, 0], whole[..., 7, 10])


def test_the_decoder_has_no_convolutions_of_its_own():
    stack = stirred(DilatedResidualStack2D(1, 4, ((1, 1), (1, 2)), decoder=True))
    assert [name for name, _ in stack.twins.named_parameters() if "norm" not in name] == []
    hidden = torch.randn(1, 4, 5, 6)
    before = stack.decode(hidden)
    with torch.no_grad():
        stack.blocks[1].dilated.weight.mul_(2)
    assert not torch.allclose(stack.decode(hidden), before)


@settings(deadline=None)
@given(st.integers(0, 3), st.booleans())
def test_only_the_last_output_of_a_decoder_may_be_negative(layers, rectify):
    stack = DilatedResidualStack2D(2, 4, ((1, 1),) * layers, decoder=True, rectify=rectify)
    decoded = stack.decode(torch.randn(4, 4 if layers else 2, 8, 8))
    assert decoded.shape == (4, 2, 8, 8) and bool((decoded < 0).any()) == (not rectify or layers == 0)


def test_kernels_have_three_steps_and_bins_and_stacks_no_decoder_unless_told_otherwise():
    point = torch.zeros(1, 1, 7, 7)
    point[..., 3, 3] = 1.0
    for block in (DilatedResidualBlock2D(1, 20), DilatedResidualStack2D(1, 20, ((1, 1),)).blocks[0]):
        stirred(block)
        moved = (block(point) != block(0 * point)).any(1)[0].nonzero().tolist()
        assert moved == [[step, bin_] for step in (2, 3, 4) for bin_ in (2, 3, 4)]
    assert not len(DilatedResidualStack2D(1, 2, ((1, 1),)).twins)
    assert not (DilatedResidualStack2D(1, 2, ((1, 1),), decoder=True).decode(torch.randn(2, 2, 5, 5)) < 0).any()


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match=r"kernel_size=\(3, 4\); expected odd"):
        DilatedResidualBlock2D(1, 1, kernel_size=(3, 4))
    with pytest.raises(ValueError, match="decoder=True"):
        DilatedResidualStack2D(1, 2, ((1, 1),)).decode(torch.zeros(1, 2, 3, 3))
