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


@pytest.mark.parametrize("shift", [1, 2])
def test_a_style_swap_decodes_each_item_with_the_mean_of_another(regrouping, shift):
    audio = torch.randn(4, 1, 30)
    (latents,) = regrouping.encode(audio, return_dict=False)
    (swapped,) = regrouping.encode(swap_style_means(regrouping, audio, shift).sample, return_dict=False)
    for item in range(4):
        own, other = latents[item], latents[item - shift]
        expected = own - own.mean(-1, keepdim=True) + other.mean(-1, keepdim=True)
        assert torch.allclose(swapped[item], expected, atol=1e-6)


def test_the_timbre_swap_loss_vanishes_where_pairs_differ_in_their_means_alone(regrouping):
    """There the swapped means turn each stem into its partner, and no other decoding does."""
    distance = MultiScaleSpectralDistance(44100, (64,))
    basses = torch.randn(3, 1, 120)
    instruments = torch.randn(3, 1, 3).repeat(1, 1, 40)
    pairs = torch.cat([basses, basses + instruments])
    assert float(timbre_swap_loss(regrouping, pairs, distance)) < 1e-4
    strangers = torch.cat([basses, (basses + instruments).roll(1, dims=0)])
    assert float(timbre_swap_loss(regrouping, strangers, distance)) > 0.5
    unchanged = SimpleNamespace(**vars(regrouping) | {"decode": lambda latents: regrouped(pairs)})
    assert float(timbre_swap_loss(unchanged, pairs, distance)) > 0.5


@pytest.mark.parametrize("decoder_only", [False, True])
def test_swapped_pitches_train_the_encoder_unless_it_is_frozen(decoder_only):
    torch.manual_seed(0)
    codec = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4, carriers=128)
    for name, parameter in codec.named_parameters():
        parameter.requires_grad_(not (decoder_only and name.startswith("encoder_")))
    swapped = swap_style_means(codec, 0.1 * torch.randn(2, 1, 8 * 4096))
    swapped.pitch.square().mean().backward()
    assert (codec.encoder_out.weight.grad is None) == decoder_only
    assert codec.decoder_carriers.pitch.weight.grad.abs().sum() > 0
