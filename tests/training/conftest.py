"""Accelerate keeps one state a process; every test here gets a fresh one, and small things around the nets."""

from functools import partial

import pytest
from accelerate.state import AcceleratorState

from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training import adversarial, autoencoder


@pytest.fixture(autouse=True)
def fresh_accelerator():
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module", autouse=True)
def small_surroundings():
    """A narrow adversary, and few crops for the statistics of the latents: the nets of the tests are tiny as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adversarial, "SpectralDiscriminator", partial(SpectralDiscriminator, channels=32))
        patch.setattr(autoencoder, "STATISTICS_CROPS", 8)
        yield
