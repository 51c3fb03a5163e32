"""The pitch loss is a cross entropy on a log-frequency grid."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.losses import pitch_cross_entropy

GRID = 27.5 * 2 ** (torch.arange(324) / 72)


def on_grid(place):
    return torch.tensor([27.5 * 2 ** (place / 72)])


@given(st.integers(0, 323), st.integers(0, 2**32 - 1))
def test_a_pitch_on_the_grid_costs_what_classification_does(place, seed):
    logits = torch.randn(1, 324, generator=torch.Generator().manual_seed(seed))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([place]))
    assert torch.isclose(pitch_cross_entropy(logits, on_grid(place), GRID), expected, atol=2e-3)


@given(st.integers(0, 322), st.floats(0.05, 0.95))
def test_between_two_points_the_best_answer_is_their_mixture(below, share):
    place = below + share

    def cost(believed):
        logits = torch.full((1, 324), -50.0)
        logits[0, below], logits[0, below + 1] = math.log(1 - believed), math.log(believed)
        return float(pitch_cross_entropy(logits, on_grid(place), GRID))

    assert cost(share) < min(cost(share - 0.04), cost(share + 0.04))


def test_unvoiced_frames_and_pitches_off_the_grid_do_not_count():
    logits = torch.randn(1, 3, 324, requires_grad=True)
    voiced = torch.tensor([[55.0, 0.0, 5000.0]])
    alone = pitch_cross_entropy(logits[:, :1], voiced[:, :1], GRID)
    assert torch.equal(pitch_cross_entropy(logits, voiced, GRID), alone)
    silent = pitch_cross_entropy(logits, torch.zeros(1, 3), GRID)
    silent.backward()
    assert silent == 0 and logits.grad.abs().max() == 0
    for frequency, grid in ((torch.zeros(1, 4), GRID), (torch.zeros(1, 3), GRID[:-1])):
        with pytest.raises(ValueError, match=r"expected \(..., pitches\)"):
            pitch_cross_entropy(logits, frequency, grid)
    with pytest.raises(ValueError, match="at least two pitches"):
        pitch_cross_entropy(torch.zeros(3, 1), torch.zeros(3), GRID[:1])


def test_voiced_frames_count_alike_from_the_first_pitch_of_the_grid_to_the_last():
    grid = torch.tensor([50.0, 100.0])
    logits = torch.randn(5, 2)
    costs = -logits.log_softmax(-1)
    found = pitch_cross_entropy(logits, torch.tensor([50.0, 100.0, 49.9, 100.1, 100.0]), grid)
    torch.testing.assert_close(found, (costs[0, 0] + costs[1, 1] + costs[4, 1]) / 3)
