import inspect
import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from latentstem import CosineDDIMScheduler, denoised_coefficients, on_denoised
from latentstem.sampling import DenoisedStep, step_from_denoised

# diffusers hands tensors to numpy in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = CosineDDIMScheduler().config
KINDS = [CosineDDIMScheduler, DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler]


def build(kind, steps=8):
    scheduler = (
        FlowMatchEulerDiscreteScheduler() if kind is FlowMatchEulerDiscreteScheduler else kind.from_config(CONFIG)
    )
    scheduler.set_timesteps(steps)
    return scheduler


def sample_with(scheduler, *hooks, noise=None, return_dict=True):
    """A whole run of a fixed nonlinear net, from noise that is always the same."""
    sample = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0))
    sample = sample * getattr(scheduler, "init_noise_sigma", 1.0)
    with on_denoised(scheduler, *hooks, noise=noise):
        for timestep in scheduler.timesteps:
            seen = scheduler.scale_model_input(sample, timestep) if hasattr(scheduler, "scale_model_input") else sample
            result = scheduler.step(torch.sin(2 * seen), timestep, sample, return_dict=return_dict)
            sample = result.prev_sample if return_dict else result[0]
    return sample


def idle(denoised, step):
    return denoised


@pytest.mark.parametrize("kind", [*KINDS, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler])
@pytest.mark.parametrize("return_dict", [True, False])
def test_an_idle_hook_is_bitwise_the_stock_output(kind, return_dict):
    plain = sample_with(build(kind), return_dict=return_dict)
    assert torch.equal(sample_with(build(kind), idle, return_dict=return_dict), plain)
    if kind in (CosineDDIMScheduler, DDIMScheduler):
        assert torch.equal(sample_with(build(kind), idle, noise="keep", return_dict=return_dict), plain)


@pytest.mark.parametrize("kind", [*KINDS, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler])
def test_what_the_hook_says_is_where_the_run_ends(kind):
    goal = torch.randn(2, 3, 11)
    assert torch.allclose(sample_with(build(kind), lambda denoised, step: goal), goal, atol=2e-4)


@pytest.mark.parametrize("kind", [CosineDDIMScheduler, DDIMScheduler])
def test_one_step_follows_the_equations_of_both_ways_of_noise(kind):
    scheduler = build(kind)
    timestep, arrived = scheduler.timesteps[2], scheduler.timesteps[3]
    sample, output, edit = torch.randn(3, 2, 3, 11)
    signal, noise_rate = scheduler.alphas_cumprod[timestep].sqrt(), (1 - scheduler.alphas_cumprod[timestep]).sqrt()
    signal2, noise_rate2 = scheduler.alphas_cumprod[arrived].sqrt(), (1 - scheduler.alphas_cumprod[arrived]).sqrt()
    clean = signal * sample - noise_rate * output + edit
    noise_of = {
        "keep": noise_rate * sample + signal * output,
        "rederive": (sample - signal * clean) / noise_rate,
    }
    for mode, noise in noise_of.items():
        with on_denoised(scheduler, lambda denoised, step: denoised + edit, noise=mode):
            result = scheduler.step(output, timestep, sample)
        assert torch.allclose(result.pred_original_sample, clean, atol=1e-5)
        assert torch.allclose(result.prev_sample, signal2 * clean + noise_rate2 * noise, atol=1e-5)


def test_hooks_run_in_order_and_mix_both_ways_of_noise():
    def double(denoised, step):
        return 2 * denoised

    def add(denoised, step):
        return denoised + 1

    add.noise = "keep"
    scheduler = build(CosineDDIMScheduler)
    timestep = scheduler.timesteps[4]
    sample, output = torch.randn(2, 2, 3, 11)
    clean = scheduler.step(output, timestep, sample).pred_original_sample
    with on_denoised(scheduler, double):
        doubled = scheduler.step(output, timestep, sample).prev_sample
    with on_denoised(scheduler, double, add):
        result = scheduler.step(output, timestep, sample)
    assert torch.allclose(result.pred_original_sample, 2 * clean + 1, atol=1e-5)
    assert torch.allclose(result.prev_sample, doubled + scheduler.previous_signal_rate(timestep), atol=1e-5)
    with on_denoised(scheduler, add), on_denoised(scheduler, double):
        nested = scheduler.step(output, timestep, sample)
    assert torch.allclose(nested.pred_original_sample, 2 * clean + 1, atol=1e-5)


@pytest.mark.parametrize("noise", ["rederive", "keep"])
def test_hooks_of_one_kind_act_like_one_hook_that_does_what_they_do(noise):
    scheduler = build(CosineDDIMScheduler)
    sample, output = torch.randn(2, 2, 3, 11)

    def stepped(*hooks):
        with on_denoised(scheduler, *hooks, noise=noise):
            return scheduler.step(output, scheduler.timesteps[3], sample).prev_sample

    one_by_one = stepped(lambda x, step: 2 * x, lambda x, step: x + 1, lambda x, step: -x)
    torch.testing.assert_close(one_by_one, stepped(lambda x, step: -2 * x - 1))


@pytest.mark.parametrize("noise", ["rederive", "keep"])
def test_hooks_act_on_steps_from_the_clean_sample_too(noise):
    scheduler = build(CosineDDIMScheduler)
    timestep, (sample, output) = scheduler.timesteps[3], torch.randn(2, 2, 3, 11)

    def add(denoised, step):
        return denoised + 1

    with on_denoised(scheduler, add, noise=noise):
        expected = scheduler.step(output, timestep, sample)
        clean = expected.pred_original_sample - 1
        inside = scheduler.step_from_denoised(clean, timestep, sample)
    outside = step_from_denoised(scheduler, clean, timestep, sample, [add], noise)
    for result in (inside, outside.result):
        torch.testing.assert_close(result.prev_sample, expected.prev_sample)
        torch.testing.assert_close(result.pred_original_sample, expected.pred_original_sample)
    torch.testing.assert_close(outside.denoised, clean + 1)
    assert "step_from_denoised" not in vars(scheduler)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("ends_at_one", [True, False])
def test_a_kept_edit_of_ddim_weighs_what_the_clean_sample_weighs_on_arrival(spacing, ends_at_one):
    scheduler = DDIMScheduler(1024, clip_sample=False, set_alpha_to_one=ends_at_one, timestep_spacing=spacing)
    scheduler.set_timesteps(8)
    sample, silence = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    for timestep in scheduler.timesteps:
        plain = scheduler.step(silence, timestep, sample)  # without noise, the next sample is the clean one's share
        with on_denoised(scheduler, lambda denoised, step: denoised + 1, noise="keep"):
            moved = scheduler.step(silence, timestep, sample).prev_sample - plain.prev_sample
        torch.testing.assert_close(moved, plain.prev_sample / plain.pred_original_sample)


@pytest.mark.parametrize(
    ("start", "stop", "expected"), [(0.0, 1.0, range(10)), (0.2, 0.5, [2, 3, 4]), (0.25, 0.59, [2, 3, 4]), (1, 1, [])]
)
def test_a_window_holds_its_first_step_and_not_its_last(start, stop, expected):
    steps = [DenoisedStep(index, 10, 0, torch.zeros(1), 0.6, 0.8) for index in range(10)]
    assert [step.index for step in steps if step.is_within(start, stop)] == [*expected]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None; expected the clean sample"),
        (torch.zeros(1, 2, 4), r"of shape \(1, 2, 4\); expected .* of shape \(1, 2, 3\)"),
        (torch.full((1, 2, 3), torch.nan), "NaN|not finite"),
    ],
)
def test_a_hook_that_returns_something_else_is_refused(returned, message):
    scheduler = build(CosineDDIMScheduler)
    with on_denoised(scheduler, lambda denoised, step: returned), pytest.raises(ValueError, match=message):
        scheduler.step(torch.zeros(1, 2, 3), 1023, torch.zeros(1, 2, 3))


def test_a_hook_with_an_unknown_treatment_of_the_noise_is_refused():
    def hook(denoised, step):
        return denoised

    hook.noise = "forget"
    scheduler = build(CosineDDIMScheduler)
    with on_denoised(scheduler, hook), pytest.raises(ValueError, match="got 'forget'"):
        scheduler.step(torch.zeros(1, 2, 3), 1023, torch.zeros(1, 2, 3))


def test_a_hook_that_edits_in_place_is_noticed():
    def double(denoised, step):
        return denoised.mul_(2)

    assert torch.equal(
        sample_with(build(CosineDDIMScheduler), double), sample_with(build(CosineDDIMScheduler), lambda x, step: 2 * x)
    )


def test_a_net_in_half_precision_is_left_alone_by_idle_hooks():
    scheduler = build(CosineDDIMScheduler)
    sample, output = torch.randn(2, 1, 3, 11)
    plain = scheduler.step(output.bfloat16(), 1023, sample).prev_sample
    with on_denoised(scheduler, idle):
        assert torch.equal(scheduler.step(output.bfloat16(), 1023, sample).prev_sample, plain)


@pytest.mark.parametrize("kind", [*KINDS, EulerDiscreteScheduler])
def test_the_step_tells_where_the_run_is(kind):
    seen = []
    scheduler = build(kind, steps=4)
    sample_with(scheduler, lambda denoised, step: seen.append(step) or denoised)
    assert [step.index for step in seen] == [0, 1, 2, 3]
    assert {step.total for step in seen} == {4}
    assert [float(step.timestep) for step in seen] == scheduler.timesteps.tolist()
    for step in seen:
        alpha = float(CosineDDIMScheduler().alphas_cumprod[round(float(step.timestep))])
        assert step.signal_rate == pytest.approx(math.sqrt(alpha), abs=1e-3)
        assert step.noise_rate == pytest.approx(math.sqrt(1 - alpha), abs=1e-3)


def test_step_looks_as_before_inside_and_is_as_before_after():
    scheduler = build(DDIMScheduler)
    signature = inspect.signature(scheduler.step)
    with on_denoised(scheduler, idle):
        assert inspect.signature(scheduler.step) == signature
        with on_denoised(scheduler, idle):
            assert inspect.signature(scheduler.step) == signature
    assert "step" not in vars(scheduler)
    with pytest.raises(RuntimeError, match="in the middle"), on_denoised(scheduler, idle):
        raise RuntimeError("in the middle")
    assert "step" not in vars(scheduler)


def test_keeping_the_noise_needs_ddim():
    with pytest.raises(TypeError, match="UniPCMultistepScheduler"):
        sample_with(build(UniPCMultistepScheduler), idle, noise="keep")
    with pytest.raises(ValueError, match="'forget'"), on_denoised(build(DDIMScheduler), idle, noise="forget"):
        pass


def test_refuses_steps_that_change_the_noise_level():
    scheduler = build(EulerDiscreteScheduler)
    scheduler.scale_model_input(torch.zeros(1, 2, 3), scheduler.timesteps[0])
    with on_denoised(scheduler, idle), pytest.raises(ValueError, match="s_churn"):
        scheduler.step(torch.zeros(1, 2, 3), scheduler.timesteps[0], torch.zeros(1, 2, 3), s_churn=0.5)
    scheduler = build(FlowMatchEulerDiscreteScheduler)
    with on_denoised(scheduler, idle), pytest.raises(ValueError, match="per_token_timesteps"):
        scheduler.step(
            torch.zeros(1, 2, 3), scheduler.timesteps[0], torch.zeros(1, 2, 3), per_token_timesteps=torch.zeros(1, 3)
        )


@pytest.mark.parametrize("kind", [*KINDS, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler])
def test_a_step_from_the_clean_sample_is_that_of_the_output_which_means_it(kind):
    mine, stock = build(kind), build(kind)
    timestep, (sample, output) = mine.timesteps[2], torch.randn(2, 2, 3, 11)
    for scheduler in (mine, stock):
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(2)
    a, b = denoised_coefficients(mine, timestep)
    stepped = step_from_denoised(mine, a * sample + b * output, timestep, sample)
    expected = stock.step(output, timestep, sample).prev_sample
    torch.testing.assert_close(stepped.result.prev_sample, expected, rtol=1e-4, atol=1e-4)
