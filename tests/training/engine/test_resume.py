"""A training that was killed ends where it would have ended anyway: weights and history, bit for bit."""

import itertools
import json
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from accelerate.state import AcceleratorState

from latentstem import AutoencoderSpectral
from latentstem.data.compose.composer import compose
from latentstem.training import autoencoder, contrastive, unet
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder_validation import RoundTripValidation
from latentstem.training.contrastive import ContrastiveTraining
from latentstem.training.engine import run as loop
from latentstem.training.engine.run import TrainingRun
from latentstem.training.unet import UNetTraining
from latentstem.training.unet_validation import UNetValidation

STEPS, VALIDATIONS, SAVE_EVERY, KILLED_AT = 12, 2, 4, 9
CODEC = {"latent_channels": 4, "channels": 8, "latent_hidden_channels": 8, "carriers": 16}
UNET = {
    "block_out_channels": (8, 8),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
    "dropout": 0.1,
}


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("stems"), np.random.default_rng(0)
    for track in ("one", "two", "three"):
        (root / track).mkdir()
        for stem in ("bass", "drums", "piano"):
            soundfile.write(root / track / f"{stem}.wav", 0.1 * rng.standard_normal(3 * 44100), 44100)
        (root / track / "song.json").write_text(json.dumps({"song": compose(seed=0, duration=3.0).to_dict()}))
    return root


@pytest.fixture(scope="module")
def pairs(stems, tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    for track in stems.iterdir():
        (root / track.name).mkdir()
        for stem in ("bass", "piano"):
            shutil.copy(track / f"{stem}.wav", root / track.name)
    return root


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codec")
    AutoencoderSpectral(**CODEC, latents_mean=[0.0] * 4, latents_std=[1.0] * 4).save_pretrained(folder)
    return folder


def settings_of(name, stems, pairs, codec, output):
    common = {
        "data": stems,
        "output": output,
        "validation": stems,
        "steps": STEPS,
        "save_minutes": (SAVE_EVERY - 0.5) / 60,
        "validations": VALIDATIONS,
        "mixed_precision": "no",
    }
    if name == "autoencoder":
        return autoencoder, AutoencoderTraining(
            **common,
            batch_size=2,
            crop_frames=4,
            window_lengths=(512,),
            adversarial_after=0.5,  # two steps before the last state
            timbre_pairs=pairs,
            model=CODEC,
        )
    if name == "unet":
        return unet, UNetTraining(
            **common, autoencoder=codec, batch_frames=32, crop_frames=(8, 16), submixes=2, model=UNET
        )
    return contrastive, ContrastiveTraining(
        **common,
        autoencoder=codec,
        batch_size=2,
        crop_frames=8,
        model={"channels": 16, "embedding_channels": 8, "layers": (1,)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["autoencoder", "unet", "reranker"])
def test_a_killed_training_ends_where_it_would_have_ended(name, stems, pairs, codec, tmp_path, monkeypatch):
    # Tracking pitch takes longer than all the rest, and tells no more of three tracks of three seconds.
    monkeypatch.setattr(autoencoder, "RoundTripValidation", partial(RoundTripValidation, tracks=2, seconds=0.5))
    monkeypatch.setattr(unet, "UNetValidation", partial(UNetValidation, songs=1))

    def run(output):
        AcceleratorState._reset_state(reset_partial_state=True)
        # A second a step: what a history says of them is the same as well.
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=itertools.count().__next__))
        module, settings = settings_of(name, stems, pairs, codec, output)
        return module.train(settings)

    whole = run(tmp_path / "whole")
    with monkeypatch.context() as killing:
        update = TrainingRun.update

        def killed(training, loss, *rest):
            if training.budget.step == KILLED_AT:
                raise InterruptedError
            update(training, loss, *rest)

        killing.setattr(TrainingRun, "update", killed)
        with pytest.raises(InterruptedError):
            run(tmp_path / "killed")
    resumed = run(tmp_path / "killed")

    histories = [(tmp_path / way / "history.jsonl").read_text() for way in ("whole", "killed")]
    steps = [json.loads(line)["step"] for line in histories[0].splitlines()]
    assert steps == [STEPS // 2, STEPS]
    assert histories[0] == histories[1]
    files = sorted(path.relative_to(whole) for path in whole.rglob("*.safetensors"))
    assert files
    for file in files:
        assert (whole / file).read_bytes() == (resumed / file).read_bytes(), file
