"""Style swaps: decoded latents with the means of others, and the loss on timbre pairs."""

from types import SimpleNamespace

import pytest
import torch

from latentstem import AutoencoderSpectral
from latentstem.losses import MultiScaleSpectralDistance
from latentstem.training.style_swap import swap_style_means, timbre_swap_loss


@pytest.fixture
def regrouping():
    """A codec that only regroups samples: it decodes exactly what it is given."""
    return SimpleNamespace(
        encode=lambda audio, return_dict: (audio.reshape(len(audio), -1, 3).transpose(1, 2),),
        decode=lambda latents: regrouped(latents.transpose(1, 2).reshape(len(latents), 1, -1)),
        log_magnitude=torch.abs,
    )


def regrouped(audio):
    return SimpleNamespace(sample=audio, log_magnitude=audio.abs())


def test_a_style_swap_keeps_what_changes_and_takes_the_mean(regrouping):
    latents, others = torch.randn(2, 4, 3, 10)
    (swapped,) = regrouping.encode(swap_style_means(regrouping, latents, others).sample, return_dict=False)
    expected = latents - latents.mean(-1, keepdim=True) + others.mean(-1, keepdim=True)
    assert torch.allclose(swapped, expected, atol=1e-6)


def test_the_timbre_swap_loss_vanishes_where_pairs_differ_in_their_means_alone(regrouping):
    """There the swapped means turn each stem into its partner, and no other decoding does."""
    distance = MultiScaleSpectralDistance(44100, (64,))
    basses = torch.randn(3, 1, 120)
    partners = basses + torch.randn(3, 1, 3).repeat(1, 1, 40)

    def loss(codec, audio, partners):
        (own,), (others,) = (codec.encode(sounds, return_dict=False) for sounds in (audio, partners))
        return float(timbre_swap_loss(codec, own, others, partners, distance))

    assert loss(regrouping, basses, partners) < 1e-4
    assert loss(regrouping, basses, partners.roll(1, dims=0)) > 0.5
    unchanged = SimpleNamespace(**vars(regrouping) | {"decode": lambda latents: regrouped(basses)})
    assert loss(unchanged, basses, partners) > 0.5


@pytest.mark.parametrize("decoder_only", [False, True])
def test_swapped_pitches_train_the_encoder_unless_it_is_frozen(decoder_only):
    torch.manual_seed(0)
    codec = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4, carriers=128)
    for name, parameter in codec.named_parameters():
        parameter.requires_grad_(not (decoder_only and name.startswith("encoder_")))
    latents = codec.encode(0.1 * torch.randn(2, 1, 8 * 4096)).latents
    swapped = swap_style_means(codec, latents, latents.roll(1, dims=0))
    swapped.pitch.square().mean().backward()
    assert (codec.encoder_out.weight.grad is None) == decoder_only
    assert codec.decoder_carriers.pitch.weight.grad.abs().sum() > 0
