"""The supervised contrastive loss, against its sum written out."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.losses import supervised_contrastive


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=8),
    temperature=st.floats(0.05, 1.0),
    seed=st.integers(0, 2**31),
)
def test_the_loss_is_the_sum_of_its_definition(labels, temperature, seed):
    codes = torch.randn(len(labels), 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unit = [code / code.norm() for code in codes]
    anchors = []
    for i, own in enumerate(labels):
        partners = [j for j, label in enumerate(labels) if j != i and label == own]
        others = [j for j in range(len(labels)) if j != i]
        if partners:
            total = sum(math.exp(unit[i] @ unit[j] / temperature) for j in others)
            anchors.append(-sum(unit[i] @ unit[j] / temperature - math.log(total) for j in partners) / len(partners))
    expected = sum(anchors) / len(anchors) if anchors else 0.0
    loss = supervised_contrastive(codes.float(), torch.tensor(labels), temperature)
    assert loss.item() == pytest.approx(float(expected), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("codes", "labels"), [((4,), (4,)), ((4, 2), (3,)), ((4, 2), (4, 1)), ((2, 4, 2), (2,))], ids=str
)
def test_other_shapes_are_refused(codes, labels):
    with pytest.raises(ValueError, match=r"expected \(batch, dimensions\) and \(batch,\)"):
        supervised_contrastive(torch.randn(codes), torch.zeros(labels, dtype=torch.long))


def test_codes_without_a_partner_cost_nothing_and_have_a_gradient_of_nothing():
    codes = torch.randn(3, 5, requires_grad=True)
    loss = supervised_contrastive(codes, torch.arange(3))
    loss.backward()
    assert loss == 0 and not codes.grad.any()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, 1e7])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match=r"got temperature=.*; expected a number from 1e-06"):
        supervised_contrastive(torch.randn(2, 3), torch.zeros(2), temperature)


def test_the_usual_temperature_is_a_tenth():
    codes, labels = torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 2, 2])
    assert torch.equal(supervised_contrastive(codes, labels), supervised_contrastive(codes, labels, 0.1))
