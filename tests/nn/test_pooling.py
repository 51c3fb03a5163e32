"""Attentive pooling against the loop over frames that it stands for."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn import AttentiveStatisticsPooling


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@torch.no_grad()
def test_pooled_are_the_weighted_mean_and_deviation_of_the_frames_that_count(frames, seed):
    generator = torch.Generator().manual_seed(seed)
    pooling = AttentiveStatisticsPooling(4)
    sequence, mask = torch.randn(2, 4, frames, generator=generator), torch.rand(2, frames, generator=generator) < 0.6
    for given_mask in (mask, None):
        pooled = pooling(sequence, given_mask)
        for item in range(2):
            kept = sequence[item]
            if given_mask is not None and mask[item].any():
                kept = kept[:, mask[item]]
            weights = [math.exp(float(pooling.score(frame[None, :, None]))) for frame in kept.T]
            mean = sum(weight * frame for weight, frame in zip(weights, kept.T, strict=True)) / sum(weights)
            squares = (weight * (frame - mean) ** 2 for weight, frame in zip(weights, kept.T, strict=True))
            deviation = (sum(squares) / sum(weights)).sqrt()
            torch.testing.assert_close(pooled[item, :4], mean, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(pooled[item, 4:], deviation, atol=5e-3, rtol=1e-3)


def test_one_frame_has_a_gradient():
    sequence = torch.randn(1, 4, 1, requires_grad=True)
    AttentiveStatisticsPooling(4)(sequence).sum().backward()
    assert sequence.grad.isfinite().all()
