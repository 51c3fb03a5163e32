"""The autoencoder trains on songs that are rendered on the way, with no folder of stems."""

from functools import partial

import pytest

from latentstem import AutoencoderSpectral
from latentstem.data.streaming import BandStream
from latentstem.training import autoencoder
from latentstem.training.autoencoder import AutoencoderTraining, train


@pytest.mark.fluidsynth
@pytest.mark.parametrize("target", ["bass", "drums"])
def test_the_autoencoder_trains_on_a_stream(tmp_path, monkeypatch, target):
    monkeypatch.setattr(autoencoder, "BandStream", partial(BandStream, duration=2.0, soundfonts=("timgm6mb",), store=4))
    monkeypatch.setattr(autoencoder, "STATISTICS_CROPS", 8)
    tiny = {"latent_channels": 4, "channels": 8, "latent_hidden_channels": 8, "carriers": 16}
    settings = AutoencoderTraining(
        None,
        tmp_path,
        target=target,
        steps=2,
        batch_size=2,
        crop_frames=4,
        window_lengths=(512,),
        workers=0,
        model=tiny,
    )
    trained = AutoencoderSpectral.from_pretrained(train(settings))
    assert len(trained.config.latents_mean) == 4 and min(trained.config.latents_std) > 0
    assert not list(tmp_path.rglob("*.wav"))


@pytest.mark.fluidsynth
def test_a_part_that_no_band_has_is_named(tmp_path):
    with pytest.raises(ValueError, match="none of 100 songs has a part 'kazoo', expected one of bass, chords1"):
        train(AutoencoderTraining(None, tmp_path, target="kazoo", workers=0))
