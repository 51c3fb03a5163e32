"""Loops: continued as numpy continues them, resampled as their own sinusoids, closed without a step."""

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import circular_pad, crossfade_seam, resample_periodic


@given(st.integers(1, 40), st.integers(0, 100))
def test_wrapping_is_that_of_numpy(length, context):
    sequence = torch.randn(2, length)
    expected = np.pad(sequence.numpy(), ((0, 0), (context, context)), mode="wrap")
    assert np.array_equal(circular_pad(sequence, context).numpy(), expected)


@given(st.integers(1, 300), st.integers(0, 300))
def test_resampling_to_more_and_back_is_the_identity(samples, more):
    audio = torch.randn(2, samples, dtype=torch.float64)
    longer = resample_periodic(audio, samples + more)
    assert longer.shape == (2, samples + more)
    torch.testing.assert_close(resample_periodic(longer, samples), audio)


@given(st.integers(20, 300), st.integers(20, 300), st.integers(0, 9), st.floats(-3.2, 3.2))
def test_resampled_sinusoids_are_those_of_the_new_grid(samples, others, turns, phase):
    def tone(count):
        return torch.cos(2 * torch.pi * turns * torch.arange(count, dtype=torch.float64) / count + phase)

    torch.testing.assert_close(resample_periodic(tone(samples), others), tone(others))


@given(st.integers(2, 60), st.integers(0, 60))
def test_resampling_commutes_with_turning(half, turned):
    """On a grid twice as fine, a turn by one sample is one by two: nothing is peculiar about the ends."""
    audio = torch.randn(1, half, dtype=torch.float64)
    torch.testing.assert_close(
        resample_periodic(audio.roll(turned, -1), 2 * half), resample_periodic(audio, 2 * half).roll(2 * turned, -1)
    )


@pytest.mark.parametrize("fade", [200, 800])
@given(frequency=st.floats(0.001, 0.05), phase=st.floats(0, 6.3))
def test_a_tone_that_does_not_fit_its_turn_is_closed_without_a_step(fade, frequency, phase):
    samples = 2000
    tone = torch.sin(frequency * torch.arange(samples + fade, dtype=torch.float64) + phase)
    closed = crossfade_seam(tone[:samples], tone[samples:])
    steps = (closed.roll(-1) - closed).abs()
    # The steepest step of two such tones over each other, and of the fade itself, at the greatest gain.
    assert steps[-1] <= np.sqrt(2) * (np.sqrt(2) * frequency + np.pi / 2 / fade)
    assert torch.equal(closed[fade:], tone[fade:samples])


def test_a_tone_that_fits_its_turn_comes_through_as_it_is():
    tone = torch.sin(2 * torch.pi * 5 * torch.arange(1300, dtype=torch.float64) / 1000)
    torch.testing.assert_close(crossfade_seam(tone[:1000], tone[1000:]), tone[:1000])


def test_the_fade_keeps_the_power_of_unlike_sounds():
    turn, beyond = torch.randn(2, 1, 400_000, generator=torch.Generator().manual_seed(0))
    assert crossfade_seam(turn, beyond).square().mean() == pytest.approx(1, abs=0.01)


@given(st.integers(1, 60), st.integers(1, 60))
def test_resampling_is_that_of_scipy(samples, others):
    audio = torch.randn(2, samples, dtype=torch.float64)
    expected = torch.from_numpy(scipy.signal.resample(audio.numpy(), others, axis=-1))
    torch.testing.assert_close(resample_periodic(audio, others), expected)


def test_the_fade_is_over_as_much_as_there_is_and_raises_opposite_sounds_by_three_decibels_at_most():
    turn, beyond = torch.ones(1, 5, dtype=torch.float64), torch.zeros(1, 9, dtype=torch.float64)
    angles = (torch.arange(5, dtype=torch.float64) + 0.5) / 5 * torch.pi / 2
    torch.testing.assert_close(crossfade_seam(turn, beyond)[0], angles.sin())
    opposite = crossfade_seam(turn, -turn)[0]
    torch.testing.assert_close(opposite, (angles.sin() - angles.cos()) / (1 - 0.5 * (2 * angles).sin()).sqrt())
    assert opposite.abs().max() <= 2**0.5
    assert torch.equal(crossfade_seam(turn, beyond[..., :0]), turn)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: circular_pad(torch.zeros(2, 0), 1), "length of the period=0; expected a whole number from 1"),
        (lambda: circular_pad(torch.zeros(2, 3), -1), "context=-1; expected a whole number from 0"),
        (lambda: circular_pad(torch.zeros(2, 3), 0.5), "context=0.5; expected a whole number"),
        (lambda: resample_periodic(torch.zeros(2, 0), 1), "length of the period=0; expected a whole number from 1"),
        (lambda: resample_periodic(torch.zeros(2, 3), 0), "num_samples=0; expected a whole number from 1"),
        (lambda: resample_periodic(torch.full((3,), torch.nan), 3), "got audio with NaN"),
        (lambda: resample_periodic(torch.full((3,), torch.nan), 4), "got audio with NaN"),
        (lambda: crossfade_seam(torch.full((3,), torch.nan), torch.zeros(1)), "got turn with NaN"),
    ],
)
def test_what_is_no_loop_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_dtype_of_the_audio_is_kept():
    assert resample_periodic(torch.randn(7), 9).dtype == torch.float32
