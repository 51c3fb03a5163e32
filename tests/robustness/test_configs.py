"""Configs with one field replaced by anything: built and finite, or refused before anything is built."""

import json
import math
import random
import shutil

import pytest
import torch

from latentstem import (
    AutoencoderSpectral,
    BassNetModel,
    ContrastiveStemModel,
    CosineDDIMScheduler,
    IADBScheduler,
    PromptEncoder,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
    StyleEncoder,
)
from latentstem.cli.errors import UsageError
from latentstem.cli.loading import load_pipeline
from latentstem.models import SpectralDiscriminator
from latentstem.sampling.objectives import check_trained_schedule, schedule_of


def run_unet(unet):
    return unet(torch.randn(1, unet.config.latent_channels, 5), 7).sample


def run_autoencoder(model):
    return model(torch.randn(1, model.audio_channels, 2 * model.hop_length + 1)).sample


def run_style_encoder(model):
    return model(torch.randn(1, model.config.latent_channels, 6))


def run_contrastive(model):
    return model(*torch.randn(2, 1, model.config.latent_channels, 6))


def run_bassnet(model):
    config = model.config
    windows = torch.randn(2, 1, config["resolutions"], config["steps"], config["bins"])
    return list(model(*windows).values())


def run_discriminator(model):
    return model(torch.randn(1, model.config["audio_channels"], 3000))


def run_scheduler(scheduler):
    scheduler.set_timesteps(1)
    return list(scheduler.step(*torch.randn(1, 1, 2, 5), scheduler.timesteps[0], torch.randn(1, 2, 5)).values())


def run_deblending(scheduler):
    scheduler.set_timesteps(1)
    sample = torch.randn(1, 2, 5)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(torch.randn(1, 2, 5), timestep, sample).prev_sample
    return sample


def run_prompt_encoder(model):
    return model(torch.zeros(1, len(model.vocabulary.words)), torch.randn(2, model.config.latent_channels, 5))


def run_guider(guider):
    guider.set_state(0, 4, torch.tensor(7))
    return guider.forward(*torch.randn(2, 1, 4, 9)).pred


# Small configs whose every field is there, and what is done with what they build.
CLASSES = {
    StemUNet1DModel: (
        run_unet,
        {
            "latent_channels": 4,
            "block_out_channels": [8, 16],
            "layers_per_block": [1, 1],
            "attention_head_dim": 8,
            "attention_levels": [False, True],
            "embedding_dim": 16,
            "position_hidden_dim": 4,
            "position_depth": 1,
            "log_n_scaling": False,
            "train_length": 128,
            "dropout": 0.0,
            "frame_conditions": {"mix": 4},
            "global_conditions": {"style": 3},
            "control_conditions": {"chords": 2},
            "control_channels": 4,
        },
    ),
    AutoencoderSpectral: (
        run_autoencoder,
        {
            "sampling_rate": 44100,
            "audio_channels": 1,
            "latent_channels": 4,
            "hop_length": 4096,
            "window_length": 2048,
            "encoder_window_length": 2048,
            "low_window_length": 8192,
            "low_highest": 1000.0,
            "stft_hop_length": 512,
            "channels": 8,
            "latent_hidden_channels": 8,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "latent_layers": 1,
            "carriers": 8,
            "carrier_partials": 4,
            "carrier_smoothing": 3,
            "noise_bands": 4,
            "quiet_magnitudes": True,
            "levels_per_octave": 2,
            "latents_mean": [0.0] * 4,
            "latents_std": [1.0] * 4,
            "style_readout": [[1.0, 0.0, 0.0, 0.0]],
            "style_directions": [[1.0, 0.0, 0.0, 0.0]],
        },
    ),
    StyleEncoder: (run_style_encoder, {"latent_channels": 4, "channels": 8, "code_dim": 3, "layers": 1}),
    ContrastiveStemModel: (
        run_contrastive,
        {"latent_channels": 4, "channels": 8, "embedding_channels": 8, "layers": [1, 1]},
    ),
    BassNetModel: (
        run_bassnet,
        {
            "resolutions": 2,
            "steps": 10,
            "bins": 36,
            "control_dim": 2,
            "channels": 8,
            "blocks": 2,
            "control_blocks": 1,
            "kernel_size": [3, 3],
            "patch_size": [1, 3],
            "time_dilations": [1, 2],
            "frequency_dilations": [1, 2],
            "descriptor_channels": 4,
            "descriptor_kernel_size": 3,
        },
    ),
    SpectralDiscriminator: (
        run_discriminator,
        {"audio_channels": 1, "window_length": 256, "hop_length": 64, "channels": 4, "layers": 2},
    ),
    PromptEncoder: (
        run_prompt_encoder,
        {
            "words": {"techno": [], "drums": ["beat"], "dark": []},
            "latent_channels": 4,
            "channels": 8,
            "code_dim": 3,
            "layers": 1,
        },
    ),
    IADBScheduler: (run_deblending, {"num_train_timesteps": 8, "solver": "heun"}),
    CosineDDIMScheduler: (
        run_scheduler,
        {
            "num_train_timesteps": 8,
            "max_signal_rate": 0.99,
            "min_signal_rate": 0.05,
            "prediction_type": "v_prediction",
            "trained_betas": None,
            "clip_sample": False,
            "set_alpha_to_one": True,
            "timestep_spacing": "trailing",
        },
    ),
    RescaledClassifierFreeGuidance: (
        run_guider,
        {
            "guidance_scale": 3.0,
            "guidance_rescale": 0.7,
            "per_channel": False,
            "space": "denoised",
            "start": 0.0,
            "stop": 1.0,
            "enabled": True,
            "condition_scales": {"mix": 2.0},
        },
    ),
}


def mutate(rng, config, odd_values):
    """Return a config with one field, or one entry of it, replaced."""
    name = rng.choice(list(config))
    value = rng.choice(odd_values)
    old = config[name]
    if isinstance(old, list) and old and rng.random() < 0.4:
        value = [*old[:-1], value]
    elif isinstance(old, dict) and rng.random() < 0.4:
        value = {**old, rng.choice([*old, "new"]): value}
    return name, {**config, name: value}


def build_and_run(kind, run, config):
    built = kind(**config)
    if isinstance(built, torch.nn.Module):
        built.eval()
    with torch.no_grad():
        return run(built)


def build_all(campaign, odd_values, count):
    rng = random.Random(0)
    for case in range(count):
        kind = list(CLASSES)[case % len(CLASSES)]
        run, config = CLASSES[kind]
        name, mutated = mutate(rng, config, odd_values)
        case_name = f"{kind.__name__}({name}={mutated[name]!r:.60})"
        campaign.attempt(case_name, build_and_run, kind, run, mutated)


def test_the_small_configs_work(campaign):
    for kind, (run, config) in CLASSES.items():
        campaign.attempt(kind.__name__, build_and_run, kind, run, config)
    campaign.assert_clean()
    assert campaign.served == len(CLASSES)


def test_a_field_is_within_bounds_or_refused(campaign, odd_values):
    build_all(campaign, odd_values, 120)
    campaign.assert_clean()
    assert campaign.refused > 50 and campaign.served > 5


@pytest.mark.slow
def test_every_field_is_within_bounds_or_refused(campaign, odd_values):
    build_all(campaign, odd_values, 1500)
    campaign.assert_clean()
    assert campaign.refused > 800 and campaign.served > 50


def test_a_trained_schedule_is_complete_or_refused(campaign, odd_values):
    rng, schedule = random.Random(0), schedule_of(CosineDDIMScheduler())
    old = {"num_train_timesteps": 8, "prediction_type": "epsilon", "max_signal_rate": 0.9, "min_signal_rate": 0.1}
    for _ in range(150):
        name, mutated = mutate(rng, rng.choice([schedule, old]), odd_values)
        if rng.random() < 0.3:
            del mutated[name]
        campaign.attempt(f"{name}={mutated.get(name)!r:.60}", check_trained_schedule, mutated)
    for given in (None, [], "x", {}, {**schedule, "more": 1}):
        before = campaign.refused
        campaign.attempt(f"{given!r:.60}", check_trained_schedule, given)
        assert campaign.refused == before + 1
    campaign.assert_clean()


@pytest.mark.parametrize("fields", [{"trained_schedule": {}}, {"target": ""}])
def test_a_pipeline_refuses_a_schedule_that_lacks_entries(tiny, fields):
    with pytest.raises(ValueError, match=r"lacks num_train_timesteps|expected the name"):
        StemAccompanimentPipeline(**tiny.components, **fields)


def mutate_json(rng, file, odd_values):
    """Replace one entry of a JSON file, anywhere in it, or some of its characters."""
    text = file.read_text()
    if rng.random() < 0.3:
        place = rng.randrange(len(text))
        file.write_text(text[:place] + rng.choice(["", "}", "[", '"', "0" * 400, "1e999", "NaN"]) + text[place + 1 :])
        return f"{file.name} at {place}"
    config = json.loads(text)
    name = rng.choice(list(config))
    value = rng.choice([value for value in odd_values if not isinstance(value, bytes)])
    config[name] = value
    file.write_text(json.dumps(config))
    return f"{file.parent.name}/{file.name} {name}={value!r:.60}"


def load_and_call(folder):
    pipe = load_pipeline(str(folder))
    pipe.set_progress_bar_config(disable=True)
    return pipe(0.1 * torch.randn(1, 1, 5000), sampling_rate=pipe.sampling_rate, num_inference_steps=1).audios


def load_all(campaign, odd_values, saved, tmp_path, count):
    rng = random.Random(1)
    files = sorted(path.relative_to(saved) for path in saved.rglob("*.json"))
    for case in range(count):
        folder = tmp_path / str(case)
        shutil.copytree(saved, folder)
        name = mutate_json(rng, folder / files[case % len(files)], odd_values)
        campaign.attempt(name, load_and_call, folder, errors=(UsageError, ValueError, TypeError))
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    tiny.save_pretrained(folder)
    return folder


def test_saved_configs_load_or_are_refused_in_one_line(campaign, odd_values, saved, tmp_path):
    load_all(campaign, odd_values, saved, tmp_path, 12)
    campaign.assert_clean()


@pytest.mark.slow
def test_many_saved_configs_load_or_are_refused_in_one_line(campaign, odd_values, saved, tmp_path):
    load_all(campaign, odd_values, saved, tmp_path, 120)
    campaign.assert_clean()


# What hung, took all memory or came through at 686e57c.
@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (StemUNet1DModel, "position_depth", 10**6),
        (StemUNet1DModel, "layers_per_block", [1, 10**6]),
        (StemUNet1DModel, "dropout", math.nan),
        (StemUNet1DModel, "block_out_channels", [8, 10**9]),
        (AutoencoderSpectral, "encoder_layers", 10**6),
        (AutoencoderSpectral, "latent_layers", 10**9),
        (AutoencoderSpectral, "latents_mean", [0.0] * 3),
        (AutoencoderSpectral, "latents_mean", [0.0, 0.0, 0.0, math.nan]),
        (AutoencoderSpectral, "latents_std", [1.0, 1.0, 1.0, 0.0]),
        (AutoencoderSpectral, "latents_std", [1.0, 1.0, 1.0, "1"]),
        (AutoencoderSpectral, "style_readout", [[1.0, 0.0, 0.0, math.inf]]),
        (AutoencoderSpectral, "style_directions", None),
        (StyleEncoder, "layers", 10**6),
        (ContrastiveStemModel, "layers", [10**6]),
        (BassNetModel, "kernel_size", [10**6 + 1, 3]),
        (BassNetModel, "blocks", 10**6),
        (SpectralDiscriminator, "layers", 10**6),
        (CosineDDIMScheduler, "num_train_timesteps", 10**9),
    ],
)
def test_what_would_take_hours_is_refused_by_its_name(kind, field, value):
    with pytest.raises(ValueError, match=rf"{field}.*expected"):
        kind(**{**CLASSES[kind][1], field: value})
