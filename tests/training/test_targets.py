"""One net for several stems: it learns which of them it is told to generate."""

import json

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState

from latentstem import AutoencoderSpectral, CosineDDIMScheduler, StemAccompanimentPipeline
from latentstem.training.latent_crops import LatentCrops
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.targets import target_condition
from latentstem.training.unet import UNetTraining, train
from latentstem.training.unet_validation import HIGH_NOISE, prediction_errors

UNET = {
    "block_out_channels": (16,),
    "layers_per_block": (1,),
    "attention_levels": (False,),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}
TARGETS = {"bass": "bass", "chords": "chords1"}


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    root = tmp_path_factory.mktemp("stems")
    time = np.arange(2 * 44100) / 44100
    for name, frequency in (("one", 55.0), ("two", 73.4)):
        (root / name).mkdir()
        noise = np.random.default_rng(int(frequency)).normal(size=len(time))
        for stem, sound in (("bass", np.sin(2 * np.pi * frequency * time)), ("chords1", noise), ("drums", noise**3)):
            soundfile.write(root / name / f"{stem}.wav", 0.05 * sound, 44100)
    return root


def settings(stems, autoencoder, output, **options):
    sizes = {"batch_frames": 128, "crop_frames": (8, 16), "submixes": 1, "ema_decay": 0.9, "mixed_precision": "no"}
    return UNetTraining(stems, output, autoencoder, targets=TARGETS, model=UNET, **sizes | options)


@pytest.fixture(scope="module")
def trained(stems, autoencoder, tmp_path_factory):
    AcceleratorState._reset_state(reset_partial_state=True)
    output = tmp_path_factory.mktemp("run")
    # The mix lacks the stem, and so tells which it is: without it the condition alone does.
    return train(settings(stems, autoencoder, output, validation=stems, validations=1, steps=300, mix_dropout=1.0))


def test_a_net_tells_its_targets_apart(trained, stems, autoencoder):
    pipe = StemAccompanimentPipeline.from_pretrained(trained)
    assert pipe.config["targets"] == ["bass", "chords"] and pipe.config["target"] == "bass"
    codec = AutoencoderSpectral.from_pretrained(autoencoder)
    tracks = [
        cache_latents(stems, stem, codec, autoencoder / "latents", 0, 0, conditions=target_condition(name, TARGETS))
        for name, stem in TARGETS.items()
    ]
    in_turn = [track for pair in zip(*tracks, strict=True) for track in pair]
    errors = prediction_errors(pipe.unet, CosineDDIMScheduler(), in_turn, HIGH_NOISE, condition="target")
    assert errors["target"].mean() < 0.7 * errors["swapped"].mean()


def test_every_target_is_validated(trained):
    (record,) = [json.loads(line) for line in (trained.parent / "history.jsonl").read_text().splitlines()]
    errors = [record[f"{name}_prediction_error"] for name in TARGETS]
    assert record["prediction_error"] == pytest.approx(sum(errors) / 2, abs=1e-4)
    assert {preview.stem for preview in (trained.parent / "previews").glob("*bass*")}


def test_what_cannot_be_trained_is_refused(stems, autoencoder, tmp_path):
    with pytest.raises(ValueError, match="and target 'drums'; expected names of files by target, and one of the tar"):
        train(settings(stems, autoencoder, tmp_path, target="drums", steps=1))


def test_tracks_are_drawn_as_often_as_their_shares_say():
    tracks = [LatentTrack(str(value), torch.full((1, 20), float(value)), {}) for value in range(3)]
    crops = iter(LatentCrops(tracks, 4000, (4, 4), seed=0, shares=[1.0, 1.0, 2.0]))
    drawn = torch.cat([next(crops)[0][:, 0, 0] for _ in range(10)])
    shares = [(drawn == value).float().mean().item() for value in range(3)]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.02)
