"""The distance of the energy in bands: exact in decibels, blind to the grain of noise, deaf to nothing above 80 Hz."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.losses import BandEnergyDistance, BandFlatnessDistance

DECIBEL = math.log(10) / 20


def noise(seed, seconds=2):
    return 0.1 * torch.randn(1, 1, seconds * 44100, generator=torch.Generator().manual_seed(seed))


@given(st.floats(-12, 12))
def test_a_gain_costs_its_decibels(gain):
    audio = 5 * noise(0, seconds=1)  # far above the floor
    distance = float(BandEnergyDistance()(10 ** (gain / 20) * audio, audio))
    assert distance == pytest.approx(abs(gain) * DECIBEL, abs=0.01)


def test_another_noise_of_one_level_costs_far_less_than_the_right_noise_too_quiet():
    distance = BandEnergyDistance()
    assert float(distance(noise(1), noise(2))) < 1.5 * DECIBEL
    assert float(distance(0.5 * noise(1), noise(1))) > 5.5 * DECIBEL


def test_the_level_that_costs_least_is_that_of_the_noise():
    """A distance of the logarithms of single bins is least 1 dB below it and more: that is why this one exists."""
    distance, gains = BandEnergyDistance(), [-3, -2, -1, 0, 1, 2, 3]
    costs = [float(distance(10 ** (gain / 20) * noise(1), noise(2))) for gain in gains]
    assert gains[costs.index(min(costs))] == 0


@pytest.mark.parametrize("frequency", [100, 1000, 10000, 17000])
def test_a_tone_that_is_missing_is_missed(frequency):
    tone = 0.1 * torch.sin(2 * torch.pi * frequency * torch.arange(44100) / 44100)[None, None]
    distance = BandEnergyDistance()
    with_it, without = noise(1, seconds=1) * 0.01 + tone, noise(1, seconds=1) * 0.01
    assert float(distance(without, with_it)) > 0.02
    assert float(distance(with_it, with_it)) == 0


def test_the_gradient_at_silence_is_finite():
    audio = torch.zeros(1, 1, 8192, requires_grad=True)
    BandEnergyDistance()(audio, noise(0)[..., :8192]).backward()
    assert audio.grad.isfinite().all()


def test_shapes_and_spans_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected equal ones"):
        BandEnergyDistance()(torch.zeros(1, 1, 8192), torch.zeros(1, 2, 8192))
    with pytest.raises(ValueError, match="multiple of half"):
        BandEnergyDistance(span=1000)


def partials(frequency, seconds=2):
    time = torch.arange(seconds * 44100) / 44100
    return (
        0.02
        * torch.stack([torch.sin(2 * torch.pi * n * frequency * time + n**2) for n in range(1, 100)]).sum(0)[None, None]
    )


def test_flatness_does_not_know_gains_and_hardly_the_place_of_the_partials():
    distance, tone = BandFlatnessDistance(), partials(100.0)
    assert float(distance(0.3 * tone, tone)) < 0.01
    moved, filled = float(distance(partials(103.0), tone)), float(distance(tone + noise(1), tone))
    assert filled > 4 * moved


@pytest.mark.parametrize("window", [4096, 8192])
def test_flatness_of_noise_and_of_tones_is_what_it_is_known_to_be(window):
    distance = BandFlatnessDistance(window_lengths=(window,), lowest=1000.0)
    flat = 2 * distance.measure(5 * noise(0)[..., : 10 * 8192], window)
    # The logarithm of an exponential variable has the mean -0.577 (Euler's constant) below that of its mean; a band of
    # a few bins knows its own mean better than the true one.
    assert float(flat.mean()) == pytest.approx(-0.577, abs=0.05)
    assert float(2 * distance.measure(partials(200.0)[..., : 10 * 8192], window).mean()) < -3


def test_noise_between_the_partials_costs_what_it_fills():
    distance, tone = BandFlatnessDistance(), partials(100.0)
    costs = [float(distance(tone + gain * noise(1), tone)) for gain in (0.001, 0.01, 0.1, 1.0)]
    assert costs == sorted(costs)


def test_flatness_refuses_other_shapes_and_has_a_gradient_at_silence():
    with pytest.raises(ValueError, match="expected equal ones"):
        BandFlatnessDistance()(torch.zeros(1, 1, 8192), torch.zeros(1, 2, 8192))
    audio = torch.zeros(1, 1, 8192, requires_grad=True)
    BandFlatnessDistance()(audio, noise(0)[..., :8192]).backward()
    assert audio.grad.isfinite().all()
