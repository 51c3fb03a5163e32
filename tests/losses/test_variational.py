"""The divergence against sampling, and the losses against equations (5) to (10) written out for one pair."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from latentstem.losses import (
    cross_reconstruction_terms,
    gaussian_kl,
    reconstruction_errors,
    reconstruction_terms,
    sample_gaussian,
)

gaussians = st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2)).map(torch.tensor)


def density(mean, log_variance):
    return Normal(mean, (0.5 * log_variance).exp())


@settings(deadline=None, max_examples=20)
@given(gaussians, gaussians, st.integers(0, 2**32 - 1))
def test_the_divergence_is_the_mean_of_log_ratios_over_samples(own, other, seed):
    (mean, log_variance), (other_mean, other_log_variance) = own.view(2, 2), other.view(2, 2)
    generator = torch.Generator().manual_seed(seed)
    drawn = sample_gaussian(mean.expand(40_000, 2), log_variance.expand(40_000, 2), generator)
    own_density, other_density = density(mean, log_variance), density(other_mean, other_log_variance)
    ratios = (own_density.log_prob(drawn) - other_density.log_prob(drawn)).sum(-1)
    error = float(ratios.std() / math.sqrt(len(ratios)))
    found = float(gaussian_kl(mean, log_variance, other_mean, other_log_variance))
    assert found == pytest.approx(float(ratios.mean()), abs=6 * error + 1e-5)


@given(gaussians)
def test_without_another_the_divergence_is_from_the_standard_normal(own):
    mean, log_variance = own.view(2, 2)
    zeros = torch.zeros(2)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), gaussian_kl(mean, log_variance, zeros, zeros))
    torch.testing.assert_close(
        gaussian_kl(mean, log_variance, mean, log_variance), torch.tensor(0.0), atol=1e-6, rtol=0
    )


def test_samples_are_reproducible_and_let_gradients_through():
    mean, log_variance = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    first, second = (sample_gaussian(mean, log_variance, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    first.sum().backward()
    assert torch.equal(mean.grad, torch.ones(3, 2))
    torch.testing.assert_close(log_variance.grad, 0.5 * first.detach())  # z = m + s n, dz/dlog s^2 = s n / 2


def test_the_cross_entropy_of_bins_is_that_of_classification_and_leaves_out_what_has_no_pitch():
    logits, bins = torch.randn(2, 1, 5, 12), torch.randint(0, 12, (2, 1, 5))
    probabilities = F.one_hot(bins, 12).float()
    probabilities[0, 0, 2:] = 0.0
    counted = probabilities.sum(-1) > 0
    found = reconstruction_errors({"f0": logits}, {"f0": probabilities})["f0"]
    torch.testing.assert_close(found, F.cross_entropy(logits[counted], bins[counted]))
    logits.requires_grad_()
    silent = reconstruction_errors({"f0": logits}, {"f0": torch.zeros_like(probabilities)})["f0"]
    silent.backward()
    assert silent == 0 and not logits.grad.any()


def test_a_step_that_two_pitches_share_is_best_explained_by_their_shares():
    shares = torch.tensor([[0.25, 0.75, 0.0]])

    def cost(first):
        return float(
            reconstruction_errors({"f0": torch.tensor([[first, 1 - first, 1e-9]]).log()}, {"f0": shares})["f0"]
        )

    assert cost(0.25) < min(cost(0.2), cost(0.3))


def test_shares_weigh_steps_and_their_sum_does_not_matter():
    logits, shares = torch.randn(1, 2, 4), torch.rand(1, 2, 4)
    once, softer = (reconstruction_errors({"f0": logits}, {"f0": scale * shares})["f0"] for scale in (1.0, 1e-3))
    torch.testing.assert_close(once, softer)


def pair(seed):
    """Two items: what a model returned for them, and their basses."""
    torch.manual_seed(seed)
    output = {
        "mean": torch.randn(2, 2),
        "log_variance": torch.randn(2, 2),
        "spectrogram": torch.randn(2, 1, 4, 6),
        "f0": torch.randn(2, 1, 4, 6),
        "onset": torch.randn(2, 1, 4),
        "level": torch.randn(2, 1, 4),
    }
    f0 = F.one_hot(torch.randint(0, 6, (2, 1, 4)), 6).float()
    target = {
        "spectrogram": torch.randn(2, 1, 4, 6),
        "f0": f0,
        "onset": torch.rand(2, 1, 4),
        "level": torch.rand(2, 1, 4),
    }
    return output, target


def equation_10(output, target, item):
    """Without reparametrization: what was decoded is given."""
    own, standard = density(output["mean"][item], output["log_variance"][item]), Normal(torch.zeros(2), torch.ones(2))
    terms = [torch.distributions.kl_divergence(own, standard).sum()]
    terms.append((output["spectrogram"][item] - target["spectrogram"][item]).square().mean())
    terms.append(-(target["f0"][item] * output["f0"][item].softmax(-1).log()).sum(-1).mean())
    for name in ("onset", "level"):
        chance, wanted = output[name][item].sigmoid(), target[name][item]
        terms.append(-(wanted * chance.log() + (1 - wanted) * (1 - chance).log()).mean())
    return sum(terms)


@given(st.integers(0, 1000))
def test_the_terms_add_up_to_the_equations(seed):
    output, target = pair(seed)
    plain = sum(reconstruction_terms(output, target).values())
    torch.testing.assert_close(plain, sum(equation_10(output, target, item) for item in (0, 1)) / 2)
    crossed = sum(cross_reconstruction_terms(output, target, torch.tensor([1, 0])).values())
    first, second = (density(output["mean"][item], output["log_variance"][item]) for item in (0, 1))
    both_ways = (
        torch.distributions.kl_divergence(first, second).sum() + torch.distributions.kl_divergence(second, first).sum()
    )
    torch.testing.assert_close(crossed, plain + both_ways / 2)


def test_of_the_spectrogram_alone_the_terms_are_those_of_equations_5_and_8():
    output, target = pair(0)
    alone = {"spectrogram": target["spectrogram"]}
    assert list(reconstruction_terms(output, alone)) == ["divergence", "spectrogram"]
    crossed = cross_reconstruction_terms(output, alone, torch.tensor([1, 0]))
    assert list(crossed) == ["cross_divergence", "divergence", "spectrogram"]


def test_an_item_that_is_its_own_partner_does_not_diverge():
    output, target = pair(1)
    assert cross_reconstruction_terms(output, target, torch.arange(2))["cross_divergence"] == 0


def test_half_precision_is_compared_in_float32():
    output, target = pair(2)
    half = {name: values.bfloat16() for name, values in output.items()}
    assert {term.dtype for term in reconstruction_terms(half, target).values()} == {torch.float32}


def test_what_does_not_fit_is_named():
    output, target = pair(3)
    with pytest.raises(ValueError, match=r"got onset of shape \(2, 1, 4\) in the output; expected .* \(2, 4\)"):
        reconstruction_errors(output, {"onset": torch.zeros(2, 4)})
    with pytest.raises(ValueError, match="got no spectrogram in the output"):
        reconstruction_errors({}, target)
    with pytest.raises(ValueError, match=r"got a target of \['pitch'\]; expected at least one of spectrogram"):
        reconstruction_errors(output, {"pitch": target["f0"]})
    with pytest.raises(ValueError, match="one index for each of the 2 items"):
        cross_reconstruction_terms(output, target, torch.tensor([1, 0, 0]))
