"""Notes as an auxiliary task: what is read in the middle of a net, what it is compared with, and what is published."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.corpus import read_annotation
from latentstem.data.stems.folder import StemFolder
from latentstem.models.codec import as_codec
from latentstem.training.song_conditions import annotated_notes
from latentstem.training.unet import UNetTraining, train
from latentstem.training.unet_notes import ADAMW, UNetWithNotes, denoiser_of

RATE = 44100 / 4096
UNET = {
    "block_out_channels": (8, 16),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


def settings(songs, autoencoder, output, **options):
    sizes = {"batch_frames": 256, "crop_frames": (16, 32), "submixes": 1, "ema_decay": 0.9, "mixed_precision": "no"}
    return UNetTraining(songs, output, autoencoder, model=UNET, **sizes | options)


def test_the_notes_are_those_of_the_song(songs, autoencoder):
    codec = as_codec(AutoencoderSpectral.from_pretrained(autoencoder))
    for track in StemFolder(songs).tracks:
        frames = 64
        notes = annotated_notes("bass", codec)(track, frames).numpy()
        written = read_annotation(songs / track.name).part("bass").notes
        times = (np.arange(100 * frames) + 0.5) / (100 * RATE)  # a hundred moments of each frame
        sounding = np.zeros((12, len(times)))
        for note in written:
            sounding[note.pitch % 12] += (note.start <= times) & (times < note.end)
        shares = sounding.reshape(12, frames, 100).mean(-1)
        np.testing.assert_allclose(notes[:12], shares, atol=0.03)
        np.testing.assert_allclose(notes[12], np.maximum(1 - shares.sum(0), 0), atol=0.05)
        onsets = {int(note.start * RATE) for note in written if note.start * RATE < frames}
        assert set(notes[13].nonzero()[0]) == onsets and onsets


@given(frames=st.integers(1, 70))
def test_the_loss_is_that_of_every_frame_of_the_lowest_resolution(frames):
    torch.manual_seed(frames)
    model = UNetWithNotes(StemUNet1DModel(latent_channels=4, **UNET))
    sample, mix = torch.randn(2, 2, 4, frames)
    (predicted,) = model(sample, 500, {"mix": mix}, return_dict=False)
    (expected,) = model.unet(sample, 500, {"mix": mix}, return_dict=False)
    assert torch.equal(predicted, expected)
    notes = torch.rand(2, 14, frames)
    notes[:, 13] = torch.rand(2, frames) < 0.3
    terms = []
    for item in range(2):
        for index in range(-(-frames // 2)):
            span, logits = notes[item, :, 2 * index : 2 * index + 2], model.logits[item, :, index]
            shares = span[:13].mean(1)
            pitch = -(shares / shares.sum() * logits[:13].log_softmax(0)).sum()
            onset = torch.nn.functional.logsigmoid(logits[13] if span[13].any() else -logits[13])
            terms.append(pitch - onset)
    torch.testing.assert_close(model.loss(notes), torch.stack(terms).mean(), atol=1e-5, rtol=1e-5)


def test_the_loss_teaches_the_net_up_to_its_middle():
    model = UNetWithNotes(StemUNet1DModel(latent_channels=4, **UNET))
    model(*torch.randn(1, 2, 4, 16), 500, return_dict=False)
    model.loss(torch.rand(2, 14, 16)).backward()
    taught = {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert {"head.weight", "unet.conv_in.taps.weight"} <= taught
    assert any(name.startswith("unet.mid_block") for name in taught)
    assert not any(name.startswith(("unet.up_blocks", "unet.conv_out")) for name in taught)
    assert all(any(name.startswith(own) for name, _ in model.named_parameters()) for own in ADAMW)


def test_a_training_learns_notes_and_publishes_the_denoiser_alone(songs, autoencoder, tmp_path):
    options = {"validation": songs, "validations": 2, "controls": ("chords",), "notes_weight": 0.5}
    folder = train(settings(songs, autoencoder, tmp_path / "run", steps=60, **options))
    first, last = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert last["notes"] < 0.9 * first["notes"] and np.isfinite(last["prediction_error"])
    pipe = StemAccompanimentPipeline.from_pretrained(folder)
    (weights,) = (folder / "unet").glob("*.safetensors")
    assert load_file(weights).keys() == pipe.unet.state_dict().keys()
    pipe.set_progress_bar_config(disable=True)
    assert pipe(0.1 * torch.randn(1, 20_000), sampling_rate=44100, num_inference_steps=2).audios.isfinite().all()


def test_a_training_with_notes_goes_on_where_it_was(songs, autoencoder, tmp_path):
    options = {"notes_weight": 0.5, "validations": 1, "latents": tmp_path / "latents"}
    whole = train(settings(songs, autoencoder, tmp_path / "whole", steps=6, **options))
    train(settings(songs, autoencoder, tmp_path / "parts", steps=3, **options))
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="holds the state of another net"):
        train(settings(songs, autoencoder, tmp_path / "parts", steps=6, **{**options, "notes_weight": 0.0}))
    parts = train(settings(songs, autoencoder, tmp_path / "parts", steps=6, **options))
    assert json.loads((tmp_path / "parts" / "history.jsonl").read_text().splitlines()[-1])["step"] == 6
    nets = [StemUNet1DModel.from_pretrained(folder / "unet") for folder in (whole, parts)]
    assert denoiser_of(nets[0]) is nets[0] and nets[0].state_dict().keys() == nets[1].state_dict().keys()


def test_without_annotations_there_are_no_notes_to_learn(songs, autoencoder, tmp_path):
    shutil.copytree(songs, tmp_path / "songs")
    for file in (tmp_path / "songs").rglob("song.json"):
        file.unlink()
    with pytest.raises(ValueError, match=r"has no song\.json"):
        train(settings(tmp_path / "songs", autoencoder, tmp_path / "run", steps=1, notes_weight=0.5))
