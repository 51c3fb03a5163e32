"""Codes of references in the training of a denoiser: each track has its own, and the pipeline makes them too."""

import numpy as np
import pytest
import soundfile
import torch

from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StyleEncoder
from latentstem.data.stems.folder import StemFolder
from latentstem.training import style_condition
from latentstem.training.unet import UNetTraining, train

UNET = {
    "block_out_channels": (8, 16),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two tracks with references of other notes, a codec and a style encoder."""
    root = tmp_path_factory.mktemp("styles")
    time = np.arange(3 * 44100) / 44100
    for folder, note in (("songs", 1.0), ("references", 1.5)):
        for track, partials in (("a", 2), ("b", 9)):
            (root / folder / track).mkdir(parents=True)
            for stem, frequency in (("bass", 60.0), ("keys", 240.0)):
                tone = sum(np.sin(2 * np.pi * k * note * frequency * time) / k for k in range(1, partials))
                soundfile.write(root / folder / track / f"{stem}.wav", 0.2 * tone, 44100)
    torch.manual_seed(0)
    AutoencoderSpectral(
        latent_channels=4, channels=8, latent_hidden_channels=8, carriers=0, latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    ).save_pretrained(root / "autoencoder")  # fmt: skip
    StyleEncoder(latent_channels=4, channels=8, code_dim=3, layers=1).save_pretrained(root / "encoder")
    return root


def test_each_track_has_the_code_of_its_reference(folders, tmp_path):
    encoder: StyleEncoder = StyleEncoder.from_pretrained(folders / "encoder")
    codec = AutoencoderSpectral.from_pretrained(folders / "autoencoder")
    code_of = style_condition(encoder, [folders / "references"], "bass", codec, tmp_path)
    tracks = StemFolder(folders / "songs").tracks
    codes = [code_of(track, 7) for track in tracks]
    assert codes[0].shape == (3,) and not torch.allclose(*codes)
    own = style_condition(encoder, [folders / "songs"], "bass", codec, tmp_path)
    assert not torch.allclose(own(tracks[0], 7), codes[0])
    (tmp_path / "none" / "c").mkdir(parents=True)
    for stem in ("bass", "keys"):
        soundfile.write(tmp_path / "none" / "c" / f"{stem}.wav", np.ones(9000) / 4, 44100)
    with pytest.raises(ValueError, match="a has no reference"):
        style_condition(encoder, [tmp_path / "none"], "bass", codec, tmp_path / "cache")(tracks[0], 7)


def test_a_training_publishes_a_pipeline_that_takes_references(folders, tmp_path):
    settings = UNetTraining(
        folders / "songs", tmp_path, folders / "autoencoder", style_encoder=folders / "encoder",
        style_references=folders / "references", steps=2, validations=1, batch_frames=32, crop_frames=(8, 8),
        submixes=1, mixed_precision="no", model=UNET,
    )  # fmt: skip
    pipe = StemAccompanimentPipeline.from_pretrained(train(settings))
    assert pipe.unet.config["global_conditions"] == {"style": 3}
    expected = StyleEncoder.from_pretrained(folders / "encoder")
    for name, weight in expected.named_parameters():
        assert torch.equal(pipe.style_encoder.get_parameter(name), weight)
    assert pipe.encode_style_code(0.1 * torch.randn(1, 1, 30_000), None)["style"].shape == (1, 3)


def test_an_encoder_without_references_is_refused(folders, tmp_path):
    settings = UNetTraining(folders / "songs", tmp_path, folders / "autoencoder", style_encoder=folders / "encoder")
    with pytest.raises(ValueError, match="give style_references"):
        train(settings)
