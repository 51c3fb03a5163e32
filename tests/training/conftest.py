"""A fresh state of Accelerate for every test here, and small things around the nets."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from latentstem import AutoencoderSpectral
from latentstem.data.compose.composer import compose
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


@pytest.fixture(scope="session")
def songs(tmp_path_factory) -> Path:
    """Two annotated songs, whose bass files are tones that grow louder."""
    root = tmp_path_factory.mktemp("songs")
    time = np.arange(int(6.0 * 44100)) / 44100
    for seed in (0, 1):
        (root / f"song {seed}").mkdir()
        for stem, frequency in (("bass", 55.0), ("chords1", 220.0)):
            sound = 0.02 * 1.5**time * np.sin(2 * np.pi * frequency * time)
            soundfile.write(root / f"song {seed}" / f"{stem}.wav", sound, 44100)
        annotation = {"song": compose(seed, 6.0).to_dict()}
        (root / f"song {seed}" / "song.json").write_text(json.dumps(annotation))
    return root
