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


@pytest.mark.parametrize("scale", [-1000.0, 1000.0])
def test_the_strongest_scale_is_taken_and_one_beyond_it_refused(scale):
    cond, uncond = torch.randn(2, 1, 2, 3)
    torch.testing.assert_close(classifier_free_guidance(cond, uncond, scale), uncond + scale * (cond - uncond))
    with pytest.raises(ValueError, match="expected a number from -1000 to 1000"):
        classifier_free_guidance(cond, uncond, 1.001 * scale)


@pytest.mark.parametrize("amount", [-0.01, 1.01, float("nan")])
def test_an_amount_that_is_no_share_is_refused(amount):
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        rescale_std(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), amount)


def test_soft_predictions_are_rescaled_like_loud_ones_and_dimensions_may_be_named():
    cond, guided = torch.randn(2, 2, 3, 50)
    expected = rescale_std(guided, 0.3 * cond, 0.8)
    torch.testing.assert_close(rescale_std(1e-3 * guided, 0.3e-3 * cond, 0.8), 1e-3 * expected)
    assert torch.equal(rescale_std(guided, 0.3 * cond, 0.8, dim=(1, 2)), expected)
    constant = torch.full((1, 3, 8), 2.0)
    # A constant has no deviation to divide by; the least one stands in for it.
    torch.testing.assert_close(rescale_std(constant, 1e-3 * torch.ones(1, 3, 8), 0.8), constant)
