import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import log_spectral_distance, round_trip

RATE = 44100
NOTES = [(0.1, 0.9, 33), (1.0, 1.9, 40)]


def test_a_perfect_round_trip(play):
    audio = play(NOTES, 2.0)
    figures = round_trip(audio, audio.copy(), RATE)
    assert (figures.pitch_agreement, figures.voiced_ratio, figures.log_spectral_distance) == (1.0, 1.0, 0.0)
    assert abs(figures.onset_lag) < 1e-4


def test_each_figure_sees_its_own_fault(play):
    audio, octave = play(NOTES, 2.0), play([(start, end, pitch + 12) for start, end, pitch in NOTES], 2.0)
    late, half = np.roll(audio, 441), play(NOTES[:1], 2.0)
    assert round_trip(audio, octave, RATE).pitch_agreement <= 0.02
    assert round_trip(audio, late, RATE).onset_lag == pytest.approx(0.01, abs=3e-4)
    assert round_trip(audio, half, RATE).voiced_ratio == pytest.approx(0.5, abs=0.1)


def test_silence_gives_figures_without_nan(play):
    silence, audio = np.zeros(2 * RATE, dtype=np.float32), play(NOTES, 2.0)
    for pair in ((silence, audio), (audio, silence), (silence, silence)):
        figures = round_trip(*pair, RATE)
        assert np.isfinite([figures.onset_lag, figures.log_spectral_distance, figures.voiced_ratio]).all()
        assert figures.pitch_agreement == 0.0


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


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        log_spectral_distance(np.zeros(100), np.zeros(200))
