import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.models.latent_scaling import denormalize_latents, normalize_latents


@given(st.integers(1, 6), st.integers(1, 9))
def test_normalized_latents_have_the_stated_statistics_and_come_back(channels, frames):
    mean, std = torch.randn(channels), torch.rand(channels) + 0.5
    config = {"latents_mean": mean.tolist(), "latents_std": std.tolist()}
    latents = torch.randn(2, channels, frames)
    scaled = latents * std[:, None] + mean[:, None]
    assert torch.allclose(normalize_latents(scaled, config), latents, atol=1e-5)
    assert torch.allclose(denormalize_latents(normalize_latents(scaled, config), config), scaled, atol=1e-5)


def test_an_autoencoder_without_statistics_counts_as_zero_and_one():
    latents = torch.randn(1, 3, 4)
    assert torch.equal(normalize_latents(latents, {}), latents)
    assert torch.equal(denormalize_latents(latents, {"latents_mean": None, "latents_std": None}), latents)
