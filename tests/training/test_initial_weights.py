"""A training of the autoencoder may add parts to published weights, and changes none of theirs."""

import json
from pathlib import Path

import pytest
import torch

from latentstem import AutoencoderSpectral
from latentstem.training.autoencoder import AutoencoderTraining, initial_model

SIZES = {"channels": 16, "latent_hidden_channels": 16, "latent_channels": 4, "carriers": 16}


@pytest.fixture
def published(tmp_path):
    torch.manual_seed(0)
    AutoencoderSpectral(**SIZES, latents_mean=[0.0] * 4, latents_std=[1.0] * 4).save_pretrained(tmp_path)
    return tmp_path


def settings(published, **model):
    return AutoencoderTraining(None, Path("unused"), init_from=published, model=model or None)


def test_added_noise_is_quiet_and_all_else_is_as_published(published):
    trained = AutoencoderSpectral.from_pretrained(published)
    model = initial_model(settings(published, noise_bands=8))
    assert model.config["noise_bands"] == 8 and model.config["latents_mean"] == [0.0] * 4 and model.training
    weights = model.state_dict()
    for name, weight in trained.state_dict().items():
        assert torch.equal(weights[name], weight)
    audio = 0.1 * torch.randn(1, 1, 8 * 4096)
    with torch.no_grad():
        latents = model.encode(audio).latents
        assert torch.equal(latents, trained.encode(audio).latents)
        change = model.decode(latents).sample - trained.decode(latents).sample
    assert 0 < change.square().mean().sqrt() < 0.005


def test_weights_that_are_older_than_a_part_may_be_given_it(published):
    config = published / "config.json"
    fields = json.loads(config.read_text())
    del fields["noise_bands"]
    config.write_text(json.dumps(fields))
    model = initial_model(settings(published, noise_bands=8))
    assert model.config["noise_bands"] == 8 and model.decoder_noise is not None


def test_added_levels_change_nothing_before_they_are_trained(published):
    trained = AutoencoderSpectral.from_pretrained(published)
    model = initial_model(settings(published, levels_per_octave=3, quiet_magnitudes=True))
    audio = 0.1 * torch.randn(1, 1, 8 * 4096)
    with torch.no_grad():
        assert torch.equal(model.encode(audio).latents, trained.encode(audio).latents)


def test_without_changes_the_published_net_is_continued(published):
    model = initial_model(settings(published))
    assert model.config["noise_bands"] == 0 and model.training


def test_more_oscillators_and_partials_play_what_fewer_did(tmp_path):
    torch.manual_seed(0)
    AutoencoderSpectral(**{**SIZES, "carriers": 384}).save_pretrained(tmp_path)
    before = AutoencoderSpectral.from_pretrained(tmp_path).decoder_carriers
    bank = initial_model(settings(tmp_path, carriers=540, carrier_partials=96)).decoder_carriers
    assert len(before.offsets) == 32 and len(bank.offsets) == 96
    hidden = torch.randn(2, 5, 16)
    with torch.no_grad():
        for module in (before, bank):
            module.noise.bias.fill_(-80.0)
        expected, tones = (module._amplitudes(hidden, module(hidden)[1]) for module in (before, bank))
        strengths = bank.partial(hidden).unflatten(-1, (2, 96))
    # The lowest oscillator that a new partial reaches is the 33rd of the lowest pitch.
    reached = bank.offsets[32]
    torch.testing.assert_close(tones[..., :reached], expected[..., :reached])
    assert (strengths[..., 32:].diff(dim=-1) < 0).all()
    with pytest.raises(ValueError, match=r"32 partials; expected .* at most 2"):
        initial_model(settings(tmp_path, carrier_partials=2))


def test_other_sizes_than_the_published_are_refused(published):
    with pytest.raises(ValueError, match=r"does not fit a model with .*channels.*: parts that it lacks can be added"):
        initial_model(settings(published, channels=32))
    with pytest.raises(ValueError, match="does not fit"):
        initial_model(settings(published, carriers=0))
