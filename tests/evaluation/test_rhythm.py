import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem.evaluation import beat_f1, beat_times, onset_f1, onset_lag, onset_times

RATE = 44100
given_synthesize = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15
)

# No even grid: starts and lengths vary, the gaps between notes are 20 to 80 ms.
PITCHES = [28, 35, 40, 33, 47, 36, 31, 43, 38, 45, 28, 52]
STARTS = np.cumsum([0.2, 0.25, 0.5, 0.31, 0.75, 0.22, 0.4, 0.25, 0.6, 0.27, 0.5, 0.33])
LINE = [
    (start, end - 0.02 - 0.005 * k, pitch)
    for k, (start, end, pitch) in enumerate(zip(STARTS, [*STARTS[1:], 5.2], PITCHES, strict=True))
]


@pytest.mark.parametrize(("partials", "decay"), [(1, 0.0), (1, 3.0), (6, 0.0), (6, 3.0), (6, 6.0)])
def test_every_onset_is_found_where_it_is(synthesize, partials, decay):
    found = onset_times(synthesize(LINE, 5.5, partials=partials, decay=decay), RATE)
    assert onset_f1(STARTS, found) == 1.0
    assert np.abs(found - STARTS).max() < 0.003


def test_onsets_do_not_depend_on_the_level(synthesize):
    audio = synthesize(LINE, 5.5)
    np.testing.assert_allclose(onset_times(1e-3 * audio, RATE), onset_times(audio, RATE), atol=1e-4)


def test_the_end_of_a_note_is_no_onset(synthesize):
    assert len(onset_times(synthesize([(0.5, 1.5, 33)], 3.0, decay=0.0), RATE)) == 1


@given_synthesize
@given(lag=st.floats(-0.045, 0.045))
def test_a_delay_is_the_lag(synthesize, lag):
    samples = round(lag * RATE)
    audio = synthesize(LINE, 5.5)
    assert onset_lag(audio, np.roll(audio, samples), RATE) == pytest.approx(samples / RATE, abs=3e-4)


def test_the_lag_survives_noise_level_and_wrong_notes(synthesize):
    audio = synthesize(LINE, 5.5)
    others = synthesize([(start, end, pitch + 7) for start, end, pitch in LINE], 5.5)
    noise = 0.005 * np.random.default_rng(0).standard_normal(len(audio))
    late = np.roll(0.3 * others + noise, round(0.012 * RATE))
    assert onset_lag(audio, late, RATE) == pytest.approx(0.012, abs=2e-3)


def test_the_lag_is_antisymmetric(synthesize):
    audio, late = synthesize(LINE, 5.5), np.roll(synthesize(LINE, 5.5, partials=2), 300)
    assert onset_lag(audio, late, RATE) == pytest.approx(-onset_lag(late, audio, RATE), abs=1e-6)


def test_silence_has_no_onsets_no_beats_and_no_lag(synthesize):
    silence, audio = np.zeros(RATE), synthesize([(0.2, 0.8, 33)], 1.0)
    assert len(onset_times(silence, RATE)) == len(beat_times(silence, RATE)) == 0
    assert onset_lag(audio, silence, RATE) == onset_lag(silence, audio, RATE) == 0.0
    assert onset_f1([0.2], onset_times(silence, RATE)) == beat_f1([0.2], beat_times(silence, RATE)) == 0.0


@pytest.mark.parametrize(("shift", "score"), [(0.0, 1.0), (0.04, 1.0), (0.06, 0.0)])
def test_an_onset_matches_within_its_window(shift, score):
    assert onset_f1(STARTS, STARTS + shift) == score


def test_the_f_measures_count_missing_and_extra_events():
    times = np.arange(10) * 0.5
    for score in (onset_f1, beat_f1):
        assert score(times, times[:5]) == pytest.approx(2 / 3)  # precision 1, recall 1/2
        assert score(times[:5], times) == pytest.approx(2 / 3)
    assert onset_f1(times, times[:5]) == onset_f1(times[:5], times)


@pytest.mark.parametrize("tempo", [95, 120])
def test_a_bass_on_the_beat_gives_the_beats(synthesize, tempo):
    beats = 0.3 + 60 / tempo * np.arange(16)
    audio = synthesize([(beat, beat + 0.4, 33 + k % 4) for k, beat in enumerate(beats)], beats[-1] + 1.0)
    assert beat_f1(beats, beat_times(audio, RATE)) >= 0.9


@given(samples=st.integers(0, 3000))
def test_any_length_works(samples):
    audio = np.ones(samples, dtype=np.float32)
    assert np.isfinite(onset_times(audio, RATE)).all()
    assert np.isfinite(onset_lag(audio, audio, RATE))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="mean of the channels"):
        onset_times(np.zeros((2, 100)), RATE)
    with pytest.raises(ValueError, match="one length"):
        onset_lag(np.zeros(100), np.zeros(200), RATE)
