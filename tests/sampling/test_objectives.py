"""Objectives: targets by their definitions, one algebra for training and sampling, schedules told apart."""

import dataclasses
import math

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
    check_trained_schedule,
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


def test_timesteps_are_drawn_evenly_unless_told_otherwise_and_never_beyond_the_last(monkeypatch):
    objective = Objective(CosineDDIMScheduler())
    assert objective.draw_timesteps(20_000).float().mean() == pytest.approx(511.5, abs=10)
    # The greatest number that is drawn, whose root rounds to one.
    monkeypatch.setattr(torch, "rand", lambda count: torch.full((count,), 1 - 2**-24))
    assert objective.draw_timesteps(2, 9.0).tolist() == [1023, 1023]
    assert Objective(FlowMatchEulerDiscreteScheduler()).draw_timesteps(2, 9.0).tolist() == [1000, 1000]


def test_a_net_in_half_precision_is_given_what_is_in_half_precision():
    objective = Objective(CosineDDIMScheduler())
    clean, noise = torch.randn(2, 4, 3, 5, dtype=torch.bfloat16)
    timesteps = objective.draw_timesteps(4)
    assert objective.add_noise(clean, noise, timesteps).dtype == torch.bfloat16
    assert objective.target(clean, noise, timesteps).dtype == torch.bfloat16


def test_an_objective_is_a_value():
    objective = Objective(CosineDDIMScheduler())
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.scheduler = None


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


def test_a_solver_on_flow_sigmas_has_the_schedule_of_flow_matching():
    trained = schedule_of(FlowMatchEulerDiscreteScheduler())
    check_schedule(DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction"), trained)


def test_a_schedule_is_described_by_its_rates_from_the_first_timestep_to_the_last():
    scheduler = CosineDDIMScheduler(num_train_timesteps=513)
    trained = schedule_of(scheduler)
    alphas = [float(scheduler.alphas_cumprod[32 * index]) for index in range(17)]
    assert trained["signal_rates"] == pytest.approx([math.sqrt(alpha) for alpha in alphas], abs=6e-7)
    assert trained["noise_rates"] == pytest.approx([math.sqrt(1 - alpha) for alpha in alphas], abs=6e-7)
    assert all(rate == round(rate, 6) for name in ("signal_rates", "noise_rates") for rate in trained[name])


@pytest.mark.parametrize("name", ["signal_rates", "noise_rates"])
@pytest.mark.parametrize("place", [0, 8, 16])
def test_rates_may_differ_by_what_solvers_round_and_by_no_more(name, place):
    trained = schedule_of(CosineDDIMScheduler())
    for shift in (4e-4, -4e-4, 6e-4, -6e-4):
        other = trained | {name: [rate + shift * (i == place) for i, rate in enumerate(trained[name])]}
        if abs(shift) < 5e-4:
            check_schedule(CosineDDIMScheduler(), other)
        else:
            with pytest.raises(ValueError, match="another noise schedule"):
                check_schedule(CosineDDIMScheduler(), other)
    with pytest.raises(ValueError, match="another noise schedule"):
        check_schedule(CosineDDIMScheduler(), trained | {"num_train_timesteps": 512})


OLD = {"num_train_timesteps": 1024, "prediction_type": "epsilon", "max_signal_rate": 1.0, "min_signal_rate": 0.0}


def changed(**entries):
    return schedule_of(CosineDDIMScheduler()) | entries


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        (None, "got trained_schedule=None; expected what"),
        ([("num_train_timesteps", 1024)], "expected what schedule_of"),
        ({}, "lacks num_train_timesteps, prediction_type, signal_rates, noise_rates; save"),
        ({"num_train_timesteps": 9, "sigma": 1}, "lacks prediction_type, .*rates and has unknown sigma;"),
        (changed(sigma=1), "the trained schedule has unknown sigma; save"),
        (changed(num_train_timesteps=0), "num_train_timesteps=0; expected a whole number from 1"),
        (changed(prediction_type="score"), "prediction_type='score'; expected one of epsilon"),
        (changed(signal_rates=0.5), "got signal_rates=0.5 in the trained schedule; expected 17 numbers"),
        (changed(signal_rates="a" * 17), "in the trained schedule; expected 17 numbers"),
        (changed(noise_rates=[0.5] * 16), "in the trained schedule; expected 17 numbers"),
        (changed(noise_rates=[0.5] * 16 + [-0.1]), r"noise_rates\[16\]=-0.1; expected a number from 0"),
        (changed(noise_rates=[1.1e6] + [0.5] * 16), r"noise_rates\[0\]=1100000.0; expected a number from 0 to 1e\+06"),
        (changed(signal_rates=["a"] + [0.5] * 16), r"signal_rates\[0\]='a'; expected a number"),
        (OLD | {"max_signal_rate": 1.1}, "max_signal_rate=1.1; expected a number from 0 to 1"),
        (OLD | {"min_signal_rate": -0.1}, "min_signal_rate=-0.1; expected a number from 0 to 1"),
        (OLD | {"noise_rates": [0.5] * 17}, "has unknown noise_rates"),
    ],
)
def test_a_saved_schedule_that_is_none_is_refused(trained, message):
    with pytest.raises(ValueError, match=message):
        check_trained_schedule(trained)


@pytest.mark.parametrize("trained", [changed(), changed(noise_rates=(0.0,) * 16 + (1e6,)), OLD])
def test_a_saved_schedule_comes_back_as_it_is(trained):
    assert check_trained_schedule(trained) is trained


def test_a_scheduler_without_a_schedule_over_timesteps_is_refused():
    with pytest.raises(TypeError, match="EDMEulerScheduler keeps no alphas_cumprod"):
        schedule_of(EDMEulerScheduler())


def test_a_schedule_survives_a_config_file(tmp_path):
    import json

    kept = json.loads(json.dumps(schedule_of(CosineDDIMScheduler())))
    check_schedule(CosineDDIMScheduler(), kept)
