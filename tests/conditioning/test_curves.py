"""Curves: integrals by small steps of time, values that do not depend on the length, and what has no value."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.conditioning import DENSITY, LEVEL, REGISTER, Curve, density_curve, level_curve, register_curve

RATE = 44100 / 4096
NOTES = st.lists(st.tuples(st.floats(0, 20), st.floats(0.05, 3), st.integers(28, 60)), max_size=30)


def hann(offsets):
    return np.where(np.abs(offsets) < 2.0, 0.5 + 0.5 * np.cos(np.pi * offsets / 2.0), 0.0)


@given(notes=NOTES, frames=st.integers(1, 240), more=st.integers(0, 60))
def test_density_and_register_are_weighted_means_over_the_window(notes, frames, more):
    starts, lengths, pitches = np.array(notes, dtype=float).reshape(-1, 3).T
    density = density_curve(starts, frames, RATE).numpy()
    register = register_curve(starts, starts + lengths, pitches, frames, RATE).numpy()
    assert np.array_equal(density, density_curve(starts, frames + more, RATE)[:, :frames].numpy())
    longer = register_curve(starts, starts + lengths, pitches, frames + more, RATE)[:, :frames]
    np.testing.assert_allclose(register, longer, atol=1e-5)
    times = np.arange(0.0, 30.0, 0.002)
    sounding = (times >= starts[:, None]) & (times < (starts + lengths)[:, None])
    for frame in range(0, frames, 17):
        middle = (frame + 0.5) / RATE
        weight = hann(times - middle)
        expected = hann(starts - middle).sum() / (weight.sum() * 0.002)
        assert density[0, frame] == pytest.approx((expected - 4) / 4, abs=0.02) and density[1, frame] == 1
        heard = (sounding * weight).sum(axis=1) * 0.002
        if heard.sum() > 0.02:
            mean = (heard @ pitches) / heard.sum()
            assert register[1, frame] == 1 and register[0, frame] == pytest.approx((mean - 40) / 12, abs=0.05)
        elif not heard.any():
            assert register[:, frame].tolist() == [0.0, 0.0]


def test_steady_notes_have_their_density_from_the_first_frame_on():
    density = DENSITY.center + DENSITY.spread * density_curve(np.arange(0.0625, 40, 0.125), 300, RATE)[0]
    assert torch.allclose(density, torch.tensor(8.0), atol=0.1)


@given(seed=st.integers(0, 99), gain=st.floats(0.01, 1.0), more=st.integers(1, 40))
def test_level_is_the_rms_over_the_window(seed, gain, more):
    rate, frames = 4410, 80
    rng = np.random.default_rng(seed)
    audio = torch.from_numpy(gain * rng.standard_normal((2, 8 * rate)) * (rng.random(8) < 0.7).repeat(rate))
    level = level_curve(audio, rate, frames, 10.0).numpy()
    assert np.array_equal(level, level_curve(audio, rate, frames + more, 10.0)[:, :frames].numpy())
    times = (np.arange(8 * rate) + 0.5) / rate
    for frame in (0, 11, 40, 79):
        middle = (frame + 0.5) / 10
        whole = hann(np.arange(0, 12, 1 / rate) - middle).sum()
        power = (audio.square().mean(0).numpy() * hann(times - middle)).sum() / whole
        decibels = 10 * np.log10(power / 0.1**2) if power > 0 else -np.inf
        if decibels > -20:  # below, little of the window is heard, and the audio is divided at frames
            assert level[1, frame] == 1 and level[0, frame] == pytest.approx(decibels / 12, abs=0.02)
        elif power == 0:
            assert level[:, frame].tolist() == [0.0, 0.0]


@given(cut=st.integers(1, 60))
def test_what_comes_more_than_the_window_later_does_not_change_the_level(cut):
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 60 * 500)))
    whole, part = level_curve(audio, 5000, 60, 10.0), level_curve(audio[:, : cut * 500], 5000, 60, 10.0)
    known = max(0, cut - 21)
    assert torch.equal(whole[:, :known], part[:, :known])


def test_silence_and_rests_have_no_level_and_no_register():
    assert level_curve(torch.zeros(1, 44100), 44100, 20, RATE).tolist() == [[0.0] * 20] * 2
    assert level_curve(torch.zeros(1, 0), 44100, 20, RATE)[1].sum() == 0
    assert register_curve([], [], [], 20, RATE).tolist() == [[0.0] * 20] * 2
    assert density_curve([], 20, RATE).tolist() == [[-1.0] * 20, [1.0] * 20]


@given(value=st.floats(0, 127), scale=st.sampled_from([DENSITY, REGISTER, LEVEL]), frames=st.integers(1, 50))
def test_a_constant_is_the_curve_of_a_part_that_is_so(value, scale, frames):
    features = Curve.constant(value).features(frames, RATE, scale)
    torch.testing.assert_close(
        features[0] * scale.spread + scale.center, torch.full((frames,), value), atol=1e-4, rtol=0
    )
    assert features[1].min() == 1


def test_points_are_joined_by_straight_lines_and_held_beyond():
    curve = Curve.points([(1.0, 40), (3.0, 52), (4.0, 28)])
    values = curve.features(5, 1.0, REGISTER)[0] * 12 + 40
    torch.testing.assert_close(values, torch.tensor([40.0, 43.0, 49.0, 40.0, 28.0]))


@pytest.mark.parametrize("points", [[], [(0.0, 1.0), (0.0, 2.0)], [(1.0, 1.0), (0.0, 2.0)], [(0.0, float("nan"))]])
def test_what_is_no_curve_is_refused(points):
    with pytest.raises(ValueError, match="expected finite numbers, at times that ascend"):
        Curve.points(points)
