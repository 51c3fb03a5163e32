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
