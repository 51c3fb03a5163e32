"""The STFT frames on the latent grid, and inverts exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.fourier import istft, overlap_add, stft

framings = st.sampled_from([(1024, 256), (2048, 512), (4096, 1024), (512, 256), (3, 1), (4, 2)])


@given(framings, st.integers(1, 40))
def test_round_trip_is_exact_for_every_length(framing, frames):
    window_length, hop_length = framing
    audio = torch.randn(2, frames * hop_length)
    spectrum = stft(audio, window_length, hop_length)
    assert spectrum.shape == (2, window_length // 2 + 1, frames)
    # Where a single frame covers a sample its window weight is small; float32 loses digits there.
    assert (istft(spectrum, window_length, hop_length) - audio).abs().max() < 1e-4


def test_frames_equal_a_naive_transform():
    audio = torch.randn(4096)
    window_length, hop_length = 1024, 256
    padded = np.pad(audio.double().numpy(), (window_length - hop_length) // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_length) / window_length)
    spectrum = stft(audio, window_length, hop_length)
    for frame in (0, 5, 15):
        piece = padded[frame * hop_length : frame * hop_length + window_length]
        expected = 4 / window_length * np.fft.rfft(piece * window)
        assert np.abs(spectrum[:, frame].numpy() - expected).max() < 1e-6


def test_a_full_scale_sinusoid_has_magnitude_one():
    time = torch.arange(16 * 512)
    spectrum = stft(torch.cos(2 * torch.pi * 100 / 2048 * time), 2048, 512)
    assert spectrum[100, 4:12].abs().sub(1).abs().max() < 1e-3


def test_a_frame_depends_on_its_neighbourhood_only():
    audio = torch.randn(1, 64 * 512)
    changed = audio.clone()
    changed[:, : 20 * 512] += 1
    difference = (stft(audio, 2048, 512) - stft(changed, 2048, 512)).abs().amax((0, 1))
    assert difference[22:].max() == 0 and difference[:19].min() > 0


def test_stays_in_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        audio = torch.randn(1, 4096)
        assert (istft(stft(audio, 1024, 256), 1024, 256) - audio).abs().max() < 1e-4


@given(st.integers(1, 9), st.integers(1, 6), st.integers(2, 17))
def test_overlap_add_equals_a_loop(frames, hop_length, window_length):
    pieces = torch.randn(2, frames, window_length, dtype=torch.float64)
    expected = torch.zeros(2, (frames - 1) * hop_length + max(window_length, 1), dtype=torch.float64)
    for frame in range(frames):
        expected[:, frame * hop_length : frame * hop_length + window_length] += pieces[:, frame]
    assert torch.allclose(overlap_add(pieces, hop_length), expected)


@pytest.mark.parametrize(
    ("samples", "window", "hop"),
    [
        (1000, 1024, 256),
        (0, 1024, 256),
        (1024, 1023, 256),
        (512, 256, 256),
        (1024, 1024, 0),
        (1024, 510, 256),
    ],
)
def test_bad_framings_are_named(samples, window, hop):
    with pytest.raises(ValueError, match=r"expected a (window of at least two hops|positive multiple)"):
        stft(torch.zeros(samples), window, hop)


def test_bins_of_another_window_are_named():
    with pytest.raises(ValueError, match="got 512 bins; expected 513 for a window of 1024"):
        istft(torch.zeros(1, 512, 3, dtype=torch.complex64), 1024, 256)
