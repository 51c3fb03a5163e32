import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem.evaluation import PitchTrack, pitch_agreement, track_agreement, track_pitch

RATE = 44100
given_synthesize = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15
)


def hertz(pitch):
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


@given_synthesize
@given(pitch=st.floats(23, 59), partials=st.integers(1, 8), level=st.floats(1e-3, 1.0))
def test_a_steady_tone_is_tracked_to_its_pitch(synthesize, pitch, partials, level):
    audio = level * synthesize([(0.0, 1.0, pitch)], 1.0, partials=partials, decay=0.0)
    track = track_pitch(audio, RATE)
    inside = (track.times > 0.1) & (track.times < 0.9)
    assert track.voiced[inside].all()
    cents = 1200 * np.log2(track.frequency_hz[inside] / hertz(pitch))
    # The tracker's grid has a step of 20 cents. On the lowest string of a five-string bass, 31 Hz, librosa's
    # difference function leans by up to 40, still within the half semitone that agreement allows.
    assert np.abs(cents).max() <= (31 if pitch >= 31 and partials > 1 else 45)


def test_a_line_is_tracked_note_by_note(synthesize):
    notes = [(0.3 * k, 0.3 * k + 0.28, 28 + (7 * k) % 24) for k in range(20)]
    track = track_pitch(synthesize(notes, 6.0), RATE)
    right = voiced = 0
    for start, end, pitch in notes:
        inside = (track.times > start + 0.05) & (track.times < end - 0.05)
        voiced += track.voiced[inside].mean() / len(notes)
        right += np.mean(track.pitch_class[inside] == pitch % 12) / len(notes)
    assert voiced >= 0.99
    assert right >= 0.99


def test_a_thump_under_the_note_does_not_take_its_place(synthesize):
    # As in TimGM6mb's acoustic bass: 55 Hz at the start of every note, louder than the note's own fundamental.
    notes = [(0.25 * k, 0.25 * k + 0.23, pitch) for k, pitch in enumerate([37, 37, 41, 39, 44, 37, 32, 40])]
    thumps = synthesize([(start, end, 33.0) for start, end, _ in notes], 2.0, partials=1, decay=12.0)
    audio = synthesize(notes, 2.0, partials=8)
    assert pitch_agreement(audio, audio + 1.2 * thumps, RATE) >= 0.95  # without the tilt 0.74


@pytest.mark.parametrize("rate", [11025, 16000, 48000])
def test_the_sampling_rate_does_not_matter(synthesize, rate):
    notes = [(0.0, 0.6, 31), (0.6, 1.2, 43), (1.2, 2.0, 38)]
    here, there = (track_pitch(synthesize(notes, 2.0, rate=r), r) for r in (RATE, rate))
    assert len(here.times) == len(there.times)
    assert track_agreement(here, there) >= 0.97


@pytest.mark.parametrize(("shift", "kept"), [(0.0, 1.0), (0.25, 1.0), (0.75, 0.0), (1.0, 0.0), (12.0, 0.0)])
def test_agreement_is_kept_up_to_half_a_semitone(synthesize, shift, kept):
    notes = [(0.5 * k, 0.5 * k + 0.5, pitch) for k, pitch in enumerate([33, 36, 40, 45])]
    moved = [(start, end, pitch + shift) for start, end, pitch in notes]
    agreement = pitch_agreement(synthesize(notes, 2.0, decay=1.0), synthesize(moved, 2.0, decay=1.0), RATE)
    assert agreement == pytest.approx(kept, abs=0.04)  # frames on a change of note may go either way


def test_a_recording_agrees_with_itself_at_any_level(synthesize):
    audio = synthesize([(0.0, 0.9, 33), (1.0, 1.9, 40)], 2.0)
    assert pitch_agreement(audio, 0.01 * audio, RATE) == 1.0


def test_silence_is_unvoiced_and_scores_nothing(synthesize):
    silence, tone = np.zeros(RATE), synthesize([(0.0, 1.0, 33)], 1.0)
    track = track_pitch(silence, RATE)
    assert not track.voiced.any()
    assert (track.pitch_class == -1).all()
    assert track.voiced_share == 0.0
    assert pitch_agreement(tone, silence, RATE) == pitch_agreement(silence, tone, RATE) == 0.0


@pytest.mark.parametrize("hum", [0.0, 1e-4])
def test_rests_are_unvoiced_even_with_a_faint_hum(synthesize, hum):
    audio = synthesize([(0.5, 1.0, 33), (2.0, 2.5, 40)], 3.0) + hum * synthesize([(0.0, 3.0, 45)], 3.0, decay=0.0)
    track = track_pitch(audio, RATE)
    rest = ((track.times < 0.4) | (track.times > 1.1)) & ((track.times < 1.9) | (track.times > 2.6))
    assert not track.voiced[rest].any()


def test_noise_has_no_pitch(synthesize):
    noise = np.random.default_rng(0).standard_normal(3 * RATE)
    assert track_pitch(noise, RATE).voiced_share < 0.1


@settings(max_examples=8)
@given(samples=st.integers(1, 3000))
def test_any_length_works(samples):
    track = track_pitch(np.ones(samples, dtype=np.float32), RATE)
    assert len(track.times) == len(track.voiced) == len(track.frequency_hz)


tracks = st.lists(st.tuples(st.floats(50, 60), st.booleans()), min_size=5, max_size=5).map(
    lambda frames: PitchTrack(
        np.arange(5) / 43,
        np.array([frequency if voiced else np.nan for frequency, voiced in frames]),
        np.array([voiced for _, voiced in frames]),
    )
)


@given(reference=tracks, estimate=tracks, cents=st.floats(100, 300))
def test_agreement_equals_a_naive_count(reference, estimate, cents):
    hits = total = 0
    for a, voiced_a, b, voiced_b in zip(
        reference.frequency_hz, reference.voiced, estimate.frequency_hz, estimate.voiced, strict=True
    ):
        total += bool(voiced_a)
        hits += bool(voiced_a and voiced_b and abs(1200 * (np.log2(b) - np.log2(a))) <= cents)
    assert track_agreement(reference, estimate, cents) == pytest.approx(hits / total if total else 0.0)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 100\).*mean of the channels"):
        track_pitch(np.zeros((2, 100)), RATE)
    with pytest.raises(ValueError, match="expected"):
        track_pitch(np.zeros(0), RATE)
    with pytest.raises(ValueError, match="equally many"):
        pitch_agreement(np.zeros(RATE), np.zeros(2 * RATE), RATE)
