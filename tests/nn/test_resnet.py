"""Residual blocks and changes of resolution: local in time, true to length, equal to their plain definitions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn import ChannelNorm, Downsample1D, FrameConv1d, ResnetBlock1D, Upsample1D


def awake(module):
    """The module with its zero-initialised parameters set to something."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def test_channel_norm_is_the_formula_frame_by_frame():
    norm, hidden = awake(ChannelNorm(6)), 5 * torch.randn(2, 6, 7) + 2
    for item in range(2):
        for frame in range(7):
            x = hidden[item, :, frame]
            expected = (x - x.mean()) / (x.var(unbiased=False) + norm.eps).sqrt() * norm.weight + norm.bias
            torch.testing.assert_close(norm(hidden)[item, :, frame], expected)


@given(frames=st.integers(1, 12), channels=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_frame_conv_is_a_convolution(frames, channels):
    conv, hidden = FrameConv1d(*channels), torch.randn(2, channels[0], frames)
    kernel = conv.taps.weight.reshape(channels[1], 3, channels[0]).transpose(1, 2)
    expected = torch.nn.functional.conv1d(hidden, kernel, conv.taps.bias, padding=1)
    torch.testing.assert_close(conv(hidden), expected, atol=1e-5, rtol=1e-5)


def test_resnet_block_sees_two_frames_to_either_side_and_no_further():
    block, hidden, embedding = awake(ResnetBlock1D(8, 4)), torch.randn(1, 8, 15), torch.randn(1, 4)
    changed = hidden.clone()
    changed[..., 7] += 100.0
    moved = (block(changed, embedding) != block(hidden, embedding)).any(dim=1)[0]
    assert moved.nonzero().flatten().tolist() == [5, 6, 7, 8, 9]


def test_resnet_block_starts_as_the_identity_and_listens_to_the_embedding_later():
    block, hidden = ResnetBlock1D(8, 4), torch.randn(3, 8, 5)
    assert torch.equal(block(hidden, torch.randn(3, 4)), hidden)
    awake(block)
    embedding = torch.randn(3, 4)
    moved = block(hidden, embedding + torch.tensor([0.0, 1.0, 0.0])[:, None]) != block(hidden, embedding)
    assert moved.any(dim=2).any(dim=1).tolist() == [False, True, False]


def test_dropout_acts_in_training_only():
    block, hidden, embedding = awake(ResnetBlock1D(8, 4, dropout=0.5)), torch.randn(1, 8, 5), torch.randn(1, 4)
    assert not torch.equal(block(hidden, embedding), block(hidden, embedding))
    block.eval()
    assert torch.equal(block(hidden, embedding), block(hidden, embedding))


def test_a_block_of_no_settings_drops_nothing_and_takes_no_control():
    block, hidden, embedding = awake(ResnetBlock1D(8, 4)), torch.randn(1, 8, 5), torch.randn(1, 4)
    assert torch.equal(block(hidden, embedding), block(hidden, embedding))
    assert block.control_to_scale_shift is None
    assert torch.equal(block(hidden, embedding, torch.randn(1, 3, 5)), block(hidden, embedding))


def test_a_block_is_its_formula_with_a_control_and_without():
    block, hidden, embedding = awake(ResnetBlock1D(6, 4, control_channels=3)), torch.randn(2, 6, 5), torch.randn(2, 4)
    for control in (None, torch.randn(2, 3, 5)):
        scale_shift = block.to_scale_shift(embedding * embedding.sigmoid())[..., None].expand(-1, -1, 5)
        if control is not None:
            scale_shift = scale_shift + torch.einsum("oc,bct->bot", block.control_to_scale_shift.weight, control)
            scale_shift = scale_shift + block.control_to_scale_shift.bias[:, None]
        normed = block.norm1(hidden)
        change = block.norm2(block.conv1(normed * normed.sigmoid()))
        change = change * (1 + scale_shift[:, :6]) + scale_shift[:, 6:]
        expected = hidden + block.conv2(change * change.sigmoid())
        torch.testing.assert_close(block(hidden, embedding, control), expected, atol=1e-5, rtol=1e-5)


def test_a_control_counts_only_after_training():
    block = ResnetBlock1D(6, 4, control_channels=3)
    torch.nn.init.normal_(block.conv2.taps.weight)
    hidden, embedding = torch.randn(2, 6, 5), torch.randn(2, 4)
    assert torch.equal(block(hidden, embedding, torch.randn(2, 3, 5)), block(hidden, embedding))


def test_soft_frames_are_normalized_as_loud_ones():
    hidden = torch.randn(2, 6, 7)
    torch.testing.assert_close(ChannelNorm(6)(0.1 * hidden), ChannelNorm(6)(hidden), atol=1e-2, rtol=1e-2)
    assert ChannelNorm(6)(torch.ones(1, 6, 2)).isfinite().all()


@given(frames=st.integers(1, 20))
def test_downsampling_maps_pairs_and_the_odd_tail_with_itself(frames):
    down, hidden = Downsample1D(3, 4), torch.randn(2, 3, frames)
    out = down(hidden)
    assert out.shape == (2, 4, -(-frames // 2))
    for k in range(out.shape[-1]):
        pair = torch.cat([hidden[..., 2 * k], hidden[..., min(2 * k + 1, frames - 1)]], dim=1)
        torch.testing.assert_close(out[..., k], down.merge(pair))


@given(length=st.integers(1, 20))
def test_upsampling_splits_each_frame_and_returns_to_the_length(length):
    up, hidden = Upsample1D(4, 3), torch.randn(2, 4, (length + 1) // 2)
    out = up(hidden, length)
    assert out.shape == (2, 3, length)
    for frame in range(length):
        half = up.split(hidden[..., frame // 2])[:, 3 * (frame % 2) : 3 * (frame % 2) + 3]
        torch.testing.assert_close(out[..., frame], half)


def test_upsampling_to_a_foreign_length_is_refused():
    with pytest.raises(ValueError, match=r"got 5 frames to double to 12, expected ceil\(12 / 2\) = 6"):
        Upsample1D(4, 3)(torch.randn(1, 4, 5), 12)
