import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import perturb, reconstruction, round_trip, track_pitch

RATE = 44100
NOTES = [(0.1, 0.9, 33), (1.0, 1.9, 40)]


def test_a_perfect_round_trip(synthesize):
    audio = synthesize(NOTES, 2.0)
    metrics = round_trip(audio, audio.copy(), RATE)
    assert (metrics.pitch_agreement, metrics.voiced_ratio, metrics.log_spectral_distance) == (1.0, 1.0, 0.0)
    assert 0.95 <= metrics.pitch_ceiling <= 1.0
    assert metrics.share_of_ceiling == 1.0 / metrics.pitch_ceiling
    assert abs(metrics.onset_lag) < 1e-4


def test_each_metric_reacts_to_its_own_fault(synthesize):
    audio, octave = synthesize(NOTES, 2.0), synthesize([(start, end, pitch + 12) for start, end, pitch in NOTES], 2.0)
    late, half = np.roll(audio, 441), synthesize(NOTES[:1], 2.0)
    assert round_trip(audio, octave, RATE).pitch_agreement <= 0.02
    assert round_trip(audio, late, RATE).onset_lag == pytest.approx(0.01, abs=3e-4)
    assert round_trip(audio, half, RATE).voiced_ratio == pytest.approx(0.5, abs=0.1)


def test_pitch_that_is_known_is_not_tracked_again(synthesize, monkeypatch):
    audio, estimate = synthesize(NOTES, 2.0), synthesize([(0.1, 0.9, 33), (1.0, 1.9, 52)], 2.0)
    expected = round_trip(audio, estimate, RATE)
    tracks, tracked = (track_pitch(audio, RATE), track_pitch(estimate, RATE)), []
    monkeypatch.setattr(reconstruction, "track_pitch", lambda *given: tracked.append(given) or track_pitch(*given))
    assert round_trip(audio, estimate, RATE, tracks) == expected
    assert 0.3 < expected.pitch_agreement < 0.7 and len(tracked) == 1


def test_silence_gives_metrics_without_nan(synthesize):
    silence, audio = np.zeros(2 * RATE, dtype=np.float32), synthesize(NOTES, 2.0)
    for pair in ((silence, audio), (audio, silence), (silence, silence)):
        metrics = round_trip(*pair, RATE)
        assert np.isfinite([metrics.onset_lag, metrics.log_spectral_distance, metrics.voiced_ratio]).all()
        assert metrics.pitch_agreement == 0.0
        assert metrics.share_of_ceiling == 0.0


def test_a_perturbed_recording_is_the_same_one_decibel_softer(synthesize):
    audio = synthesize(NOTES, 2.0)
    changed = perturb(audio, RATE)
    assert changed.shape == audio.shape
    assert not np.array_equal(changed, audio * np.float32(10 ** (-1 / 20)))
    error = changed - 10 ** (-1 / 20) * audio
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(audio**2))


@given(samples=st.integers(0, 3000), rate=st.sampled_from([11025, 44100, 48000]))
def test_retouching_keeps_any_length(samples, rate):
    assert perturb(np.ones(samples, dtype=np.float32), rate).shape == (samples,)
