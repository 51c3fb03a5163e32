import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import classifier_free_guidance, rescale_std


def naive_std(values):
    mean = sum(values) / len(values)
    return (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


@given(scale=st.floats(-2, 10))
def test_guidance_is_the_line_through_both_predictions(scale):
    cond, uncond = torch.randn(2, 2, 3, 5, dtype=torch.float64)
    guided = classifier_free_guidance(cond, uncond, scale)
    assert torch.allclose(guided, (1 - scale) * uncond + scale * cond)


def test_weight_one_is_the_conditional_prediction_itself():
    cond, uncond = torch.randn(2, 2, 3, 5)
    assert classifier_free_guidance(cond, uncond, 1.0) is cond
    assert torch.equal(classifier_free_guidance(cond, uncond, 0.0), uncond)


@given(amount=st.floats(0, 1), factor=st.floats(0.1, 20))
def test_the_spread_goes_the_stated_share_of_the_way_back(amount, factor):
    cond = torch.randn(2, 3, 7, dtype=torch.float64)
    guided = factor * cond.flip(-1) + 2.0
    rescaled = rescale_std(guided, cond, amount)
    for item in range(2):
        goal = naive_std(cond[item].flatten().tolist())
        spread = naive_std(guided[item].flatten().tolist())
        wanted = amount * goal + (1 - amount) * spread
        assert naive_std(rescaled[item].flatten().tolist()) == pytest.approx(wanted, rel=1e-4)
        assert torch.allclose(rescaled[item] / guided[item], rescaled[item, 0, 0] / guided[item, 0, 0], rtol=1e-6)


def test_per_channel_gives_each_channel_its_own_spread_back():
    cond = torch.randn(2, 3, 50)
    guided = cond * torch.tensor([2.0, 5.0, 0.5]).reshape(1, 3, 1)
    assert torch.allclose(rescale_std(guided, cond, 1.0, dim=-1), cond, atol=1e-5)
    assert not torch.allclose(rescale_std(guided, cond, 1.0), cond, atol=0.1)


@pytest.mark.parametrize("dim", [None, -1])
@pytest.mark.parametrize("frames", [1, 8])
def test_silence_stays_finite_and_as_it_is(dim, frames):
    silence = torch.full((1, 3, frames), -4.0)
    assert torch.equal(rescale_std(silence, silence, 0.7, dim), silence)
    assert torch.isfinite(rescale_std(torch.randn(1, 3, frames), silence, 0.7, dim)).all()


def test_bfloat16_is_measured_in_float32():
    cond = torch.randn(1, 4, 20_000).bfloat16()
    for factor in (1.37, 2.9, 5.3):
        rescaled = rescale_std((factor * cond.float()).bfloat16(), cond, 1.0)
        assert rescaled.dtype == torch.bfloat16
        # Rounding of single values averages out; a deviation rounded to bfloat16 would be off by up to 0.4 %.
        assert rescaled.float().std().item() == pytest.approx(cond.float().std().item(), rel=3e-4)
