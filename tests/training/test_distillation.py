"""A net learns in one evaluation what guidance makes of two."""

import json

import numpy as np
import pytest
import soundfile
import torch

from latentstem import (
    AutoencoderSpectral,
    CosineDDIMScheduler,
    Objective,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
)
from latentstem.guidance import DistilledGuidance
from latentstem.training.distillation import GuidedTeacher, distillation_error
from latentstem.training.latents import LatentTrack
from latentstem.training.unet import UNetTraining, train


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    root = tmp_path_factory.mktemp("stems")
    for number in (1, 2):
        (root / str(number)).mkdir()
        for stem in ("bass", "chords"):
            noise = 0.1 * np.random.default_rng(number).normal(size=3 * 44100)
            soundfile.write(root / str(number) / f"{stem}.wav", noise, 44100)
    return root


@pytest.fixture(scope="module")
def teacher(autoencoder, tmp_path_factory):
    """Folder of a pipeline whose net of random weights hears the mix."""
    torch.manual_seed(0)
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(16,),
        layers_per_block=(1,),
        attention_levels=(False,),
        embedding_dim=16,
        control_conditions={"beat": 2},
    )
    for parameter in (*unet.conv_out.parameters(), *unet.control_encoder.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    codec = AutoencoderSpectral.from_pretrained(autoencoder)
    guider = RescaledClassifierFreeGuidance(4.0, 0.4)
    folder = tmp_path_factory.mktemp("teacher")
    StemAccompanimentPipeline(codec, unet.eval(), CosineDDIMScheduler(), guider).save_pretrained(folder)
    return folder


def load(teacher):
    return GuidedTeacher.from_pretrained(teacher, 6.0, CosineDDIMScheduler())


@pytest.mark.parametrize("scale", [1.0, 2.5, 6.0])
def test_the_target_is_the_guided_prediction_of_the_teachers_pipeline(teacher, scale):
    pipe = StemAccompanimentPipeline.from_pretrained(teacher)
    objective = Objective(pipe.scheduler)
    clean, noise, mix = torch.randn(3, 2, 4, 12)
    conditions, dropped = {"mix": mix, "beat": torch.randn(2, 2, 12)}, {"beat": torch.tensor([True, False])}
    pipe.scheduler.set_timesteps(8)
    guider = pipe.guider.new(guidance_scale=scale)
    for step, timestep in enumerate(pipe.scheduler.timesteps):
        steps = timestep.expand(2)
        noisy = objective.add_noise(clean, noise, steps)
        guider.set_state(step=step, num_inference_steps=8, timestep=timestep)
        with torch.no_grad():
            expected = pipe.predict(noisy, timestep, conditions, guider, dropped=dropped)
        scales = torch.full((2,), scale)
        guided, unguided = load(teacher).targets(objective, noisy, steps, conditions, dropped, scales)
        torch.testing.assert_close(objective.clean(noisy, guided, steps), expected, atol=1e-4, rtol=1e-4)
        if scale == 1:
            torch.testing.assert_close(unguided, guided, atol=1e-4, rtol=1e-4)


def test_the_pupil_begins_as_the_teacher_without_guidance(teacher):
    teacher = load(teacher)
    tracks = [LatentTrack(str(index), torch.randn(4, 30), {"mix": torch.randn(1, 4, 30)}) for index in range(3)]
    error = distillation_error(teacher.pupil().eval(), teacher, CosineDDIMScheduler(), tracks)
    assert error == pytest.approx(1.0, abs=1e-4)


def settings(stems, autoencoder, output, teacher, **options):
    sizes = {"batch_frames": 128, "crop_frames": (8, 16), "submixes": 1, "ema_decay": 0.9, "mixed_precision": "no"}
    return UNetTraining(stems, output, autoencoder, teacher=teacher, **sizes | options)


def test_a_net_learns_the_guidance_of_its_teacher(stems, autoencoder, teacher, tmp_path):
    folder = train(settings(stems, autoencoder, tmp_path, teacher, validation=stems, validations=1, steps=250))
    (record,) = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert record["distillation_error"] < 0.3
    pipe = StemAccompanimentPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    assert isinstance(pipe.guider, DistilledGuidance) and pipe.guider.strongest == 6.0
    assert pipe(0.1 * torch.randn(1, 20_000), sampling_rate=44100, num_inference_steps=2).audios.isfinite().all()


def test_what_cannot_be_learned_is_refused(stems, autoencoder, teacher, tmp_path):
    with pytest.raises(ValueError, match="got a teacher, whose U-Net the net begins with, and also lora_rank"):
        train(settings(stems, autoencoder, tmp_path, teacher, model={"dropout": 0.1}))
    with pytest.raises(ValueError, match=r"another noise schedule|was trained to predict"):
        train(settings(stems, autoencoder, tmp_path, teacher, prediction_type="epsilon"))
    pipe = StemAccompanimentPipeline.from_pretrained(teacher)
    for guider, message in (
        (RescaledClassifierFreeGuidance(condition_scales={"beat": 2.0}), "one weight of all conditions is learned"),
        (DistilledGuidance(), "has the guider DistilledGuidance; expected RescaledClassifierFreeGuidance"),
    ):
        pipe.register_modules(guider=guider)
        pipe.save_pretrained(tmp_path / "other")
        with pytest.raises(ValueError, match=message):
            train(settings(stems, autoencoder, tmp_path, tmp_path / "other"))
