"""A fresh state of Accelerate for every test here, and small things around the nets."""

from functools import partial

import pytest
import torch

from latentstem import AutoencoderSpectral
from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training import adversarial
from latentstem.training import autoencoder as autoencoder_training


@pytest.fixture(autouse=True)
def every_training_is_the_first(fresh_accelerator):
    """No training of a test knows of those of the tests before."""


@pytest.fixture(scope="module", autouse=True)
def small_surroundings():
    """A narrow adversary, and few crops for the statistics of the latents: the nets of the tests are tiny as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adversarial, "SpectralDiscriminator", partial(SpectralDiscriminator, channels=32))
        patch.setattr(autoencoder_training, "STATISTICS_CROPS", 8)
        yield


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """Folder of a small autoencoder with random weights, published with statistics."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("autoencoder")
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    codec = AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=0, **statistics)
    codec.save_pretrained(folder)
    return folder
