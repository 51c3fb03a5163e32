import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem import multi_scale_spectral_distance
from latentstem.evaluation import chroma_agreement, log_mel_l1, log_spectral_distance, multi_scale_distance

RATE = 44100
TRIADS = [(0.0, 1.9, 48), (0.0, 1.9, 52), (0.0, 1.9, 55), (2.0, 3.9, 53), (2.0, 3.9, 57), (2.0, 3.9, 60)]


@given(gain_db=st.floats(-20, 20))
def test_a_gain_is_its_own_distance(gain_db):
    noise = np.random.default_rng(0).standard_normal(8192)
    assert log_spectral_distance(noise, noise * 10 ** (gain_db / 20)) == pytest.approx(abs(gain_db), abs=1e-3)


def test_the_distance_equals_a_naive_one():
    rng = np.random.default_rng(0)
    reference, estimate = rng.standard_normal((2, 1024))
    window = np.sin(np.pi * np.arange(256) / 256) ** 2
    distances = []
    spectra = []
    for audio in (reference, estimate):
        padded = np.pad(audio, 128)
        starts = range(0, len(padded) - 255, 64)
        spectra.append([np.abs(np.fft.rfft(window * padded[start : start + 256])) for start in starts])
    floor = np.max(spectra[0]) * 1e-4
    for a, b in zip(*spectra, strict=True):
        difference = 20 * np.log10(np.maximum(a, floor) / np.maximum(b, floor))
        distances.append(np.sqrt(np.mean(difference**2)))
    assert log_spectral_distance(reference, estimate, 256, 64) == pytest.approx(np.mean(distances), rel=1e-6)


@given(gain_db=st.floats(-20, 20))
def test_a_gain_is_its_own_distance_over_mel_bands(gain_db):
    noise = np.random.default_rng(0).standard_normal(8192)
    assert log_mel_l1(noise, noise * 10 ** (gain_db / 20), RATE) == pytest.approx(abs(gain_db), abs=1e-3)


def test_a_change_of_half_the_time_is_half_the_mel_distance():
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    softer = noise * np.where(np.arange(4 * RATE) < 2 * RATE, 1.0, 0.1)
    assert log_mel_l1(noise, softer, RATE) == pytest.approx(10.0, abs=0.1)


def test_the_multi_scale_distance_is_the_loss_with_the_estimate_in_its_place():
    reference, estimate = 0.1 * np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    first, second = (torch.from_numpy(audio)[None, None] for audio in (estimate, 0.3 * reference))
    assert multi_scale_distance(0.3 * reference, estimate, RATE) == float(multi_scale_spectral_distance(first, second))


def test_chroma_do_not_depend_on_level_and_octave_but_on_chords(synthesize):
    song, octave = synthesize(TRIADS, 4.0), synthesize([(a, b, pitch + 12) for a, b, pitch in TRIADS], 4.0)
    other = synthesize([(a, b, pitch + 6) for a, b, pitch in TRIADS], 4.0)
    assert chroma_agreement(song, 0.01 * song, RATE) == pytest.approx(1.0, abs=1e-4)
    assert chroma_agreement(song, octave, RATE) >= 0.95
    assert chroma_agreement(song, other, RATE) <= 0.4


def test_chroma_of_what_is_missing_count_nothing_and_silence_is_left_out(synthesize):
    song, half = synthesize(TRIADS, 4.0), synthesize(TRIADS[:3], 4.0)
    assert chroma_agreement(song, half, RATE) == pytest.approx(0.5, abs=0.06)
    # Where the reference is silent the estimate does not count.
    assert chroma_agreement(half, song, RATE) >= 0.95
    assert chroma_agreement(np.zeros(RATE), song[:RATE], RATE) == 0.0


@settings(max_examples=5)
@given(samples=st.integers(1, 3000))
def test_any_length_works(samples):
    audio = np.random.default_rng(0).standard_normal(samples)
    assert chroma_agreement(audio, audio, RATE) == pytest.approx(1.0, abs=1e-4)
    assert log_mel_l1(audio, audio, RATE) == multi_scale_distance(audio, audio, RATE) == 0.0


@pytest.mark.parametrize(
    "measure",
    [
        log_spectral_distance,
        lambda a, b: log_mel_l1(a, b, RATE),
        lambda a, b: multi_scale_distance(a, b, RATE),
        lambda a, b: chroma_agreement(a, b, RATE),
    ],
)
def test_other_lengths_are_refused(measure):
    with pytest.raises(ValueError, match="one length"):
        measure(np.zeros(100), np.zeros(200))
