"""A fresh state of Accelerate for every test here, and small things around the nets."""

from functools import partial

import pytest

from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training import adversarial, autoencoder


@pytest.fixture(autouse=True)
def every_training_is_the_first(fresh_accelerator):
    """No training of a test knows of those of the tests before."""


@pytest.fixture(scope="module", autouse=True)
def small_surroundings():
    """A narrow adversary, and few crops for the statistics of the latents: the nets of the tests are tiny as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adversarial, "SpectralDiscriminator", partial(SpectralDiscriminator, channels=32))
        patch.setattr(autoencoder, "STATISTICS_CROPS", 8)
        yield
