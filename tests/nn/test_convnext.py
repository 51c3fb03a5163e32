"""The ConvNeXt block against its plain definition."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn.convnext import ConvNeXtBlock1D


@given(st.integers(1, 12), st.sampled_from([1, 3, 7]))
def test_a_block_is_its_formula(frames, kernel_size):
    block, hidden = ConvNeXtBlock1D(6, kernel_size, expansion=3), torch.randn(2, frames, 6)
    mixed = hidden
    if kernel_size > 1:
        kernel = block.depthwise.weight[:, :, 0]
        mixed = torch.nn.functional.conv1d(hidden.mT, kernel, block.depthwise.bias, padding="same", groups=6).mT
    else:
        assert block.depthwise is None
    centred = mixed - mixed.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    expanded = normed @ block.expand.weight.T + block.expand.bias
    active = 0.5 * expanded * (1 + torch.erf(expanded / 2**0.5))
    expected = hidden + active @ block.contract.weight.T + block.contract.bias
    torch.testing.assert_close(block(hidden), expected, atol=1e-5, rtol=1e-5)
    assert block.expand.weight.shape == (18, 6)


def test_a_block_sees_seven_frames_unless_told_otherwise():
    block, hidden = ConvNeXtBlock1D(6), torch.randn(1, 15, 6)
    changed = hidden.clone()
    changed[:, 7] += 1
    moved = (block(changed) != block(hidden)).any(-1)[0]
    assert moved.nonzero().flatten().tolist() == [*range(4, 11)]
    assert block.expand.out_features == 24
