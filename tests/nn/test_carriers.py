"""Carriers count absolute time exactly and are the transform of steady sinusoids."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn.carriers import TURN, CarrierBank
from latentstem.nn.convnext import ConvNeXtBlock1D


def carriers(count=256, hop_length=512):
    return CarrierBank(8, 44100, window_length=2048, hop_length=hop_length, count=count)


@given(st.integers(0, 10**7), st.integers(1, 30))
def test_a_piece_equals_its_place_in_the_whole(start, frames):
    module = carriers(16)
    hidden = torch.randn(1, frames + 5, 8)
    whole = module(hidden, start_frame=start)
    assert torch.allclose(module(hidden[:, 5:], start_frame=start + 5), whole[:, :, 5:], atol=1e-5)


@given(st.integers(0, 255))
def test_frequencies_are_those_of_a_grid_that_holds_concert_pitch(carrier):
    rate = 44100 / 512
    frequency = float(carriers().steps[carrier]) / TURN * rate
    assert abs(1200 * math.log2(frequency / (27.5 * 2 ** (carrier / 48)))) < 0.01
    midi = 69 + 12 * math.log2(frequency / 440)
    assert carrier % 4 or abs(midi - round(midi)) < 1e-4


@given(st.integers(0, 255), st.integers(0, 10**5))
def test_one_carrier_alone_is_the_transform_of_its_sinusoid(carrier, start):
    module = carriers()
    with torch.no_grad():
        module.amplitude.weight.zero_()
        module.amplitude.bias.fill_(-80.0)
        module.amplitude.bias[carrier] = 0.0
        real, imaginary = module(torch.zeros(1, 4, 8), start_frame=start).double()
    # Independently: the sinusoid in the time domain, its angle counted from the accumulator at the first frame.
    steps = int(module.steps[carrier])
    samples = np.arange(2048 + 3 * 512)
    angle = 2 * np.pi * ((start * steps % TURN) / TURN + steps / TURN / 512 * samples)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    for frame in range(4):
        piece = np.exp(1j * angle[frame * 512 : frame * 512 + 2048])
        expected = np.fft.fft(piece * window)[: real.shape[-1]] * 2 / 2048
        # The response is that of the unrounded frequency: a hundredth of a cent aside.
        assert np.abs((real + 1j * imaginary)[0, frame].numpy() - expected).max() < 1e-3


@given(st.integers(1, 20), st.sampled_from([1, 3, 5, 7]))
def test_a_block_keeps_its_shape_and_sees_its_kernel_only(frames, kernel_size):
    block = ConvNeXtBlock1D(6, kernel_size)
    hidden = torch.randn(2, frames, 6)
    changed = hidden.clone()
    changed[:, 0] += 1
    difference = (block(hidden) - block(changed)).abs().amax((0, 2))
    assert block(hidden).shape == hidden.shape
    assert difference[kernel_size // 2 + 1 :].sum() == 0
