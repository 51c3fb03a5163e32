"""The distance of the energy in bands: exact in decibels, blind to the grain of noise, deaf to nothing above 80 Hz."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.fourier import stft
from latentstem.losses import BandEnergyDistance, BandFlatnessDistance
from latentstem.losses.spectral import log_frequency_bands

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


def powers(audio, window, hop):
    return stft(audio, window, hop)[0, 0].abs().square().double()


@pytest.mark.parametrize(("window", "per_octave"), [(1024, 4), (4096, 5)])
def test_the_energy_is_the_mean_power_over_a_band_and_a_span(window, per_octave):
    audio = noise(3, seconds=1)[..., : 6 * 4096]
    power, bands = powers(audio, window, window // 4), log_frequency_bands(window, 44100, per_octave, 80.0).double()
    frames = 4096 // (window // 4)
    spans = [power[:, start : start + frames].mean(1) for start in range(0, power.shape[1] - frames + 1, frames // 2)]
    expected = 0.5 * torch.log(torch.stack(spans) @ bands.T + 1e-10)
    found = BandEnergyDistance().measure(audio, window)
    torch.testing.assert_close(found.reshape(expected.shape), expected.float(), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("window", [4096, 8192])
def test_the_flatness_is_the_mean_of_logarithms_below_the_logarithm_of_the_mean(window):
    audio = (noise(3) + partials(130.0))[..., : 4 * 8192]
    power, bands = powers(audio, window, window // 2).T, log_frequency_bands(window, 44100, 3, 160.0).double()
    # On a bin, the means of the bands that it lies in, by their weights.
    means = (power @ bands.T) @ (bands / bands.sum(0).clamp(min=1e-9))
    floored = power + 1e-4 * means + 1e-12
    expected = 0.5 * (floored.log() @ bands.T - (floored @ bands.T).log())
    found = BandFlatnessDistance().measure(audio, window)
    torch.testing.assert_close(found.reshape(expected.shape), expected.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (BandEnergyDistance, [{"resolutions": ((1024, 4),)}, {"resolutions": ((4096, 5),)}]),
        (BandFlatnessDistance, [{"window_lengths": (4096,)}, {"window_lengths": (8192,)}]),
    ],
)
def test_the_distance_is_the_mean_over_its_windows_and_silence_behind_changes_nothing(kind, parts):
    samples = 5 * 4096
    pair = noise(1)[..., :samples], 0.5 * noise(2)[..., :samples] + partials(90.0)[..., :samples]
    for audio in pair:
        audio[..., -7:] = 0
    distance = kind()(*pair)
    assert torch.equal(distance, kind()(*(audio[..., :-7] for audio in pair)))
    costs = []
    for single in (kind(**options) for options in parts):
        one, other = (single.measure(audio, single.window_lengths[0]) for audio in pair)
        costs.append((one - other).abs().mean())
    torch.testing.assert_close(distance, sum(costs) / 2)
    assert not kind().state_dict()


def test_silence_lies_at_the_floor():
    silent, loud = torch.zeros(1, 1, 8192), 5 * noise(0)[..., :8192]
    energy = BandEnergyDistance(resolutions=((1024, 4),))
    floor = energy.measure(silent, 1024)
    torch.testing.assert_close(floor, torch.full_like(floor, 0.5 * math.log(1e-10)))
    assert energy(silent, loud).item() == pytest.approx((energy.measure(loud, 1024) - floor).mean().item(), rel=1e-4)


def test_a_span_of_half_a_window_is_enough():
    assert BandEnergyDistance(span=2048)(noise(0), noise(0)) == 0
    with pytest.raises(ValueError, match="multiple of half of the window of 4096"):
        BandEnergyDistance(span=3072)
