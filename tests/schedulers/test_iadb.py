"""Deblending: exact where the data are known, equal to flow matching and DDIM, of the orders that its solvers have."""

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from latentstem import (
    CosineDDIMScheduler,
    IADBScheduler,
    InpaintRegions,
    Objective,
    StemAccompanimentPipeline,
    denoised_coefficients,
    on_denoised,
)

SOLVERS = ["euler", "midpoint", "heun", "rk4"]
MEAN, DEVIATION = 1.5, 0.4


def spread(noise_rate):
    """Deviation of a blend of Gaussian noise and Gaussian data."""
    return math.hypot((1 - noise_rate) * DEVIATION, noise_rate)


def gaussian_net(sample, noise_rate):
    """E[noise - data | sample] for data of MEAN and DEVIATION, by the regression of joint Gaussians."""
    covariance = noise_rate - (1 - noise_rate) * DEVIATION**2
    return covariance / spread(noise_rate) ** 2 * (sample - (1 - noise_rate) * MEAN) - MEAN


def gaussian_path(noise, noise_rate):
    """Solution of dx/dr = gaussian_net(x, r) through the noise at r = 1."""
    return (1 - noise_rate) * MEAN + spread(noise_rate) * noise


def run(scheduler, sample, net=gaussian_net, **options):
    scheduler.set_timesteps(**options)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(net(sample, float(timestep) / len(scheduler)), timestep, sample).prev_sample
    return sample


def nonlinear_net(sample, noise_rate):
    return torch.sin(3 * sample) + noise_rate * sample


@pytest.mark.parametrize("solver", SOLVERS)
@given(steps=st.integers(1, 9), total=st.integers(1, 2000))
def test_a_net_that_knows_the_data_reaches_them_in_any_number_of_steps(solver, steps, total):
    data, noise = torch.randn(2, 3, 5)
    net = lambda sample, noise_rate: (sample - data) / noise_rate  # noqa: E731
    scheduler = IADBScheduler(total, solver)
    assert torch.allclose(run(scheduler, noise, net, num_inference_steps=steps), data, atol=1e-4)
    # The other way the path is straight as well, and begins where no noise is left to divide by.
    inverted = run(scheduler, data, lambda *_: noise - data, num_inference_steps=steps, invert=True)
    assert torch.allclose(inverted, noise, atol=1e-4)


def test_every_evaluation_says_the_clean_sample():
    data, sample = torch.randn(2, 3, 5)
    scheduler = IADBScheduler(solver="rk4")
    scheduler.set_timesteps(3)
    for timestep in scheduler.timesteps:
        result = scheduler.step((sample - data) / (timestep / 1024), timestep, sample)
        assert torch.allclose(result.pred_original_sample, data, atol=1e-5)
        sample = result.prev_sample


@given(sigmas=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12, unique_by=lambda sigma: round(sigma, 2)))
def test_euler_is_flow_matching_of_diffusers_on_the_same_grid(sigmas):
    sigmas = sorted(sigmas, reverse=True)
    ours, stock = IADBScheduler(1000), FlowMatchEulerDiscreteScheduler(1000)
    ours.set_timesteps(sigmas=sigmas)
    stock.set_timesteps(sigmas=sigmas)
    assert torch.allclose(ours.timesteps, stock.timesteps, atol=1e-3)
    mine = theirs = torch.randn(2, 3, 7)
    for own, other in zip(ours.timesteps, stock.timesteps, strict=True):
        output = nonlinear_net(mine, float(own) / 1000)
        mine, theirs = (
            ours.step(output, own, mine).prev_sample,
            stock.step(output, other, theirs).prev_sample,
        )
        assert torch.allclose(mine, theirs, atol=1e-5)


def cosine_rates(scheduler):
    return [scheduler.signal_and_noise_rates(timestep) for timestep in scheduler.timesteps]


def test_euler_is_ddim_after_reparametrization():
    """On the noise levels that DDIM visits, x_ddim / (signal + noise) = x_blend, step by step, for any net.

    Both move to `signal * clean + noise_rate * noise` of the next level, from estimates of clean sample and noise that
    one net gives; only float32 stands between them.
    """
    ddim = CosineDDIMScheduler(prediction_type="sample")
    ddim.set_timesteps(20)
    rates = cosine_rates(ddim)
    blend = IADBScheduler()
    blend.set_timesteps(sigmas=[noise / (signal + noise) for signal, noise in rates])
    circle = torch.randn(2, 3, 7)
    straight = circle / sum(rates[0])
    for (signal, noise), on_circle, on_line in zip(rates, ddim.timesteps, blend.timesteps, strict=True):
        assert torch.allclose(circle / (signal + noise), straight, atol=1e-5)
        output = nonlinear_net(straight, 0.0)
        noise_rate = float(on_line) / 1024
        circle = ddim.step(straight - noise_rate * output, on_circle, circle).prev_sample
        straight = blend.step(output, on_line, straight).prev_sample
    assert torch.allclose(circle, straight, atol=1e-5)


def test_all_solvers_and_ddim_follow_one_equation():
    """All end near the exact solution: Runge-Kutta's 64 steps within 1e-3, Euler's and DDIM's 256 within 0.02.

    The greatest part of DDIM's error is its last step, from a signal rate of 0.999 to 1, a noise rate of 0.045.
    """
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    end = MEAN + DEVIATION * noise
    for solver in SOLVERS:
        steps, bound = (256, 0.02) if solver == "euler" else (64, 1e-3)
        sampled = run(IADBScheduler(solver=solver), noise, num_inference_steps=steps)
        assert (sampled - end).abs().max() < bound, solver
    ddim = CosineDDIMScheduler(prediction_type="sample")
    ddim.set_timesteps(256)
    signal, rate = cosine_rates(ddim)[0]
    circle = gaussian_path(noise, rate / (signal + rate)) * (signal + rate)
    for (signal, rate), timestep in zip(cosine_rates(ddim), ddim.timesteps, strict=True):
        straight, noise_rate = circle / (signal + rate), rate / (signal + rate)
        denoised = straight - noise_rate * gaussian_net(straight, noise_rate)
        circle = ddim.step(denoised, timestep, circle).prev_sample
    assert (circle - end).abs().max() < 0.02


MIXTURE = ((0.7, 1.0), (0.3, -1.0))
"""Weights and means of two Gaussians of deviation 0.5. On data of one Gaussian the midpoint method is of order 3."""


def mixture_net(sample, noise_rate):
    """E[noise - data | sample] for data of the mixture: the regressions of both Gaussians, by their posteriors."""
    variance = (0.5 * (1 - noise_rate)) ** 2 + noise_rate**2
    slope = (noise_rate - 0.25 * (1 - noise_rate)) / variance
    away = [(weight, mean, sample - (1 - noise_rate) * mean) for weight, mean in MIXTURE]
    densities = [weight * torch.exp(-(distance**2) / (2 * variance)) for weight, _, distance in away]
    parts = [density * (slope * away[i][2] - away[i][1]) for i, density in enumerate(densities)]
    return sum(parts) / sum(densities)


def mixture_cdf(data):
    return sum(weight * torch.special.ndtr((data - mean) / 0.5) for weight, mean in MIXTURE)


@pytest.mark.parametrize(("solver", "order"), [*zip(SOLVERS, (1, 2, 2, 4), strict=True)])
@pytest.mark.parametrize("invert", [False, True])
def test_errors_shrink_at_the_order_of_the_solver(solver, order, invert):
    """In one dimension paths do not cross, so that each keeps its quantile from noise to data."""
    start = torch.tensor([-1.5, -0.7, 0.1, 0.6, 1.5], dtype=torch.float64)
    before, after = (mixture_cdf, torch.special.ndtr) if invert else (torch.special.ndtr, mixture_cdf)
    errors = []
    for steps in (16, 32):
        end = run(IADBScheduler(solver=solver), start, mixture_net, num_inference_steps=steps, invert=invert)
        errors.append((after(end) - before(start)).abs().max().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


def test_inversion_and_sampling_undo_each_other():
    data = MEAN + DEVIATION * torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(3))
    gaps = {}
    for solver in ("euler", "rk4"):
        scheduler = IADBScheduler(solver=solver)
        noise = run(scheduler, data, num_inference_steps=32, invert=True)
        gaps[solver] = (run(scheduler, noise, num_inference_steps=32) - data).abs().max().item()
    assert gaps["rk4"] < 2e-4
    assert gaps["euler"] > 1e-2  # so the round trip is not the identity by construction


@given(timesteps=st.lists(st.floats(0.5, 1000), min_size=1, max_size=4))
def test_noise_is_added_and_taken_away_again(timesteps):
    scheduler = IADBScheduler(1000)
    times = torch.tensor(timesteps)
    clean, noise = torch.randn(2, len(timesteps), 3, 5)
    noisy = scheduler.add_noise(clean, noise, times)
    for item, timestep in enumerate(times):
        share = timestep / 1000
        assert torch.allclose(noisy[item], share * noise[item] + (1 - share) * clean[item], atol=1e-6)
        a, b = denoised_coefficients(scheduler, timestep)
        assert torch.allclose(a * noisy[item] + b * (noise - clean)[item], clean[item], atol=1e-5)


def test_trained_by_the_same_objective_as_flow_matching():
    ours, stock = Objective(IADBScheduler(1000)), Objective(FlowMatchEulerDiscreteScheduler(1000))
    clean, noise = torch.randn(2, 2000, 1, 3)
    timesteps = ours.draw_timesteps(2000)
    assert (timesteps != timesteps.round()).any() and timesteps.min() >= 0 and timesteps.max() <= 1000
    assert timesteps.mean().item() == pytest.approx(500, abs=35)  # five deviations of the mean
    assert torch.allclose(ours.add_noise(clean, noise, timesteps), stock.add_noise(clean, noise, timesteps), atol=1e-6)
    assert torch.equal(ours.target(clean, noise, timesteps), stock.target(clean, noise, timesteps))


@pytest.mark.parametrize("solver", SOLVERS)
def test_hooks_act_at_every_evaluation(solver):
    scheduler = IADBScheduler(solver=solver)
    seen = []

    def watch(denoised, step):
        seen.append(step)
        return denoised

    noise = torch.randn(2, 3, 11)
    plain = run(scheduler, noise, nonlinear_net, num_inference_steps=4)
    with on_denoised(scheduler, watch):
        assert torch.equal(run(scheduler, noise, nonlinear_net, num_inference_steps=4), plain)
    assert [step.index for step in seen] == list(range(len(scheduler.timesteps)))
    assert [float(step.timestep) for step in seen] == scheduler.timesteps.tolist()
    known, mask = torch.randn(3, 11), (torch.arange(11) < 5).float()
    with on_denoised(scheduler, InpaintRegions(known, mask)):
        inpainted = run(scheduler, noise, nonlinear_net, num_inference_steps=4)
    assert torch.allclose(inpainted[..., :5], known[:, :5].expand(2, 3, 5), atol=1e-4)
    assert torch.equal(inpainted[..., 5:], plain[..., 5:])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_from_the_clean_sample_is_that_of_the_output(solver):
    """Also at the first evaluation of an inversion, where the sample is clean whatever the output."""
    scheduler = IADBScheduler(solver=solver)
    data = torch.randn(2, 3, 7)
    for invert in (False, True):
        plain = run(scheduler, data, nonlinear_net, num_inference_steps=3, invert=invert)
        scheduler.set_timesteps(3, invert=invert)
        sample = data
        for timestep in scheduler.timesteps:
            a, b = denoised_coefficients(scheduler, timestep)
            denoised = a * sample + b * nonlinear_net(sample, float(timestep) / 1024)
            sample = scheduler.step((denoised - a * sample) / b, timestep, sample).prev_sample
        assert torch.allclose(sample, plain, atol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_pipeline_guides_grounds_keeps_and_varies(build_pipeline, solver, tmp_path):
    parts = build_pipeline()
    pipe = StemAccompanimentPipeline(parts.autoencoder, parts.unet, IADBScheduler(solver=solver), parts.guider)
    pipe.save_pretrained(tmp_path)
    pipe = StemAccompanimentPipeline.from_pretrained(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    assert isinstance(pipe.scheduler, IADBScheduler) and pipe.scheduler.config.solver == solver
    mix = 0.2 * torch.randn(1, 20_000)
    call = {"sampling_rate": 44100, "num_inference_steps": 3, "guidance_scale": 2.0}

    style = torch.randn(4)
    grounded = pipe(mix, style_latents=style, output_type="latent", **call).audios
    torch.testing.assert_close(grounded.mean(-1)[0], style, atol=1e-3, rtol=1e-3)

    stem = pipe(mix, **call).audios[0]
    kept = pipe(mix, init_stem=stem, keep=[(0.0, 0.2)], **call).audios[0]
    assert torch.equal(kept[..., :7000], stem[..., :7000])

    begun = []

    def note(pipe, index, timestep, tensors):
        begun.append((index, timestep))
        return tensors

    pipe(mix, init_stem=stem, strength=0.7, callback_on_step_end=note, **call)
    order = pipe.scheduler.order
    assert begun[0] == (order, pipe.scheduler.timesteps[order])  # the second of three steps
    assert len(begun) == len(pipe.scheduler.timesteps) - order


def test_saved_loaded_and_returned_as_a_tuple(tmp_path):
    IADBScheduler(500, "heun").save_pretrained(tmp_path)
    loaded = IADBScheduler.from_pretrained(tmp_path)
    assert (len(loaded), loaded.config.solver, loaded.order) == (500, "heun", 2)
    loaded.set_timesteps(4)
    sample, output = torch.randn(2, 1, 2, 5)
    previous, original = loaded.step(output, 500, sample, return_dict=False)
    assert torch.allclose(previous, sample - output / 4)
    assert torch.allclose(original, sample - output)


def test_an_inversion_visits_the_same_noise_rates_backwards():
    scheduler = IADBScheduler(1000, "midpoint")
    scheduler.set_timesteps(4)
    there = scheduler.timesteps
    scheduler.set_timesteps(4, invert=True)
    assert torch.allclose(scheduler.timesteps, 1000 - there)
    assert there.tolist() == [1000, 875, 750, 625, 500, 375, 250, 125]


@pytest.mark.parametrize("solver", SOLVERS)
def test_sampling_never_asks_the_net_where_no_noise_is_left(solver):
    scheduler = IADBScheduler(solver=solver)
    scheduler.set_timesteps(5)
    assert scheduler.timesteps.min() > 0
    assert 0 <= 5 * scheduler.order - len(scheduler.timesteps) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_inference_steps": 0}, "must be 1 or more, got 0"),
        ({}, "must be 1 or more, got None"),
        ({"sigmas": []}, "got 0 sigmas"),
        ({"sigmas": [0.5, 0.7]}, "descending"),
        ({"sigmas": [1.2, 0.7]}, "at most 1"),
        ({"sigmas": [1.0, 0.0]}, "above 0"),
        ({"sigmas": [1.0, math.nan]}, "descending"),
        ({"sigmas": [1.0, 0.5], "num_inference_steps": 3}, "got 2 sigmas for num_inference_steps=3"),
    ],
)
def test_refuses_grids_that_are_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        IADBScheduler().set_timesteps(**arguments)


def test_rates_are_the_share_of_the_timestep_and_numbers_for_numbers():
    scheduler = IADBScheduler(200)
    assert scheduler.signal_and_noise_rates(50) == (0.75, 0.25)
    signal, noise = scheduler.signal_and_noise_rates(torch.tensor([0, 50, 200]))
    assert signal.tolist() == [1.0, 0.75, 0.0] and noise.tolist() == [0.0, 0.25, 1.0]
    assert scheduler.denoised_coefficients(50) == (1.0, -0.25)
    assert scheduler.denoised_coefficients(0) == (1.0, -1e-3)
    clean, noise = torch.randn(2, 3, 2, 5, dtype=torch.bfloat16)
    noisy = scheduler.add_noise(clean, noise, torch.tensor([50]))
    assert noisy.dtype == torch.bfloat16 and torch.equal(noisy, 0.75 * clean + 0.25 * noise)


def test_a_run_begins_anew_with_its_timesteps():
    scheduler, sample = IADBScheduler(100, "midpoint"), torch.randn(1, 2)
    assert scheduler.timesteps.tolist() == list(range(100, 0, -1)) and scheduler.num_inference_steps is None
    assert scheduler.scale_model_input(sample, 5) is sample and (scheduler.order, scheduler.init_noise_sigma) == (
        2,
        1.0,
    )
    assert scheduler.step_index is None and scheduler.begin_index is None
    scheduler.set_timesteps(3)
    scheduler.set_begin_index(2)
    scheduler.step(sample, scheduler.timesteps[2], sample)
    assert (scheduler.begin_index, scheduler.step_index, scheduler.num_inference_steps) == (2, 3, 3)
    scheduler.set_timesteps(sigmas=[1.0])
    assert (scheduler.begin_index, scheduler.step_index, scheduler.num_inference_steps) == (None, None, 1)
    scheduler.set_begin_index()
    assert scheduler.begin_index == 0
    for outside in (-1, 2):
        with pytest.raises(ValueError, match=f"no step begins at index {outside} of the 2 timesteps"):
            scheduler.set_begin_index(outside)


def test_refuses_unknown_settings():
    with pytest.raises(ValueError, match="got 'rk5'"):
        IADBScheduler(solver="rk5")
    with pytest.raises(ValueError, match="num_train_timesteps=0"):
        IADBScheduler(0)


def test_refuses_steps_out_of_order():
    scheduler = IADBScheduler(solver="heun")
    sample = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="call set_timesteps first"):
        scheduler.step(sample, 1024, sample)
    scheduler.set_timesteps(2)
    with pytest.raises(ValueError, match="no step begins at timestep 256"):
        scheduler.step(sample, 256, sample)
    with pytest.raises(ValueError, match=r"no step begins at index 1 .* which is 2"):
        scheduler.set_begin_index(1)
    scheduler.step(sample, 1024, sample)
    with pytest.raises(ValueError, match=r"got timestep 1024, expected \[512.0\]"):
        scheduler.step(sample, 1024, sample)
    for timestep in (512, 512, 256):
        scheduler.step(sample, timestep, sample)
    with pytest.raises(ValueError, match="the run is over"):
        scheduler.step(sample, 256, sample)
