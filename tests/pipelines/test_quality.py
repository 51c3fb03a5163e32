"""The three qualities: fewer evaluations for less time, on the schedule that was trained."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from latentstem import Quality, StemAccompanimentPipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("quality", Quality)
def test_a_quality_evaluates_the_net_as_often_as_it_says(pipe, mix, quality):
    steps = quality.apply_to(pipe)
    evaluations = []
    pipe.unet.register_forward_pre_hook(lambda *_: evaluations.append(1))
    generator = torch.Generator().manual_seed(0)
    stem = pipe(mix, sampling_rate=44100, num_inference_steps=steps, generator=generator).audios
    assert len(evaluations) == steps
    assert stem.isfinite().all() and stem.shape == (1, 1, 9000)


def test_the_best_is_what_a_call_does_by_itself_even_after_another(pipe, mix):
    def stem(**options):
        return pipe(mix, sampling_rate=44100, generator=torch.Generator().manual_seed(0), **options).audios

    before = stem()
    Quality.FAST.apply_to(pipe)
    steps = Quality.BEST.apply_to(pipe)
    assert torch.equal(stem(num_inference_steps=steps), before)


def test_each_costs_less_than_the_next(pipe):
    fast, standard, best = (quality.apply_to(pipe) for quality in (Quality.FAST, Quality.STANDARD, Quality.BEST))
    assert fast < standard < best


@pytest.mark.parametrize("quality", Quality)
def test_a_net_of_flow_matching_is_solved_on_its_own_schedule(pipe, mix, quality, monkeypatch):
    """With a net that always predicts one flow, every solver ends at the noise less that flow."""
    flow = StemAccompanimentPipeline(
        pipe.autoencoder, pipe.unet, FlowMatchEulerDiscreteScheduler(num_train_timesteps=1024), pipe.guider
    )
    noise = torch.randn(1, pipe.unet.config["latent_channels"], 3, generator=torch.Generator().manual_seed(0))
    predicted = torch.randn(noise.shape, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(
        flow.unet, "forward", lambda sample, *_, **__: SimpleNamespace(sample=predicted.expand_as(sample))
    )
    Quality.FAST.apply_to(flow)  # a change of quality may follow another
    steps = quality.apply_to(flow)
    stem = flow(mix, sampling_rate=44100, num_inference_steps=steps, latents=noise, output_type="latent").audios
    torch.testing.assert_close(stem, noise - predicted, atol=1e-4, rtol=1e-4)
