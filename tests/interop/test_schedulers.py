"""Our net under the solvers of diffusers: which of them agree exactly, and how fast the others close in."""

import logging

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from latentstem import CosineDDIMScheduler

SOLVERS = [
    DDIMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
]
STEPS = 16


@pytest.fixture(scope="module")
def sample(build_pipeline):
    """Latents of one mix and one noise by the whole pipeline, guided, under a scheduler built by `build(config)`."""
    pipe = build_pipeline(max_signal_rate=0.99, guidance_scale=2.0)
    config = pipe.scheduler.config
    mix = 0.2 * torch.randn(1, 40_000, generator=torch.Generator().manual_seed(5))

    def run(build=CosineDDIMScheduler.from_config, steps=STEPS):
        pipe.scheduler = build(config)
        options = {"num_inference_steps": steps, "generator": torch.Generator().manual_seed(0)}
        return pipe(mix, sampling_rate=44100, output_type="latent", **options).audios

    return run


def test_ddim_of_diffusers_is_ours(sample):
    torch.testing.assert_close(sample(DDIMScheduler.from_config), sample(), atol=1e-4, rtol=0)


def test_dpm_solver_of_first_order_is_ddim(sample):
    """Lu et al. 2022, arXiv 2211.01095, section 4: the first order of DPM-Solver++ is DDIM."""

    def build(config):
        return DPMSolverMultistepScheduler.from_config(config, solver_order=1, final_sigmas_type="zero")

    torch.testing.assert_close(sample(build), sample(), atol=1e-4, rtol=0)


def test_unipc_of_first_order_without_corrector_is_ddim(sample):
    """Zhao et al. 2023, arXiv 2302.04867, section 3.3: UniP of first order is DDIM."""

    def build(config):
        return UniPCMultistepScheduler.from_config(config, solver_order=1, disable_corrector=list(range(STEPS)))

    torch.testing.assert_close(sample(build), sample(), atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def error(sample):
    """How far a solver ends, after some steps, from where small steps lead."""
    exact = sample(steps=512)

    def measure(build, steps):
        return ((sample(build, steps) - exact).norm() / exact.norm()).item()

    return measure


def test_half_the_step_is_half_the_error_of_ddim(error):
    build = DDIMScheduler.from_config
    assert error(build, 16) / error(build, 32) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("solver", [DPMSolverMultistepScheduler, UniPCMultistepScheduler])
def test_solvers_of_higher_order_are_nearer_with_half_the_steps(error, solver):
    assert error(solver.from_config, 16) < 0.8 * error(DDIMScheduler.from_config, 32)
    assert error(solver.from_config, 32) < 0.5 * error(solver.from_config, 16)


@pytest.mark.parametrize("solver", SOLVERS)
def test_diffusers_reads_our_config_without_a_word(solver, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    ours = CosineDDIMScheduler(max_signal_rate=0.98)
    stock = solver.from_config(ours.config)
    back = CosineDDIMScheduler.from_config(stock.config)
    assert [record.getMessage() for record in caplog.records] == []
    assert torch.equal(stock.alphas_cumprod, ours.alphas_cumprod)
    assert back.config == {**ours.config, **{key: back.config[key] for key in back.config if key.startswith("_")}}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_pipeline_built_with_a_solver_of_diffusers_knows_the_trained_schedule(build_pipeline, solver):
    pipe = build_pipeline(max_signal_rate=0.98)
    components = {**pipe.components, "scheduler": solver.from_config(pipe.scheduler.config)}
    schedule = type(pipe)(**components).config.trained_schedule
    for rates in ("signal_rates", "noise_rates"):
        assert schedule[rates] == pytest.approx(pipe.config.trained_schedule[rates], abs=1e-5)
    assert (schedule["num_train_timesteps"], schedule["prediction_type"]) == (1024, "v_prediction")
    assert (schedule["signal_rates"][0], schedule["signal_rates"][-1]) == pytest.approx((0.98, 0.02), abs=1e-5)
