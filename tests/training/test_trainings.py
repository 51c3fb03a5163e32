"""The trainings end to end on tiny nets and synthetic stems: they learn, publish, and resume."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState

from latentstem import (
    AutoencoderSpectral,
    ContrastiveStemModel,
    StemAccompanimentPipeline,
    StemUNet1DModel,
    StyleSpace,
)
from latentstem.data.compose.composer import compose
from latentstem.data.stems.folder import StemFolder
from latentstem.training import latents
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder import train as train_autoencoder
from latentstem.training.contrastive import ContrastiveTraining
from latentstem.training.contrastive import train as train_reranker
from latentstem.training.engine import run as loop
from latentstem.training.latent_crops import LatentCrops
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.style_space import StyleFit, fit, sounding_mean
from latentstem.training.unet import UNetTraining
from latentstem.training.unet import train as train_unet
from latentstem.training.unet_validation import prediction_errors

AUTOENCODER = {"latent_channels": 8, "channels": 24, "latent_hidden_channels": 24, "carriers": 64}
QUICK = {"batch_size": 2, "crop_frames": 4, "window_lengths": (512,), "mixed_precision": "no", "workers": 0}
UNET = {
    "block_out_channels": (16, 24),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


@pytest.fixture(scope="module")
def stems(tmp_path_factory) -> Path:
    """Two tracks of five seconds: a low tone that follows a chord, and drums."""
    root = tmp_path_factory.mktemp("stems")
    rng = np.random.default_rng(0)
    time = np.arange(5 * 44100) / 44100
    for name, frequency in (("one", 55.0), ("two", 73.4)):
        (root / name).mkdir()
        sounds = {
            "bass": 0.2 * np.sin(2 * np.pi * frequency * time),
            "chords": 0.1 * sum(np.sin(2 * np.pi * frequency * k * time) for k in (4, 5, 6)),
            "drums": 0.1 * rng.standard_normal(len(time)) * (np.sin(2 * np.pi * 2 * time) > 0.9),
        }
        for stem, sound in sounds.items():
            soundfile.write(root / name / f"{stem}.wav", sound, 44100)
        (root / name / "song.json").write_text(json.dumps({"song": compose(seed=0, duration=5.0).to_dict()}))
    return root


@pytest.fixture(scope="module")
def autoencoder(stems, tmp_path_factory) -> Path:
    settings = AutoencoderTraining(
        stems,
        tmp_path_factory.mktemp("run"),
        validation=stems,
        steps=24,
        validations=1,
        batch_size=2,
        crop_frames=4,
        window_lengths=(512, 2048),
        learning_rate=3e-3,
        mixed_precision="no",
        workers=0,
        model=AUTOENCODER,
        adversarial_after=0.8,
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    folder = train_autoencoder(settings)
    losses = settings.output / "history.jsonl"
    assert json.loads(losses.read_text().splitlines()[-1])["step"] == 24
    return folder


def test_the_autoencoder_learns_and_publishes_statistics(stems, autoencoder):
    trained = AutoencoderSpectral.from_pretrained(autoencoder)
    assert len(trained.config.latents_mean) == 8 and min(trained.config.latents_std) > 0
    audio = StemFolder(stems).tracks[0].read("bass", 0, 8 * 4096)[None]
    torch.manual_seed(0)
    untrained = AutoencoderSpectral(**AUTOENCODER)
    with torch.no_grad():
        target = trained.log_magnitude(audio)
        before, after = (
            (model.decode(model.encode(audio).latents).log_magnitude - target).abs().mean()
            for model in (untrained, trained)
        )
    assert after < 0.7 * before


def test_the_autoencoder_trains_in_bfloat16(stems, tmp_path):
    # Accelerate makes the outputs of the net anew there, from their items.
    settings = AutoencoderTraining(stems, tmp_path, steps=1, **QUICK | {"mixed_precision": "bf16"}, model=AUTOENCODER)
    assert AutoencoderSpectral.from_pretrained(train_autoencoder(settings)).config.latent_channels == 8


def test_the_finished_training_does_not_train_again(stems, autoencoder):
    run = autoencoder.parent
    before = (autoencoder / "diffusion_pytorch_model.safetensors").read_bytes()
    train_autoencoder(AutoencoderTraining(stems, run, steps=24, **QUICK, model=AUTOENCODER, adversarial_after=0.8))
    assert (autoencoder / "diffusion_pytorch_model.safetensors").read_bytes() == before


def test_cached_latents_are_those_of_the_level_matched_stems(stems, autoencoder, tmp_path):
    model = AutoencoderSpectral.from_pretrained(autoencoder)
    first = cache_latents(stems, "bass", model, tmp_path, submixes=3, seed=0)
    again = cache_latents(stems, "bass", model, tmp_path, submixes=3, seed=0)
    assert [t.name for t in first] == ["one", "two"] and first[0].mixes.shape[0] == 3
    assert all(torch.equal(a.stem, b.stem) and torch.equal(a.mixes, b.mixes) for a, b in zip(first, again, strict=True))
    audio = StemFolder(stems).tracks[0].read("bass")
    audio = audio * 0.1 / audio.square().mean().sqrt()
    with torch.no_grad():
        latents = model.encode(audio[None]).latents[0]
    mean, std = (torch.tensor(values)[:, None] for values in (model.config.latents_mean, model.config.latents_std))
    restored = first[0].stem * std + mean
    assert (restored - latents).abs().max() < 2e-3 * latents.abs().max()  # stored in half precision


def test_workers_leave_the_latents_as_they_are(stems, autoencoder, tmp_path):
    model = AutoencoderSpectral.from_pretrained(autoencoder)
    few, many = (
        cache_latents(stems, "bass", model, tmp_path / str(workers), 3, seed=0, production=1.0, workers=workers)
        for workers in (0, 2)
    )
    for a, b in zip(few, many, strict=True):
        assert torch.equal(a.stem, b.stem)
        # Threads may divide sums otherwise in another process.
        torch.testing.assert_close(a.mixes, b.mixes, atol=5e-3, rtol=5e-3)


def test_minutes_of_the_unet_begin_when_the_songs_are_encoded(stems, autoencoder, tmp_path, monkeypatch):
    now = [0.0]

    def encode_for_an_hour(*arguments):
        now[0] += 3600
        return cache_latents(*arguments)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(latents, "cache_latents", encode_for_an_hour)
    settings = UNetTraining(
        stems,
        tmp_path,
        autoencoder,
        steps=3,
        minutes=1,
        validations=1,
        mixed_precision="no",
        batch_frames=64,
        crop_frames=(8, 16),
        model=UNET,
    )
    train_unet(settings)
    (record,) = map(json.loads, (tmp_path / "history.jsonl").read_text().splitlines())
    assert record["step"] == 3


def test_crops_come_from_one_song_and_one_of_its_submixes_at_one_moment():
    # The first channel of a frame holds track and sub-mix (0 for the stem), the second its position.
    def latents(name, frames):
        return torch.stack([torch.full((frames,), float(name)), torch.arange(float(frames))])

    sizes = [(50, 1), (23, 3), (90, 2)]
    tracks = [
        LatentTrack(
            str(index),
            stem=latents(10 * index, frames),
            frames={"mix": torch.stack([latents(10 * index + 1 + variant, frames) for variant in range(submixes)])},
        )
        for index, (frames, submixes) in enumerate(sizes)
    ]
    lengths, drawn, ends = set(), set(), {}
    for _, (stem, conditions) in zip(range(300), LatentCrops(tracks, 40, (5, 30), seed=1), strict=False):
        mix = conditions["mix"]
        assert torch.equal(stem[:, 1], mix[:, 1]) and torch.equal(
            stem[:, 1].diff(dim=-1), torch.ones_like(stem[:, 1, 1:])
        )
        assert torch.equal(stem[:, 0].diff(dim=-1), torch.zeros_like(stem[:, 0, 1:]))
        assert stem.shape[0] == 40 // stem.shape[2] and stem.shape == mix.shape
        lengths.add(stem.shape[2])
        for (name, first, last), other in zip(stem[:, :, [0, -1]].flatten(1)[:, [0, 2, 3]].tolist(), mix, strict=True):
            assert other[0].unique().numel() == 1
            index, submix = divmod(int(other[0, 0]), 10)
            assert name == 10 * index
            drawn.add((index, submix - 1))
            low, high = ends.get(index, (first, last))
            ends[index] = (min(low, first), max(high, last))
    assert lengths == set(range(5, 24))  # the shortest track has 23 frames
    assert drawn == {(index, variant) for index, (_, submixes) in enumerate(sizes) for variant in range(submixes)}
    assert ends == {index: (0, frames - 1) for index, (frames, _) in enumerate(sizes)}


def test_the_unet_trains_and_publishes_a_pipeline(stems, autoencoder, tmp_path):
    settings = UNetTraining(
        stems,
        tmp_path,
        autoencoder,
        validation=stems,
        steps=60,
        validations=1,
        batch_frames=64,
        crop_frames=(8, 16),
        submixes=2,
        learning_rate=3e-3,
        mixed_precision="no",
        model=UNET,
    )
    folder = train_unet(settings)
    pipe = StemAccompanimentPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    out = pipe(0.1 * torch.randn(1, 9000), sampling_rate=44100, num_inference_steps=2)
    assert out.audios.shape == (1, 1, 9000) and out.audios.isfinite().all()
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert records[-1]["step"] == 60 and 0 <= records[-1]["chord_share"] <= 1
    songs = cache_latents(stems, "bass", pipe.autoencoder, tmp_path / "latents" / "validation", submixes=1, seed=0)
    before, after = (
        prediction_errors(net.eval(), pipe.scheduler, songs, range(64, 1024, 128))["mix"].mean()
        for net in (StemUNet1DModel.from_config(pipe.unet.config), pipe.unet)
    )
    assert after < 0.9 * before
    assert {path.suffix for path in (tmp_path / "previews").iterdir()} == {".png", ".flac"}


def test_an_autoencoder_without_statistics_is_refused(stems, tmp_path):
    AutoencoderSpectral(**AUTOENCODER).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match="latents_mean"):
        train_unet(UNetTraining(stems, tmp_path / "run", tmp_path / "bare", steps=1))


def test_the_decoder_alone_can_go_on_training(stems, autoencoder, tmp_path):
    settings = AutoencoderTraining(stems, tmp_path, steps=4, **QUICK, init_from=autoencoder, decoder_only=True)
    before = AutoencoderSpectral.from_pretrained(autoencoder)
    after = AutoencoderSpectral.from_pretrained(train_autoencoder(settings))
    assert after.config.latents_mean == before.config.latents_mean
    for (name, old), new in zip(before.state_dict().items(), after.state_dict().values(), strict=True):
        assert torch.equal(old, new) == name.startswith("encoder_"), name


def test_timbre_pairs_join_the_training_late(stems, tmp_path):
    for track in ("one", "two"):
        (tmp_path / "pairs" / track).mkdir(parents=True)
        for name in ("bass", "chords"):
            shutil.copy(stems / track / f"{name}.wav", tmp_path / "pairs" / track)
    settings = AutoencoderTraining(
        stems,
        tmp_path,
        timbre_pairs=tmp_path / "pairs",
        timbre_swap_after=0.5,
        steps=4,
        validations=4,
        **QUICK,
        model=AUTOENCODER,
    )
    train_autoencoder(settings)
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert ["timbre_swap" in record for record in records] == [False, False, True, True]


def test_timbre_pairs_of_other_than_two_stems_are_refused(stems, tmp_path):
    with pytest.raises(ValueError, match=r"one holds bass, chords, drums, expected bass and one"):
        train_autoencoder(AutoencoderTraining(stems, tmp_path, timbre_pairs=stems, model=AUTOENCODER))


def test_batches_without_room_for_a_timbre_pair_are_refused(stems, tmp_path):
    settings = AutoencoderTraining(stems, tmp_path, timbre_pairs=stems, model=AUTOENCODER, batch_size=1)
    with pytest.raises(ValueError, match="leave 1 items of a batch for stems; expected at least 2"):
        train_autoencoder(settings)


def test_the_reranker_trains_on_the_latents_and_is_published(stems, autoencoder, tmp_path):
    settings = ContrastiveTraining(
        stems,
        tmp_path,
        autoencoder,
        validation=stems,
        steps=2,
        batch_size=2,
        crop_frames=2,
        submixes=1,
        mixed_precision="no",
        model={"channels": 16, "embedding_channels": 8, "layers": (1,)},
    )
    reranker = ContrastiveStemModel.from_pretrained(train_reranker(settings))
    assert reranker.config.channels == 16
    history = (tmp_path / "history.jsonl").read_text()
    assert "mean_diagonal" in history
    train_reranker(settings)
    assert (tmp_path / "history.jsonl").read_text() == history


def test_the_style_space_of_annotated_songs_goes_into_the_config(stems, autoencoder, tmp_path):
    songs, codec = tmp_path / "songs", tmp_path / "codec"
    shutil.copytree(autoencoder, codec)
    for index, soundfont in enumerate(("fluidr3", "fluidr3", "musescore", "musescore")):
        shutil.copytree(stems / ("one" if soundfont == "fluidr3" else "two"), songs / str(index))
        annotation = json.loads((songs / str(index) / "song.json").read_text())
        (songs / str(index) / "song.json").write_text(json.dumps({**annotation, "soundfont": soundfont}))
    fit(StyleFit(songs, codec))
    model = AutoencoderSpectral.from_pretrained(codec).eval()
    space = StyleSpace.from_config(model.config)
    assert space.readout.shape == (1, 8)  # one dimension tells two instruments apart
    one, two = (sounding_mean(model, StemFolder(stems).tracks[index].read("bass")) for index in (0, 1))
    assert torch.allclose(space.part(two - one), two - one, atol=0.05 * float((two - one).norm()))
    assert not list(codec.glob("*.partial"))
    for old, new in zip(AutoencoderSpectral.from_pretrained(autoencoder).parameters(), model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_silent_stem_has_no_style():
    assert sounding_mean(AutoencoderSpectral(**AUTOENCODER), torch.zeros(1, 8192)) is None
