"""Objectives: targets by their definitions, one algebra for training and sampling, schedules told apart."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from latentstem import CosineDDIMScheduler, denoised_coefficients
from latentstem.sampling.denoised import noise_level
from latentstem.sampling.objectives import (
    Objective,
    add_noise_for_step,
    check_schedule,
    schedule_of,
    training_rates,
)


class Deblending:
    """A scheduler from elsewhere: iterative deblending, timesteps from 0 (data) to 1 (noise)."""

    config = {"num_train_timesteps": 1, "prediction_type": "flow_prediction"}
    order = 1

    def signal_and_noise_rates(self, timestep):
        return 1 - torch.as_tensor(timestep), torch.as_tensor(timestep)


SCHEDULERS = [
    *(CosineDDIMScheduler(prediction_type=kind) for kind in ("v_prediction", "epsilon", "sample")),
    DDPMScheduler(prediction_type="v_prediction", clip_sample=False),
    FlowMatchEulerDiscreteScheduler(num_train_timesteps=64, shift=3.0),
    Deblending(),
]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: f"{type(s).__name__}-{s.config.get('prediction_type')}")
def test_a_perfect_prediction_gives_the_clean_sample_back(scheduler):
    """What is trained and what sampling takes it for are one: x0 = A x_t + B target."""
    objective = Objective(scheduler)
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 16, 3, 5, dtype=torch.float64)
    timesteps = objective.draw_timesteps(16).clamp(min=0.01 * objective.num_train_timesteps)
    noisy, target = objective.add_noise(clean, noise, timesteps), objective.target(clean, noise, timesteps)
    for item, timestep in enumerate(timesteps):
        if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
            scheduler.set_timesteps(sigmas=[float(timestep) / 64])
            timestep = scheduler.timesteps[0]  # the shift moves which timesteps are visited, not what they mean
            noisy_item = add_noise_for_step(scheduler, clean[item], noise[item], timestep)
        else:
            noisy_item = noisy[item]
            again = add_noise_for_step(scheduler, clean[item], noise[item], timestep)
            torch.testing.assert_close(again, noisy_item, atol=1e-6, rtol=1e-6)
        a, b = denoised_coefficients(scheduler, timestep)
        torch.testing.assert_close(a * noisy_item + b * target[item], clean[item], atol=2e-4, rtol=1e-4)


def test_flow_matching_noise_is_the_timestep_and_the_target_points_from_data_to_noise():
    objective = Objective(FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000))
    clean, noise = torch.randn(2, 3, 2, 4)
    timesteps = torch.tensor([0.0, 250.0, 1000.0])
    noisy = objective.add_noise(clean, noise, timesteps)
    torch.testing.assert_close(noisy, torch.stack([clean[0], 0.75 * clean[1] + 0.25 * noise[1], noise[2]]))
    assert torch.equal(objective.target(clean, noise, timesteps), noise - clean)
    drawn = objective.draw_timesteps(1000)
    assert drawn.is_floating_point() and drawn.min() >= 0 and drawn.max() <= 1000


@pytest.mark.parametrize("emphasis", [0.0, 1.0, 3.0])
def test_timesteps_are_drawn_with_the_density_that_is_asked_for(emphasis):
    torch.manual_seed(0)
    timesteps = Objective(CosineDDIMScheduler()).draw_timesteps(20_000, emphasis)
    assert timesteps.min() >= 0 and timesteps.max() <= 1023
    for fraction in (0.25, 0.5, 0.75):
        below = (timesteps < 1024 * fraction).float().mean().item()
        assert below == pytest.approx(fraction ** (1 + emphasis), abs=0.015)


def test_velocity_and_noise_are_those_of_diffusers():
    stock = DDPMScheduler(prediction_type="v_prediction")
    objective = Objective(stock)
    clean, noise = torch.randn(2, 4, 3, 5)
    timesteps = torch.tensor([0, 10, 500, 999])
    torch.testing.assert_close(objective.add_noise(clean, noise, timesteps), stock.add_noise(clean, noise, timesteps))
    torch.testing.assert_close(objective.target(clean, noise, timesteps), stock.get_velocity(clean, noise, timesteps))


@pytest.mark.parametrize(
    "solver",
    [DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler],
)
def test_solvers_built_from_a_config_have_its_schedule(solver):
    trained = CosineDDIMScheduler()
    check_schedule(solver.from_config(trained.config), schedule_of(trained))


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (DDIMScheduler(1024, prediction_type="v_prediction"), "another noise schedule"),
        (CosineDDIMScheduler(max_signal_rate=0.95), "another noise schedule"),
        (CosineDDIMScheduler(min_signal_rate=0.01), "another noise schedule"),
        (CosineDDIMScheduler(num_train_timesteps=512), "another noise schedule"),
        (FlowMatchEulerDiscreteScheduler(1024), "another noise schedule"),
        (CosineDDIMScheduler(prediction_type="epsilon"), "takes the net's output for 'epsilon'"),
    ],
)
def test_other_schedules_are_refused(scheduler, message):
    with pytest.raises(ValueError, match=message):
        check_schedule(scheduler, schedule_of(CosineDDIMScheduler()))


def test_a_shift_chooses_other_timesteps_of_the_same_schedule():
    trained = schedule_of(FlowMatchEulerDiscreteScheduler())
    check_schedule(FlowMatchEulerDiscreteScheduler(shift=3.0), trained)
    shifted = FlowMatchEulerDiscreteScheduler(shift=3.0)
    shifted.set_timesteps(7)
    for timestep in shifted.timesteps:
        signal, noise, _ = noise_level(shifted, timestep)
        rates = training_rates(shifted, timestep)
        assert (float(rates[0]), float(rates[1])) == pytest.approx((signal, noise), abs=1e-6)


def test_a_scheduler_without_a_schedule_over_timesteps_is_refused():
    with pytest.raises(TypeError, match="EDMEulerScheduler keeps no alphas_cumprod"):
        schedule_of(EDMEulerScheduler())


def test_a_schedule_survives_a_config_file(tmp_path):
    import json

    kept = json.loads(json.dumps(schedule_of(CosineDDIMScheduler())))
    check_schedule(CosineDDIMScheduler(), kept)
