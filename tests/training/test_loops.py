"""The trainings of loops on tiny nets: a prompt encoder and a denoiser that hears tempo and prompt."""

import json

import numpy as np
import pytest
import soundfile
import torch

from latentstem import AutoencoderSpectral, LoopPipeline, PromptEncoder
from latentstem.conditioning import ClapCondition, Controls
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import ANNOTATION
from latentstem.data.render.instruments import describe, draw_instruments
from latentstem.data.stems import StemFolder
from latentstem.data.words import WORDS
from latentstem.models.codec import as_codec
from latentstem.pipelines import stretch_loop
from latentstem.training.latents import LatentTrack
from latentstem.training.loops import LoopTraining, add_noise, add_sounds, draw_prompts
from latentstem.training.loops import train as train_loops
from latentstem.training.prompt_encoder import PromptEncoderTraining
from latentstem.training.prompt_encoder import train as train_prompt_encoder
from latentstem.training.prompts import clap_condition
from latentstem.training.unet_validation import prediction_errors

UNET = {
    "block_out_channels": (16,),
    "layers_per_block": (1,),
    "attention_levels": (False,),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    """Annotated loops whose sound is a tone for each: what their words and their tempo say does not matter here."""
    root = tmp_path_factory.mktemp("loops")
    for seed in range(6):
        loop = compose_loop(seed, 8.0)
        track = root / f"song_{seed:06d}"
        track.mkdir()
        time = np.arange(round(loop.duration * 44100)) / 44100
        soundfile.write(track / "loop.wav", 0.3 * np.sin(2 * np.pi * 110 * 2 ** (seed / 2) * time), 44100)
        instruments = {name: describe(each) for name, each in draw_instruments(loop).items()}
        (track / ANNOTATION).write_text(json.dumps({"instruments": instruments, "song": loop.to_dict()}))
    return root


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    torch.manual_seed(0)
    model = AutoencoderSpectral(
        latent_channels=8,
        channels=16,
        latent_hidden_channels=16,
        carriers=0,
        latents_mean=[0.0] * 8,
        latents_std=[0.1] * 8,
    )
    folder = tmp_path_factory.mktemp("autoencoder")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prompt_encoder(loops, autoencoder, tmp_path_factory):
    return train_prompt_encoder(
        PromptEncoderTraining(
            loops,
            tmp_path_factory.mktemp("prompts"),
            autoencoder,
            validation=loops,
            model={"channels": 16, "code_dim": 8, "layers": 1},
            batch_size=6,
            crop_frames=8,
            steps=60,
            validations=2,
            learning_rate=3e-3,
            mixed_precision="no",
        )
    )


def test_a_prompt_encoder_learns_which_words_are_true(prompt_encoder):
    history = (prompt_encoder.parent / "history.jsonl").read_text().splitlines()
    first, last = json.loads(history[0]), json.loads(history[-1])
    assert last["words"] < first["words"] and last["told"] > 0.7
    encoder = PromptEncoder.from_pretrained(prompt_encoder)
    assert encoder.vocabulary == WORDS


def tiny_training(loops, folder, autoencoder, prompt_encoder, **options):
    sizes = {"model": UNET, "batch_frames": 256, "crop_frames": (16, 32), "ema_decay": 0.9, "mixed_precision": "no"}
    return LoopTraining(loops, folder / "run", autoencoder, prompt_encoder, **sizes | options)


def test_a_denoiser_of_loops_trains_and_is_published_as_a_pipeline(loops, autoencoder, prompt_encoder, tmp_path):
    settings = tiny_training(loops, tmp_path, autoencoder, prompt_encoder, validation=loops, steps=40, validations=2)
    folder = train_loops(settings)
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert history[-1]["loss"] < history[0]["loss"]
    assert {"prediction_error", "prediction_error_swapped", "prediction_error_none"} <= history[-1].keys()
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    pipe = LoopPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.condition_channels == {"beat": 4, "chords": 25} and pipe.unet.condition_vectors == {"prompt": 8}
    out = pipe(bpm=120, bars=1, prompt="techno, no voice", chords="| Am |", num_inference_steps=2, generator=0)
    assert out.audios.shape == (1, 1, 88200)


def test_a_denoiser_is_told_the_beat_as_a_sawtooth_at_its_input(loops, autoencoder, prompt_encoder, tmp_path):
    model = {**UNET, "frame_conditions": {"sawtooth": 1}}
    told = {"controls": ("sawtooth", "chords"), "model": model}
    folder = train_loops(tiny_training(loops, tmp_path, autoencoder, prompt_encoder, steps=2, **told))
    pipe = LoopPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.frame_conditions == {"sawtooth": 1}
    assert pipe.unet.config.control_conditions == {"chords": 25}
    tempo = Controls(bpm=110.0)
    (told,) = pipe.encode_controls(tempo, 40, 10.0).items()
    assert told[0] == "sawtooth"
    turns = (torch.arange(40) + 0.5) / 10.0 * 110.0 / 60.0
    torch.testing.assert_close(told[1][0, 0], turns % 1, atol=1e-5, rtol=0)
    loop = pipe(bpm=120, bars=1, prompt="techno", num_inference_steps=1, generator=0).audios[0]
    slower = stretch_loop(pipe, loop, 44100, bpm=120, new_bpm=100, bars=1, num_inference_steps=1)
    assert slower.shape == (1, 1, 105840)


def test_a_denoiser_learns_prompts_from_the_embeddings_of_clap(loops, autoencoder, tmp_path, save_clap):
    pytest.importorskip("transformers")
    clap = save_clap(tmp_path / "clap")
    training = {"clap": str(clap), "validation": loops, "steps": 40, "validations": 1}
    folder = train_loops(tiny_training(loops, tmp_path, autoencoder, None, **training))
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert history[-1]["prediction_error"] != history[-1]["prediction_error_swapped"]
    pipe = LoopPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    condition = ClapCondition.from_pretrained(clap)
    assert pipe.unet.config.global_conditions == {"clap": condition.channels} and pipe.prompt_encoder is None
    deep, bright = (
        pipe(120, 1, conditions={"clap": condition.embed_text(text)}, num_inference_steps=1, generator=0).audios
        for text in ("deep sub bass", "bright")
    )
    assert (deep - bright).abs().max() > 1e-5
    (track, _) = StemFolder(loops, "loop", ()).tracks[:2]
    codec = as_codec(AutoencoderSpectral.from_pretrained(autoencoder))
    heard = track.read("loop", 0, min(10 * 44100, track.length()))[None]
    embedded = clap_condition(condition, "loop", codec)(track, 0)
    torch.testing.assert_close(embedded, condition.embed_audio(heard, 44100)[0])


def test_prompts_are_learned_from_one_of_two_encoders(loops, autoencoder, tmp_path):
    for given in ({}, {"clap": "clap"}):
        with pytest.raises(ValueError, match="prompt_encoder or from clap; give one of them"):
            encoder = tmp_path if given else None
            train_loops(LoopTraining(loops, tmp_path / "run", autoencoder, encoder, **given))


def test_prompts_are_captions_in_part_of_the_items_and_sounds_in_the_others():
    encoder = PromptEncoder(dict(WORDS.words), latent_channels=4, channels=16, code_dim=8, layers=1).eval()
    truth = torch.where(torch.rand(300, len(WORDS.words)) < 0.4, 1.0, -1.0)
    sound = torch.nn.functional.normalize(torch.randn(1, 8), dim=-1).expand(300, 8)
    codes = draw_prompts(encoder, truth, sound, word_share=0.3)
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(300))
    share = 1 - (codes - sound).norm(dim=-1).lt(1e-5).float().mean()
    assert 0.2 < share < 0.4
    noisy = add_noise(sound, 0.2)
    torch.testing.assert_close(noisy.norm(dim=-1), torch.ones(300))
    assert 0.1 < (noisy - sound).norm(dim=-1).mean() < 0.3


def test_a_loop_has_the_code_of_its_own_sound():
    encoder = PromptEncoder({"dark": []}, latent_channels=4, channels=16, code_dim=8, layers=1).eval()
    tracks = [LatentTrack(str(k), torch.randn(4, 20), {}, {"words": torch.ones(1)}) for k in range(2)]
    for track, with_sound in zip(tracks, add_sounds(tracks, encoder), strict=True):
        with torch.no_grad():
            code = encoder.embed_sound(track.stem[None])[0]
        torch.testing.assert_close(with_sound.vectors["sound"], code)
        assert with_sound.vectors["words"] is track.vectors["words"]


class PromptNet(torch.nn.Module):
    """Predicts as much as the mean of its prompt."""

    device = torch.device("cpu")

    def forward(self, sample, timesteps, conditions, return_dict):
        prompt = conditions.get("prompt", torch.zeros(len(sample), 1))
        return (torch.zeros_like(sample) + prompt.mean(-1)[:, None, None],)


def test_prediction_errors_leave_out_and_swap_a_prompt():
    from latentstem import IADBScheduler

    tracks = [LatentTrack(str(k), torch.zeros(4, 40), {}, {"prompt": torch.full((2,), 3.0 * k)}) for k in range(2)]
    errors = prediction_errors(PromptNet(), IADBScheduler(), tracks, [500], condition="prompt")
    assert sorted(errors) == ["none", "prompt", "swapped"]
    # The error is that of the noise, about 1, and the square of what is predicted.
    expected = {"prompt": [1, 10], "none": [1, 1], "swapped": [10, 1]}
    for name, values in expected.items():
        np.testing.assert_allclose(errors[name][0], values, rtol=0.5)
