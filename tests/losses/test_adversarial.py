"""The adversarial losses against their formulas."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.losses import feature_matching, hinge_discriminator_loss, hinge_generator_loss, r1_penalty

scores = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=8)


@given(scores, scores)
def test_hinge_losses_equal_their_formulas(real, fake):
    expected = 0.5 * (sum(max(0, 1 - s) for s in real) / len(real) + sum(max(0, 1 + s) for s in fake) / len(fake))
    real, fake = torch.tensor(real), torch.tensor(fake)
    assert torch.isclose(hinge_discriminator_loss(real, fake), torch.tensor(expected), atol=1e-5)
    assert torch.isclose(hinge_generator_loss(fake), -fake.mean())


def test_r1_is_the_squared_gradient_and_can_be_differentiated():
    weight = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    real = torch.randn(5, 3, requires_grad=True)
    penalty = r1_penalty((real * weight).sum(1), real)
    assert torch.isclose(penalty, torch.tensor(14.0))
    penalty.backward()
    assert torch.allclose(weight.grad, 2 * weight)


def test_feature_matching_weighs_all_layers_alike_and_moves_the_decoded_side_alone():
    real = [torch.full((2, 3), 2.0, requires_grad=True), torch.full((4,), 500.0, requires_grad=True)]
    fake = [torch.full((2, 3), 3.0, requires_grad=True), torch.full((4,), 250.0, requires_grad=True)]
    distance = feature_matching(fake, real)
    assert torch.isclose(distance, torch.tensor(0.5))
    distance.backward()
    assert all(layer.grad is None for layer in real) and all(layer.grad.abs().sum() > 0 for layer in fake)


def test_soft_layers_weigh_as_loud_ones_and_silent_ones_stay_finite():
    real, fake = torch.randn(2, 3, 4)
    torch.testing.assert_close(feature_matching([1e-3 * fake], [1e-3 * real]), feature_matching([fake], [real]))
    assert feature_matching([fake], [torch.zeros(3, 4)]).isfinite()


def test_the_penalty_sums_over_all_of_an_item():
    real = torch.randn(2, 3, 4, requires_grad=True)
    assert torch.isclose(r1_penalty(real.sum(), real), torch.tensor(12.0))
