"""The wake phase: weights of drawn latents against a plain loop, and a clustering that it finds by itself."""

import pytest
import torch
from torch import nn

from latentstem.losses import wake_terms


def test_the_terms_are_those_of_a_loop_over_groups_and_draws():
    torch.manual_seed(0)
    draws, groups = 3, torch.tensor([0, 1, 0, 1, 1])
    errors, latents = torch.rand(draws, 5), torch.randn(draws, 2, 4)[:, groups]
    mean, log_variance = torch.randn(5, 4), 0.3 * torch.randn(5, 4)
    found = wake_terms(errors, latents, mean, log_variance, groups, sharpness=2.0)
    error = naming = 0.0
    for item in range(5):
        fits = [-2.0 * sum(errors[draw][groups == groups[item]]) for draw in range(draws)]
        weights = torch.stack(fits).softmax(0)
        gaussian = torch.distributions.Normal(mean[item], (0.5 * log_variance[item]).exp())
        densities = gaussian.log_prob(latents[:, item]).sum(-1) + 2 * torch.log(torch.tensor(2 * torch.pi))
        error += sum(weights * errors[:, item]) / 5
        naming -= sum(weights * densities) / 5
    torch.testing.assert_close(found["wake_error"], error)
    torch.testing.assert_close(found["naming"], naming)


def test_an_encoder_and_a_decoder_agree_on_a_relation_that_neither_sees_alone():
    """Items say only in pairs of bits, x and y, whether their group is of the kind x = y or x != y."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    decoder = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
    groups = torch.arange(64) % 16

    def draw():
        kind = torch.randint(2, (16,))[groups]
        x = torch.randint(2, (64,))
        return kind, x.float(), ((x + kind) % 2).float()

    for _ in range(600):
        _, x, y = draw()
        mean, log_variance = encoder(torch.stack([x, y], -1)).chunk(2, -1)
        latents = torch.randn(4, 16, 1)[:, groups]
        logits = decoder(torch.stack([x.expand(4, -1), latents[..., 0]], -1))[..., 0]
        errors = nn.functional.binary_cross_entropy_with_logits(logits, y.expand(4, -1), reduction="none")
        terms = wake_terms(errors, latents, mean, log_variance, groups, sharpness=1.0)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    kind, x, y = draw()
    named = encoder(torch.stack([x, y], -1))[:, 0] > 0
    right = float((named == kind.bool()).float().mean())
    assert max(right, 1 - right) == 1.0


def test_the_encoder_does_not_move_the_latents_nor_the_weights():
    errors = torch.rand(2, 4, requires_grad=True)
    latents, mean = torch.randn(2, 4, 1, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    terms = wake_terms(errors, latents, mean, torch.zeros(4, 1), torch.zeros(4, dtype=torch.long))
    terms["naming"].backward()
    assert errors.grad is None and latents.grad is None and mean.grad.abs().sum() > 0


def test_shapes_that_do_not_fit_are_refused():
    groups = torch.zeros(4, dtype=torch.long)
    with pytest.raises(ValueError, match=r"latents of \(2, 3, 1\)"):
        wake_terms(torch.rand(2, 4), torch.randn(2, 3, 1), torch.zeros(4, 1), torch.zeros(4, 1), groups)
