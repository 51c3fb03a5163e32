"""The trainings in stereo, at other rates and with codecs of others: they start, train and publish what plays."""

import json

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderOobleck
from transformers import EncodecConfig, EncodecModel

from latentstem import AutoencoderSpectral, EncodecCodec, StemAccompanimentPipeline, resample
from latentstem.audio import reference_gain
from latentstem.data.compose.composer import compose
from latentstem.evaluation.pipeline import evaluate_pipeline
from latentstem.models import denormalize_latents
from latentstem.training import autoencoder as autoencoder_training
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder import train as train_autoencoder
from latentstem.training.contrastive import ContrastiveTraining
from latentstem.training.contrastive import train as train_reranker
from latentstem.training.latents import cache_latents
from latentstem.training.unet import UNetTraining
from latentstem.training.unet import train as train_unet

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")

RATE, SECONDS = 22_050, 4
SIDES = np.array([1.0, 0.25])
UNET = {
    "block_out_channels": (8, 8),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Two tracks at 22.05 kHz: the bass, four times as loud on the left as on the right, stereo noise, mono drums."""
    root, rng = tmp_path_factory.mktemp("stems"), np.random.default_rng(0)
    time = np.arange(SECONDS * RATE) / RATE
    for name, frequency in (("one", 55.0), ("two", 73.4)):
        (root / name).mkdir()
        bass = 0.4 * np.sin(2 * np.pi * frequency * time)[:, None] * SIDES
        for stem, audio in (
            ("bass", bass),
            ("chords", 0.1 * rng.standard_normal((len(time), 2))),
            ("drums", 0.1 * rng.standard_normal(len(time))),
        ):
            soundfile.write(root / name / f"{stem}.wav", audio, RATE, subtype="FLOAT")
        (root / name / "song.json").write_text(json.dumps({"song": compose(seed=0, duration=4.0).to_dict()}))
    return root


@pytest.fixture(scope="module")
def stereo(stems, tmp_path_factory):
    """A stereo autoencoder that was trained on them, adversary and validation included, a few steps."""
    AcceleratorState._reset_state(reset_partial_state=True)
    settings = AutoencoderTraining(
        stems,
        tmp_path_factory.mktemp("run"),
        validation=stems,
        steps=8,
        validations=1,
        batch_size=2,
        crop_frames=4,
        window_lengths=(512,),
        learning_rate=3e-3,
        workers=0,
        adversarial_after=0.5,
        mixed_precision="no",
        model={"audio_channels": 2, "latent_channels": 4, "channels": 16, "latent_hidden_channels": 16, "carriers": 16},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder_training, "STATISTICS_CROPS", 16)
        return train_autoencoder(settings)


def encodec():
    torch.manual_seed(0)
    config = EncodecConfig(
        num_filters=4, hidden_size=4, upsampling_ratios=[8, 5, 4, 4], codebook_size=16, sampling_rate=16_000
    )
    return EncodecCodec.wrap(EncodecModel(config), latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[0.5] * 4)


def oobleck():
    torch.manual_seed(0)
    return AutoencoderOobleck(8, [4, 8, 16], [1, 2, 2], 4, 4, audio_channels=2, sampling_rate=16_000)


@pytest.fixture(params=["stereo", "encodec", "oobleck"])
def codec(request, tmp_path):
    """Folder of a codec."""
    if request.param == "stereo":
        return request.getfixturevalue("stereo")
    {"encodec": encodec, "oobleck": oobleck}[request.param]().save_pretrained(tmp_path / "codec")
    return tmp_path / "codec"


def test_a_stereo_autoencoder_trains_and_its_sides_are_not_alike(stereo):
    trained = AutoencoderSpectral.from_pretrained(stereo).eval()
    assert trained.audio_channels == 2 and min(trained.config.latents_std) > 0
    (line,) = (stereo.parent / "history.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["step"] == 8 and record["adversarial"] is not None and 0 <= record["pitch_agreement"] <= 1
    for suffix in ("stem", "decoded"):
        audio, rate = soundfile.read(stereo.parent / "previews" / f"0000008-{suffix}.flac")
        assert rate == 44100 and audio.shape[1] == 2
        left, right = np.square(audio).mean(axis=0)
        assert left > 2 * right  # from the background that it starts at: the stems' own spectrum, side by side


@pytest.mark.parametrize("build", [encodec, oobleck])
def test_latents_are_cached_in_the_codecs_channels_and_rate(stems, tmp_path, build):
    codec = build().eval()
    track, _ = cache_latents(stems, "bass", codec, tmp_path, submixes=2, seed=0)
    left_and_right = torch.from_numpy(soundfile.read(stems / "one" / "bass.wav", dtype="float32")[0].T.copy())
    channels = codec.config.get("audio_channels", 1)
    audio = left_and_right if channels == 2 else left_and_right.mean(0, keepdim=True)
    audio = resample(audio, RATE, 16_000)[None]
    audio = audio * reference_gain(audio)
    with torch.no_grad():
        encoded = codec.encode(torch.nn.functional.pad(audio, (0, -audio.shape[-1] % 512 if channels == 2 else 0)))
    expected = encoded.latent_dist.mode() if channels == 2 else encoded.latents
    raw = denormalize_latents(track.stem, codec.config)
    assert raw.shape == expected[0].shape
    assert (raw - expected[0]).abs().max() < 2e-3 * expected.abs().max()  # stored in half precision
    assert track.mixes.shape == (2, *track.stem.shape)


def test_a_cache_of_one_codec_is_not_taken_for_that_of_another(stems, tmp_path):
    first, again = encodec(), encodec()
    changed = encodec()
    with torch.no_grad():
        changed.encoder.layers[0].conv.bias += 0.1
        again.decoder.layers[0].conv.bias += 0.1
    caches = set()
    for count, codec in ((1, first), (1, again), (2, changed)):
        cache_latents(stems, "bass", codec, tmp_path, submixes=1, seed=0)
        caches.update(path.name for path in tmp_path.iterdir())
        assert len(caches) == count


def test_the_unet_trains_on_the_latents_of_any_codec_and_its_pipeline_generates(stems, codec, tmp_path):
    settings = UNetTraining(
        stems,
        tmp_path / "run",
        codec,
        validation=stems,
        steps=4,
        validations=1,
        batch_frames=64,
        crop_frames=(8, 16),
        submixes=2,
        mixed_precision="no",
        model=UNET,
    )
    pipe = StemAccompanimentPipeline.from_pretrained(train_unet(settings))
    (line,) = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["step"] == 4 and np.isfinite(record["loss"]) and 0 <= record["chord_share"] <= 1
    assert {path.suffix for path in (tmp_path / "run" / "previews").iterdir()} == {".png", ".flac"}
    pipe.set_progress_bar_config(disable=True)
    mix = 0.1 * torch.randn(pipe.audio_channels, 9000)
    audios = pipe(mix, sampling_rate=pipe.sampling_rate, num_inference_steps=2).audios
    assert audios.shape == (1, pipe.audio_channels, 9000) and audios.isfinite().all()
    assert pipe.config["target"] == "bass"
    evaluation = evaluate_pipeline(pipe, stems, num_inference_steps=2, seconds=3.0)
    assert evaluation.tracks == ["one", "two"] and len(evaluation.round_trips) == 2


def test_the_reranker_trains_on_the_latents_of_another_codec(stems, tmp_path):
    encodec().save_pretrained(tmp_path / "codec")
    settings = ContrastiveTraining(
        stems,
        tmp_path / "run",
        tmp_path / "codec",
        steps=2,
        batch_size=2,
        crop_frames=8,
        submixes=1,
        mixed_precision="no",
        model={"channels": 16, "embedding_channels": 8, "layers": (1,)},
    )
    assert (train_reranker(settings) / "config.json").is_file()


def test_the_pipeline_is_named_after_the_stem_that_was_trained(stems, tmp_path):
    encodec().save_pretrained(tmp_path / "codec")
    settings = UNetTraining(
        stems, tmp_path / "run", tmp_path / "codec", target="chords", steps=1, batch_frames=16, crop_frames=(8, 8),
        submixes=1, mixed_precision="no", model=UNET,
    )  # fmt: skip
    assert StemAccompanimentPipeline.from_pretrained(train_unet(settings)).config["target"] == "chords"


def test_songs_are_not_composed_for_a_stereo_net(tmp_path):
    with pytest.raises(ValueError, match="audio_channels=2 and sampling_rate=44100, but songs are composed in mono"):
        train_autoencoder(AutoencoderTraining(None, tmp_path, model={"audio_channels": 2, "channels": 8}))
