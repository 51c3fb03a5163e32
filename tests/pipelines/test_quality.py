"""The three qualities: fewer evaluations for less time, on the schedule that was trained."""

import pytest
import torch

from latentstem import Quality

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
