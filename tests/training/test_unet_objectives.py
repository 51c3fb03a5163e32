"""The denoiser's training: every objective, and conditions of every kind, on latents whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from latentstem import StemAccompanimentPipeline
from latentstem.training.unet import UNetTraining, train

UNET = {
    "block_out_channels": (16, 24),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}


@pytest.fixture(scope="module")
def stems(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("stems")
    time = np.arange(2 * 44100) / 44100
    for name, frequency in (("one", 55.0), ("two", 73.4)):
        (root / name).mkdir()
        for stem, overtone in (("bass", 1), ("chords", 4)):
            soundfile.write(root / name / f"{stem}.wav", 0.2 * np.sin(2 * np.pi * overtone * frequency * time), 44100)
    return root


def settings(stems, autoencoder, output, **options):
    return UNetTraining(
        stems,
        output,
        autoencoder,
        latents=autoencoder / "latents",
        steps=40,
        batch_frames=64,
        crop_frames=(8, 16),
        submixes=2,
        learning_rate=3e-3,
        mixed_precision="no",
        model=UNET,
        **options,
    )


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "flow_prediction"])
def test_a_net_of_each_objective_trains_is_published_and_samples(stems, autoencoder, tmp_path, prediction_type):
    folder = train(settings(stems, autoencoder, tmp_path, prediction_type=prediction_type))
    pipe = StemAccompanimentPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.config.trained_schedule["prediction_type"] == prediction_type
    is_flow = isinstance(pipe.scheduler, FlowMatchEulerDiscreteScheduler)
    assert is_flow == (prediction_type == "flow_prediction")
    call = {"sampling_rate": 44100, "num_inference_steps": 3}
    mix = 0.1 * torch.randn(1, 20_000)
    stem = pipe(mix, **call).audios
    assert stem.shape == (1, 1, 20_000) and stem.isfinite().all()
    # Everything that acts on the clean sample: a style, a variation, and what is kept.
    style = torch.randn(4)
    grounded = pipe(mix, style_latents=style, output_type="latent", **call).audios
    torch.testing.assert_close(grounded.mean(-1)[0], style, atol=1e-3, rtol=1e-3)
    kept = pipe(mix, init_stem=stem[0], keep=[(0.0, 0.2)], **call).audios
    assert torch.equal(kept[..., :7000], stem[..., :7000])
    assert pipe(mix, init_stem=stem[0], strength=0.4, **call).audios.isfinite().all()


def test_another_objective_in_place_of_the_trained_one_is_refused(stems, autoencoder, tmp_path):
    folder = train(settings(stems, autoencoder, tmp_path, prediction_type="flow_prediction"))
    velocity = StemAccompanimentPipeline.from_pretrained(folder, scheduler=FlowMatchEulerDiscreteScheduler(1000))
    with pytest.raises(ValueError, match="another noise schedule"):
        velocity(duration=0.2, num_inference_steps=2)


def test_an_unknown_objective_is_refused(stems, autoencoder, tmp_path):
    with pytest.raises(ValueError, match="v_prediction, epsilon or sample, got 'score'"):
        train(settings(stems, autoencoder, tmp_path, prediction_type="score"))


def test_conditions_reach_the_net_and_are_dropped_each_by_itself(stems, autoencoder, tmp_path):
    """A control and a global condition, made from each track, arrive in the published net and move its stems."""
    conditions = {
        "density": lambda track, frames: torch.full((2, frames), float(track.name == "one")),
        "tempo": lambda track, frames: torch.tensor([float(track.name == "two")]),
    }
    folder = train(settings(stems, autoencoder, tmp_path, condition_dropout=0.3), conditions=conditions)
    pipe = StemAccompanimentPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.control_conditions == {"density": 2} and pipe.unet.config.global_conditions == {"tempo": 1}
    nulls = [null for name, null in pipe.unet.named_parameters() if ".null_" in name]
    assert len(nulls) == 3
    mix_latents, noise = torch.randn(2, 1, 4, 9)
    call = {"mix_latents": mix_latents, "latents": noise, "num_inference_steps": 2, "output_type": "latent"}
    with_density, without = (
        pipe(conditions={"density": torch.full((1, 2, 9), value)}, sampling_rate=44100, **call).audios
        for value in (5.0, -5.0)
    )
    assert (with_density - without).abs().max() > 1e-4
