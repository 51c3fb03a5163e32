"""Timestep embeddings."""

import math

import pytest
import torch

from latentstem.nn import TimestepEmbedding, sinusoidal_embedding


def test_waves_are_the_formula():
    timestep, dim = torch.tensor([0, 3, 1023]), 8
    for row, t in zip(sinusoidal_embedding(timestep, dim), timestep.tolist(), strict=True):
        angles = [t * 10000.0 ** (-i / 4) for i in range(4)]
        expected = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
        torch.testing.assert_close(row, torch.tensor(expected), atol=1e-4, rtol=0)  # float32 angles up to 1023


def test_neighbouring_timesteps_differ():
    waves = sinusoidal_embedding(torch.arange(1024), 256)
    assert (waves.diff(dim=0).norm(dim=1) > 0.1).all()


def test_fractions_of_a_timestep_count():
    embed = TimestepEmbedding(16)
    assert not torch.equal(embed(torch.tensor([3.0])), embed(torch.tensor([3.5])))


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="embedding_dim is 7"):
        TimestepEmbedding(7)
