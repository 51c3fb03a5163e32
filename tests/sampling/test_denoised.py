import itertools
from types import SimpleNamespace

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
    IPNDMScheduler,
    UniPCMultistepScheduler,
)

from latentstem import CosineDDIMScheduler, denoised_coefficients
from latentstem.sampling import signal_and_noise_rates
from latentstem.sampling.denoised import step_position

CONFIG = CosineDDIMScheduler().config


# diffusers hands tensors to numpy in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FROM_CONFIG = (
    CosineDDIMScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    EulerDiscreteScheduler,
    EulerAncestralDiscreteScheduler,
)
CASES = [
    (kind, prediction_type)
    for kind in (*FROM_CONFIG, EDMEulerScheduler, EDMDPMSolverMultistepScheduler)
    for prediction_type in ("epsilon", "v_prediction", "sample")
    if prediction_type != "sample" or (kind in FROM_CONFIG and kind is not EulerAncestralDiscreteScheduler)
]


def build(kind, prediction_type):
    if kind in FROM_CONFIG:
        return kind.from_config(CONFIG, prediction_type=prediction_type)
    return kind(prediction_type=prediction_type, sigma_data=1.3)


def own_prediction(scheduler, output, timestep, sample):
    """The clean sample as the scheduler itself computes it on the way of its step."""
    if not hasattr(scheduler, "convert_model_output"):
        return scheduler.step(output, timestep, sample).pred_original_sample
    seen, convert = [], scheduler.convert_model_output
    scheduler.convert_model_output = lambda *args, **kwargs: seen.append(convert(*args, **kwargs)) or seen[-1]
    scheduler.step(output, timestep, sample)
    scheduler.convert_model_output = convert
    return seen[0]


@pytest.mark.parametrize(("kind", "prediction_type"), CASES)
def test_coefficients_are_those_the_scheduler_uses(kind, prediction_type):
    scheduler = build(kind, prediction_type)
    scheduler.set_timesteps(10)
    for timestep in scheduler.timesteps:
        sample, output = torch.randn(2, 1, 3, 4)
        scheduler.scale_model_input(sample, timestep)
        a, b = denoised_coefficients(scheduler, timestep)
        own = own_prediction(scheduler, output, timestep, sample)
        assert torch.allclose(a * sample + b * output, own, rtol=1e-4, atol=1e-4)


def test_deis_reads_the_same_coefficients_as_dpm_solver():
    deis, dpm = (kind.from_config(CONFIG) for kind in (DEISMultistepScheduler, DPMSolverMultistepScheduler))
    for scheduler in (deis, dpm):
        scheduler.set_timesteps(8)
    for timestep in dpm.timesteps:
        assert denoised_coefficients(deis, timestep) == pytest.approx(denoised_coefficients(dpm, timestep))


@pytest.mark.parametrize(("kind", "prediction_type"), CASES)
def test_rates_lie_on_the_circle_and_noise_falls(kind, prediction_type):
    scheduler = build(kind, prediction_type)
    scheduler.set_timesteps(6)
    rates = [signal_and_noise_rates(scheduler, timestep) for timestep in scheduler.timesteps]
    assert [signal**2 + noise**2 for signal, noise in rates] == pytest.approx([1.0] * 6)
    assert all(before[1] > after[1] for before, after in itertools.pairwise(rates))


def test_flow_matching_undoes_the_straight_line():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(8)
    clean, noise = torch.randn(2, 1, 3, 4)
    for position, timestep in enumerate(scheduler.timesteps):
        sigma = float(scheduler.sigmas[position])
        a, b = denoised_coefficients(scheduler, timestep)
        signal, rate = signal_and_noise_rates(scheduler, timestep)
        assert torch.allclose(a * ((1 - sigma) * clean + sigma * noise) + b * (noise - clean), clean, atol=1e-5)
        assert signal * sigma == pytest.approx(rate * (1 - sigma), abs=1e-6)


@pytest.mark.parametrize("kind", [DPMSolverMultistepScheduler, UniPCMultistepScheduler])
def test_solvers_on_flow_sigmas_are_read_as_flow_matching(kind):
    scheduler = kind(use_flow_sigmas=True, prediction_type="flow_prediction")
    scheduler.set_timesteps(8)
    for timestep in scheduler.timesteps:
        sample, output = torch.randn(2, 1, 3, 4)
        a, b = denoised_coefficients(scheduler, timestep)
        assert a == 1 and signal_and_noise_rates(scheduler, timestep)[0] * -b == pytest.approx(
            signal_and_noise_rates(scheduler, timestep)[1] * (1 + b)
        )
        assert torch.allclose(a * sample + b * output, own_prediction(scheduler, output, timestep, sample), atol=1e-5)


def test_the_position_is_the_one_that_the_scheduler_counts_or_else_the_nearest_timestep():
    timesteps = torch.tensor([900.0, 600.0, 600.0, 300.0])
    counted = SimpleNamespace(step_index=2, begin_index=1, timesteps=timesteps, index_for_timestep=lambda timestep: 3)
    assert step_position(counted, 900) == 2
    counted.step_index = None
    assert step_position(counted, 900) == 1
    counted.begin_index = None
    assert step_position(counted, 900) == 3
    plain = SimpleNamespace(timesteps=timesteps)
    assert [step_position(plain, timestep) for timestep in (900, 610.0, torch.tensor(290))] == [0, 1, 3]


def test_a_scheduler_of_ones_own_is_asked_first():
    class Deblending:
        def denoised_coefficients(self, timestep):
            return 1.0, 1.0 - timestep

    assert denoised_coefficients(Deblending(), 0.25) == (1.0, 0.75)


@pytest.mark.parametrize("kind", [HeunDiscreteScheduler, FlowMatchHeunDiscreteScheduler])
def test_refuses_solvers_of_two_evaluations(kind):
    scheduler = kind()
    scheduler.set_timesteps(4)
    with pytest.raises(TypeError, match="more than once a step"):
        denoised_coefficients(scheduler, scheduler.timesteps[0])


def test_refuses_unknown_schedulers_and_clipping():
    unknown = IPNDMScheduler()
    unknown.set_timesteps(4)
    with pytest.raises(TypeError, match=r"IPNDMScheduler is not .* CosineDDIMScheduler"):
        denoised_coefficients(unknown, unknown.timesteps[0])
    with pytest.raises(TypeError, match="SimpleNamespace is not a scheduler whose"):
        denoised_coefficients(SimpleNamespace(config={}), 0)
    for option in ("clip_sample", "thresholding"):
        bending = DDIMScheduler(**({"clip_sample": False} | {option: True}))
        bending.set_timesteps(4)
        with pytest.raises(ValueError, match=f"{option}=False"):
            denoised_coefficients(bending, bending.timesteps[0])


def test_refuses_epsilon_without_signal():
    scheduler = DDIMScheduler(clip_sample=False, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="no signal is left"):
        denoised_coefficients(scheduler, scheduler.timesteps[0])
