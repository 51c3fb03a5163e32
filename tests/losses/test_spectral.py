"""The spectral distances: zero at equality, symmetric terms, blind to phase, keen on pitch, finite at silence."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import multi_scale_spectral_distance
from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.losses.spectral import log_frequency_bands


def tone(frequency, samples=32768, phase=0.0):
    harmonics = sum(
        torch.sin(2 * math.pi * frequency * k * torch.arange(samples) / 44100 + phase) / k for k in range(1, 6)
    )
    return 0.1 * harmonics[None, None]


def test_zero_at_equality_and_positive_elsewhere():
    audio = torch.randn(2, 1, 9000)
    assert multi_scale_spectral_distance(audio, audio) == 0
    assert multi_scale_spectral_distance(audio, 0.9 * audio) > 0.05


@given(st.floats(0.5, 6.0))
def test_blind_to_the_phase_of_a_steady_tone(phase):
    other_phase = float(multi_scale_spectral_distance(tone(110.0, phase=phase), tone(110.0)))
    other_pitch = float(multi_scale_spectral_distance(tone(110.0 * 2 ** (1 / 12)), tone(110.0)))
    assert other_phase < 0.3 * other_pitch


def test_a_wrong_low_note_weighs_more_on_the_pooled_axis_than_on_linear_bins():
    low, wrong = tone(55.0), tone(55.0 * 2 ** (2 / 12))
    magnitude, wrong_magnitude = (
        torch.stft(x[0], 4096, 1024, window=torch.hann_window(4096), return_complex=True).abs() / 1024
        for x in (low, wrong)
    )
    linear = (torch.log(magnitude + 1e-3) - torch.log(wrong_magnitude + 1e-3)).abs().mean()
    assert multi_scale_spectral_distance(low, wrong, window_lengths=(4096,)) > 3 * linear


def test_bands_are_weighted_means_centred_on_their_frequencies():
    bands = log_frequency_bands(8192, 44100)
    centres = 27.5 * 2 ** (torch.arange(len(bands)) / 24)
    assert (bands.sum(1) - 1).abs().max() < 1e-5 and bands.min() >= 0
    found = bands @ (torch.arange(4097) * 44100 / 8192)
    wide = centres > 400  # where a band spans several bins its centre of gravity is its centre
    assert ((found - centres) / centres)[wide].abs().max() < 0.01


def test_gradients_are_finite_at_silence_and_at_equality():
    distance = MultiScaleSpectralDistance()
    for target in (torch.zeros(1, 1, 8192), tone(55.0, 8192)):
        for start in (torch.zeros(1, 1, 8192), target):
            estimate = start.clone().requires_grad_()
            distance(estimate, target).backward()
            assert estimate.grad.isfinite().all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="expected equal"):
        multi_scale_spectral_distance(torch.zeros(1, 1, 10), torch.zeros(1, 1, 11))


def test_log_magnitude_distance_is_the_mean_absolute_difference():
    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert math.isclose(log_magnitude_distance(a, b), sum((a - b).abs().flatten().tolist()) / 24, rel_tol=1e-5)


@pytest.mark.parametrize(("window", "per_octave", "lowest"), [(8192, 24, 27.5), (1024, 5, 80.0)])
def test_bands_reach_from_the_lowest_to_below_nine_tenths_of_half_the_rate(window, per_octave, lowest):
    bands = log_frequency_bands(window, 44100, per_octave, lowest)
    centres = lowest * 2 ** (torch.arange(len(bands) + 1) / per_octave)
    assert bands.shape == (len(bands), window // 2 + 1)
    # The first one above the limit is not there, and none is missing but for what a whole number leaves out.
    assert centres[-2] < 0.45 * 44100 < centres[-1] * 2 ** (1 / per_octave)
    spacing = 44100 / window
    low = centres[:-1] * (2 ** (1 / per_octave) - 1) < spacing
    found = bands @ (torch.arange(window // 2 + 1) * spacing)
    torch.testing.assert_close(found[low], centres[:-1][low], rtol=1e-4, atol=1e-2)
    assert ((bands > 0).sum(1)[low] <= 2).all()
    widths = (bands > 0).sum(1)[~low] * spacing
    expected = 2 * centres[:-1][~low] * (2 ** (1 / per_octave) - 1)
    assert ((widths - expected).abs() <= spacing).all()


def test_the_distance_is_the_mean_of_its_definition_over_the_windows():
    one, other = torch.randn(2, 2, 1, 4 * 1024)
    expected = 0.0
    for window in (512, 1024):
        magnitudes = []
        for audio in (one, other):
            frames = torch.nn.functional.pad(audio[:, 0], (window // 4, window // 4)).unfold(-1, window, window // 2)
            spectrum = torch.fft.rfft(frames * torch.hann_window(window)).abs() * 4 / window
            magnitudes.append((spectrum.square() + 1e-3**2).sqrt())
        norm = magnitudes[1].square().sum().sqrt() + 1e-3 * magnitudes[1].numel() ** 0.5
        expected = expected + (magnitudes[0] - magnitudes[1]).square().sum().sqrt() / norm
        bands = log_frequency_bands(window, 44100)
        pooled = [torch.log(magnitude @ bands.T + 1e-2) for magnitude in magnitudes]
        expected = expected + (pooled[0] - pooled[1]).abs().mean()
    distance = MultiScaleSpectralDistance(window_lengths=(512, 1024))
    torch.testing.assert_close(distance(one, other), expected / 2, rtol=1e-3, atol=1e-4)
    assert not distance.state_dict()


@pytest.mark.parametrize(
    "options", [{}, {"sampling_rate": 16000, "window_lengths": (256, 640), "bands_per_octave": 7, "epsilon": 0.1}]
)
def test_the_function_is_the_module(options):
    one, other = torch.randn(2, 1, 1, 8192)
    distance = multi_scale_spectral_distance(one, other, **options)
    assert torch.equal(distance, MultiScaleSpectralDistance(**options)(one, other))
    ended = torch.nn.functional.pad(one, (0, 100)), torch.nn.functional.pad(other, (0, 100))
    assert torch.isfinite(multi_scale_spectral_distance(*ended, **options))


def test_six_windows_from_six_milliseconds_to_a_fifth_of_a_second_are_the_usual_ones():
    one, other = torch.randn(2, 1, 1, 8192)
    each = [MultiScaleSpectralDistance(window_lengths=(2**power,))(one, other) for power in range(8, 14)]
    torch.testing.assert_close(MultiScaleSpectralDistance()(one, other), sum(each) / 6)
