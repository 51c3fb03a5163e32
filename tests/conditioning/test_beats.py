"""Beat grids: phases by an independent formula, whatever the jitter; grids from tempo, times and clicks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.conditioning import BeatGrid

RATE = 44100 / 4096


def turns(sine, cosine):
    return np.arctan2(sine, cosine) / (2 * np.pi) % 1.0


def distance(a, b):
    """Of two phases in turns, around the circle."""
    return np.abs((np.asarray(a) - b + 0.5) % 1.0 - 0.5)


@given(bpm=st.floats(40, 220), downbeat=st.floats(-5, 60), bar=st.integers(1, 7), frames=st.integers(1, 300))
def test_a_tempo_is_a_phase_that_grows_evenly(bpm, downbeat, bar, frames):
    seconds = (np.arange(frames) + 0.5) / RATE
    phases = BeatGrid.from_tempo(bpm, frames / RATE, downbeat, bar).phases(frames, RATE).numpy()
    beats = (seconds - downbeat) * bpm / 60
    assert distance(turns(*phases[:2]), beats).max() < 1e-4
    assert distance(turns(*phases[2:]), beats / bar).max() < 1e-4
    np.testing.assert_allclose(phases[0] ** 2 + phases[1] ** 2, 1.0, atol=1e-5)


@given(bars=st.integers(-10_000, 10_000))
def test_a_grid_does_not_depend_on_which_downbeat_is_named(bars):
    grid, named = (BeatGrid.from_tempo(96.0, 20.0, downbeat) for downbeat in (0.4, 0.4 + 2.5 * bars))
    phases, others = grid.phases(200, RATE), named.phases(200, RATE)
    assert (phases - others).abs().max() < 1e-4


def test_no_finite_downbeat_is_too_far():
    assert len(BeatGrid.from_tempo(120.0, 10.0, 1e300).beats) < 30


@given(
    gaps=st.lists(st.floats(0.2, 1.5), min_size=3, max_size=30),
    first=st.floats(0, 2),
    bar=st.integers(1, 4),
    more=st.integers(0, 100),
)
def test_jitter_is_followed_and_the_length_asked_for_changes_nothing(gaps, first, bar, more):
    times = first + np.concatenate([[0.0], np.cumsum(gaps)])
    grid = BeatGrid.from_times(times.tolist(), times[::bar].tolist())
    frames = int(times[-1] * RATE) + 20
    phases = grid.phases(frames, RATE)
    assert np.array_equal(phases.numpy(), grid.phases(frames + more, RATE)[:, :frames].numpy())
    for frame in range(frames):
        second = (frame + 0.5) / RATE
        index = int(np.clip(np.sum(times <= second) - 1, 0, len(gaps) - 1))  # of the beats around it
        expected = (second - times[index]) / gaps[index]
        assert distance(turns(phases[0, frame].item(), phases[1, frame].item()), expected) < 1e-4
        if len(grid.downbeats) > 1:
            assert distance(turns(phases[2, frame].item(), phases[3, frame].item()), (index + expected) / bar) < 1e-4
        else:
            assert phases[2:, frame].tolist() == [0.0, 0.0]


def ladmg_sawtooth(beats, frames, rate):
    """As LADMG does it: beats rounded down to frames, and a rise of whole frames from each to the next."""
    starts = np.floor(np.array(beats) * rate).astype(int)
    starts = [*starts, 2 * starts[-1] - starts[-2]]
    signal = np.zeros(frames)
    for start, end in itertools.pairwise(starts):
        rise = np.linspace(0, 1, end - start)
        signal[start:end] = rise[: max(0, frames - start)]
    return signal


@given(gaps=st.lists(st.floats(0.3, 1.2), min_size=1, max_size=20), first=st.floats(0, 2), more=st.floats(0, 3))
def test_the_saw_tooth_is_that_of_ladmg_but_for_its_rounding(gaps, first, more):
    rate = 75.0
    beats = (first + np.concatenate([[0.0], np.cumsum(gaps)])).tolist()
    frames = int((beats[-1] + gaps[-1] + more) * rate) + 2
    ours = BeatGrid.from_times(beats).sawtooth(frames, rate)
    assert ours.shape == (1, frames) and ours.min() >= 0 and ours.max() < 1
    theirs = ladmg_sawtooth(beats, frames, rate)
    # A beat moved by up to a frame, the length of an interval changed by up to another: two frames of the fastest rise.
    bound = 2.5 / (0.3 * rate)
    seconds = (np.arange(frames) + 0.5) / rate
    near = np.abs(seconds[:, None] - [*beats, beats[-1] + gaps[-1]]).min(axis=1) < 2.5 / rate  # of a fall from 1 to 0
    assert np.abs(ours[0].numpy() - theirs)[~near].max(initial=0) < bound


@given(bpm=st.floats(40, 220), downbeat=st.floats(-5, 5), frames=st.integers(1, 300))
def test_the_saw_tooth_of_a_tempo_is_the_phase_of_its_sine_and_cosine(bpm, downbeat, frames):
    grid = BeatGrid.from_tempo(bpm, frames / RATE, downbeat)
    sawtooth = grid.sawtooth(frames, RATE)[0].numpy()
    assert distance(sawtooth, turns(*grid.phases(frames, RATE)[:2].numpy())).max() < 1e-4
    assert sawtooth.max() < 1


def test_the_saw_tooth_is_silent_where_no_beat_is():
    sawtooth = BeatGrid.from_times([1.0, 1.5, 2.5]).sawtooth(frames=50, frames_per_second=10.0)[0]
    assert sawtooth[:10].eq(0).all() and sawtooth[10:35].gt(0).all() and sawtooth[35:].eq(0).all()
    assert sawtooth[25:35].tolist() == pytest.approx(np.arange(0.05, 1, 0.1))


def test_a_bar_is_divided_by_its_beats_also_where_their_number_changes():
    grid = BeatGrid.from_times([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, 4.0, 6.0])  # a bar of four, a bar of two
    phases = grid.phases(8, 1.0).numpy()
    expected = np.array([0.5, 1.5, 2.5, 3.5, 2 * 0.5, 2 * 1.5, 2 * 2.5, 2 * 3.5]) / 4
    assert distance(turns(*phases[2:]), expected).max() < 1e-6


@pytest.mark.parametrize("sampling_rate", [22050, 44100])
@pytest.mark.parametrize(("loud", "high"), [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (0.6, 1.5)])
def test_clicks_of_two_kinds_tell_the_bars(sampling_rate, loud, high):
    """Ringing clicks with jitter, in two channels; a higher kind is the downbeat even where it is softer."""
    rng = np.random.default_rng(0)
    beats = 0.3 + np.cumsum(0.5 + 0.03 * rng.standard_normal(16))
    audio = 1e-4 * rng.standard_normal((2, int((beats[-1] + 1) * sampling_rate)))
    ring = np.arange(int(0.15 * sampling_rate)) / sampling_rate
    for index, beat in enumerate(beats):
        gain, pitch = (loud, high) if index % 3 == 1 else (1.0, 1.0)
        start = round(beat * sampling_rate)
        sound = 0.3 * gain * np.cos(2 * np.pi * 1000 * pitch * ring) * np.exp(-40 * ring)
        audio[:, start : start + len(ring)] += sound
    grid = BeatGrid.from_clicks(audio, sampling_rate)
    np.testing.assert_allclose(grid.beats, beats, atol=2e-3)
    assert grid.downbeats == tuple(range(1, 16, 3))


def test_clicks_of_one_kind_tell_no_bars():
    clicks = np.zeros(44100)
    clicks[[1000, 12000, 23000, 35000]] = 1.0, 0.95, 1.0, 0.95
    assert BeatGrid.from_clicks(clicks, 44100).downbeats == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BeatGrid((1.0,)), r"beats \(1\), expected two or more"),
        (lambda: BeatGrid((1.0, 1.0)), "times that ascend"),
        (lambda: BeatGrid((0.0, float("nan"))), "finite"),
        (lambda: BeatGrid((0.0, 1.0), (2,)), "expected ascending indices of 2 beats"),
        (lambda: BeatGrid.from_times([0.0, 1.0], [0.4]), r"downbeat at 0\.4 s, and the nearest beat is at 0 s"),
        (lambda: BeatGrid.from_tempo(0.0, 10.0), "got 0.0 beats a minute"),
        (lambda: BeatGrid.from_tempo(120.0, 10.0, float("inf")), "finite times"),
        (lambda: BeatGrid.from_clicks(np.zeros(1000), 44100), "found 0 clicks"),
    ],
)
def test_what_is_no_grid_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
