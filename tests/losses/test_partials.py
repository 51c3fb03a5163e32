"""The distance of partials: by how much each is too loud or too soft, whatever lies between them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.losses import PartialDistance

RATE, SAMPLES = 44100, 32768
TIME = torch.arange(SAMPLES) / RATE


def tone(pitch, strengths):
    partials = (a * torch.sin(2 * torch.pi * pitch * h * TIME + h * h) for h, a in enumerate(strengths, start=1))
    return sum(partials, torch.zeros(SAMPLES))[None, None]


def pitch_of(pitch, frames=64):
    return torch.full((1, frames), float(pitch))


@settings(max_examples=20, deadline=None)
@given(st.floats(80, 400), st.lists(st.floats(-12, 12), min_size=3, max_size=10))
def test_the_distance_is_the_mean_of_the_changes_of_the_partials(pitch, changes):
    """In nepers, of partials whose strengths fall as in basses; those of a low E have less than eight bins between."""
    strengths = [0.2 * 0.7**h for h in range(len(changes))]
    changed = [a * 10 ** (change / 20) for a, change in zip(strengths, changes, strict=True)]
    distance = PartialDistance()(tone(pitch, changed), tone(pitch, strengths), pitch_of(pitch))
    expected = sum(map(abs, changes)) / len(changes) * math.log(10) / 20
    assert distance.item() == pytest.approx(expected, abs=0.06 + 0.05 * expected)


def test_what_lies_between_the_partials_does_not_count():
    clean = tone(110, [0.2, 0.1, 0.05])
    between = clean + 0.05 * torch.sin(2 * torch.pi * 110 * 1.5 * TIME)
    assert PartialDistance()(between, clean, pitch_of(110)) < 0.02


def test_partials_that_nobody_hears_do_not_count():
    clean = tone(110, [0.2])
    # A second partial that the true tone lacks has no strength to be compared with.
    assert PartialDistance()(clean + 1e-4 * tone(220, [1.0]), clean, pitch_of(110)) < 0.02


def test_only_a_steady_pitch_is_compared():
    loud, soft = tone(110, [0.4, 0.2]), tone(110, [0.2, 0.1])
    distance = PartialDistance()
    assert distance(soft, loud, pitch_of(110)) == pytest.approx(math.log(2), abs=0.02)
    assert distance(soft, loud, pitch_of(0)) == 0
    gliding = torch.linspace(100, 400, 64)[None]
    assert distance(soft, loud, gliding) == 0
    # Half of the time without a pitch: what is left says the same.
    half = pitch_of(110).clone()
    half[:, 32:] = 0
    assert distance(soft, loud, half) == pytest.approx(math.log(2), abs=0.02)


def test_levels_far_below_the_loudest_partial_are_told():
    strengths = [0.3, 1e-4]  # the second 70 dB below the first
    double = [0.3, 2e-4]
    distance = PartialDistance()(tone(100, double), tone(100, strengths), pitch_of(100))
    assert distance == pytest.approx(math.log(2) / 2, abs=0.1)


def test_it_has_a_gradient_that_leads_to_the_true_strengths():
    true = tone(82.4, [0.2, 0.02, 0.1])
    gains = torch.tensor([0.1, 0.1, 0.1], requires_grad=True)
    parts = torch.cat([tone(82.4 * h, [1.0]) for h in (1, 2, 3)])
    PartialDistance()((gains[:, None, None] * parts).sum(0, keepdim=True), true, pitch_of(82.4)).backward()
    assert gains.grad[0] < 0 and gains.grad[1] > 0
    silent = torch.zeros(1, 1, SAMPLES, requires_grad=True)
    PartialDistance()(silent, true, pitch_of(82.4)).backward()
    assert torch.isfinite(silent.grad).all()


def test_audio_without_a_whole_window_has_no_distance():
    short = torch.randn(1, 1, 12_000)
    assert PartialDistance()(short, 0 * short, pitch_of(100, 23)) == 0


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 1, 9000), (1, 1, 9001), (1, 17)), "expected two"),
        (((1, 9000), (1, 9000), (1, 17)), "expected two"),
        (((2, 1, 9000), (2, 1, 9000), (1, 17)), "expected two"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        PartialDistance()(*map(torch.randn, shapes))
