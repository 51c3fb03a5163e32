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


def distance_of_one(pitch, partial, level=-40.0, frequency=None):
    """The distance where one partial of that level is twice as strong; the fundamental is there too."""
    first, second = tone(pitch, [0.3]), 10 ** (level / 20) * tone(pitch * partial, [1.0])
    frequency = pitch_of(pitch) if frequency is None else frequency
    return PartialDistance()(first + 2 * second, first + second, frequency).item()


@pytest.mark.parametrize(
    ("pitch", "partial", "counts"),
    [(100, 48, True), (100, 49, False), (399.9, 20, True), (400.0, 20, False)],
)
def test_the_first_48_partials_below_8_khz_count(pitch, partial, counts):
    assert distance_of_one(pitch, partial) == pytest.approx(math.log(2) / 2 if counts else 0, abs=0.02)


@pytest.mark.parametrize(("level", "counts"), [(-81.5, True), (-83.0, False)])
def test_partials_count_from_eight_decibels_above_the_floor_on(level, counts):
    # Where they begin to, a tenth of the power is the floor's.
    assert distance_of_one(100, 5, level) == pytest.approx(math.log(2) / 2 if counts else 0, abs=0.06)


@pytest.mark.parametrize(("change", "steady"), [(1.029, True), (1.031, False)])
def test_a_pitch_is_steady_within_three_percent(change, steady):
    wavering = pitch_of(110).clone()
    wavering[:, ::2] *= change
    assert (distance_of_one(110, 1, -10, wavering) > 0.1) == steady


def test_three_half_windows_are_the_least_and_what_is_beyond_the_last_whole_one_does_not_count():
    loud, soft = tone(110, [0.4]), tone(110, [0.2])
    distance = PartialDistance()
    for samples, expected in ((3 * 4096 - 1, 0), (3 * 4096, math.log(2)), (3 * 4096 + 4000, math.log(2))):
        found = distance(soft[..., :samples], loud[..., :samples], pitch_of(110, 48))
        assert found.item() == pytest.approx(expected, abs=0.02)
    # The pitch of the last 4000 of 16288 samples, in which no window lies.
    pitch = pitch_of(110, 48).clone()
    pitch[:, 38:] = 0
    assert distance(soft[..., :16288], loud[..., :16288], pitch).item() == pytest.approx(math.log(2), abs=0.02)


def test_items_and_channels_count_by_their_own_pitch():
    clean = torch.cat([tone(110, [0.3, 0.1]), tone(150, [0.3, 0.1])])
    changed = torch.cat([tone(110, [0.3, 0.2]), tone(150, [0.3, 0.1])])
    pitch = torch.tensor([[110.0], [150.0]]).expand(2, 64)
    distance = PartialDistance()
    assert distance(changed, clean, pitch).item() == pytest.approx(math.log(2) / 4, abs=0.02)
    stereo, other = (torch.cat([audio[:1], audio[1:]], 1) for audio in (clean, changed))
    assert distance(other[:, :1], stereo[:, :1], pitch[:1]) > 0.3
    assert distance(torch.cat([clean[:1]] * 2, 1), torch.cat([clean[:1]] * 2, 1), pitch[:1]) == 0


def test_nothing_of_it_is_saved():
    assert not PartialDistance().state_dict()
