from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import (
    PitchTrack,
    chord_share,
    pitch_agreement,
    root_on_downbeat,
    root_share,
    track_pitch,
)

RATE = 44100


def chord(start, end, *pitch_classes, bass=None):
    root = pitch_classes[0]
    return SimpleNamespace(
        start=start, end=end, root=root, bass=root if bass is None else bass, pitch_classes=pitch_classes
    )


# C, A minor, F, G, two seconds each
CHORDS = [chord(0, 2, 0, 4, 7), chord(2, 4, 9, 0, 4), chord(4, 6, 5, 9, 0), chord(6, 8, 7, 11, 2)]
ROOTS = [(0.02, 1.98, 36), (2.02, 3.98, 33), (4.02, 5.98, 41), (6.02, 7.98, 43)]
THIRDS = [(start, end, pitch + third) for (start, end, pitch), third in zip(ROOTS, (4, 3, 4, 4), strict=True)]


def moved(notes, semitones):
    return [(start, end, pitch + semitones) for start, end, pitch in notes]


def test_roots_are_chord_tones_and_roots(synthesize):
    track = track_pitch(synthesize(ROOTS, 8.0), RATE)
    assert chord_share(track, CHORDS) >= 0.99
    assert root_share(track, CHORDS) >= 0.99


def test_thirds_are_chord_tones_but_no_roots(synthesize):
    track = track_pitch(synthesize(THIRDS, 8.0), RATE)
    assert chord_share(track, CHORDS) >= 0.99
    assert root_share(track, CHORDS) <= 0.01


def test_half_right_is_a_half(synthesize):
    track = track_pitch(synthesize(ROOTS[:2] + moved(ROOTS[2:], 1), 8.0), RATE)
    assert chord_share(track, CHORDS) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("semitones", [-1, 1, 6])
def test_transposition_off_the_chord_loses_every_frame(synthesize, semitones):
    assert chord_share(track_pitch(synthesize(moved(ROOTS, semitones), 8.0), RATE), CHORDS) <= 0.02


def test_the_wrong_octave_keeps_the_harmony_but_not_the_pitch(synthesize):
    low, high = synthesize(ROOTS, 8.0), synthesize(moved(ROOTS, 12), 8.0)
    assert chord_share(track_pitch(high, RATE), CHORDS) >= 0.99
    assert pitch_agreement(low, high, RATE) <= 0.02


def test_the_chords_of_another_song_lower_the_share(synthesize):
    track = track_pitch(synthesize(ROOTS, 8.0), RATE)
    other = [chord(c.start, c.end, *((p + 6) % 12 for p in c.pitch_classes)) for c in CHORDS]
    assert chord_share(track, other) <= 0.3


def test_silence_and_missing_chords_score_nothing(synthesize):
    assert chord_share(track_pitch(np.zeros(RATE), RATE), CHORDS) == 0.0
    assert root_share(track_pitch(np.zeros(RATE), RATE), CHORDS) == 0.0
    assert chord_share(track_pitch(synthesize(ROOTS, 8.0), RATE), []) == 0.0


@given(
    frames=st.lists(st.tuples(st.integers(28, 60), st.booleans()), min_size=1, max_size=30),
    # Chords begin and end on frames: each frame belongs to one chord.
    bounds=st.lists(st.integers(0, 30).map(lambda tenths: tenths / 10), min_size=2, max_size=6).map(sorted),
    tones=st.sets(st.integers(0, 11), min_size=1, max_size=5),
)
def test_shares_equal_a_naive_count(frames, bounds, tones):
    tones = sorted(tones)
    chords = [chord(a, b, *((tone + k) % 12 for tone in tones)) for k, (a, b) in enumerate(pairwise(bounds))]
    times = np.arange(len(frames)) / 10
    hertz = np.array([440 * 2 ** ((pitch - 69) / 12) for pitch, _ in frames])
    voiced = np.array([sounds for _, sounds in frames])
    in_chord = on_root = counted = 0
    for time, (pitch, sounds) in zip(times, frames, strict=True):
        for candidate in chords:
            if sounds and candidate.start <= time < candidate.end:
                counted += 1
                in_chord += pitch % 12 in candidate.pitch_classes
                on_root += pitch % 12 == candidate.root
    track = PitchTrack(times, np.where(voiced, hertz, np.nan), voiced)
    assert chord_share(track, chords) == pytest.approx(in_chord / counted if counted else 0.0)
    assert root_share(track, chords) == pytest.approx(on_root / counted if counted else 0.0)


DOWNBEATS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_roots_mark_every_downbeat_and_thirds_none(synthesize):
    assert root_on_downbeat(track_pitch(synthesize(ROOTS, 8.0), RATE), CHORDS, DOWNBEATS) == 1.0
    thirds = track_pitch(synthesize(THIRDS, 8.0), RATE)
    assert root_on_downbeat(thirds, CHORDS, DOWNBEATS) == 0.0
    on_their_third = [chord(c.start, c.end, *c.pitch_classes, bass=c.pitch_classes[1]) for c in CHORDS]
    assert root_on_downbeat(thirds, on_their_third, DOWNBEATS) == 1.0


def test_only_what_sounds_shortly_after_the_downbeat_counts(synthesize):
    # The root for a quarter of a second, then the third; and the other way round.
    first = [(start, start + 0.25, pitch) for start, _, pitch in ROOTS]
    then = [(start + 0.27, end, pitch) for start, end, pitch in THIRDS]
    assert root_on_downbeat(track_pitch(synthesize(first + then, 8.0), RATE), CHORDS, [0.0, 2.0, 4.0, 6.0]) == 1.0
    first = [(start, start + 0.25, pitch) for start, _, pitch in THIRDS]
    then = [(start + 0.27, end, pitch) for start, end, pitch in ROOTS]
    assert root_on_downbeat(track_pitch(synthesize(first + then, 8.0), RATE), CHORDS, [0.0, 2.0, 4.0, 6.0]) == 0.0


def test_a_rest_on_the_downbeat_is_a_miss(synthesize):
    assert root_on_downbeat(track_pitch(synthesize(ROOTS[:2], 8.0), RATE), CHORDS, DOWNBEATS) == 0.5
    assert root_on_downbeat(track_pitch(np.zeros(8 * RATE), RATE), CHORDS, DOWNBEATS) == 0.0
    assert root_on_downbeat(track_pitch(synthesize(ROOTS, 8.0), RATE), [], DOWNBEATS) == 0.0


def test_chord_changes_between_downbeats_count_and_a_downbeat_on_a_change_counts_once(synthesize):
    # One bar of two chords, then a bar of one: three moments, of which the second and third are missed.
    chords = [chord(0, 2, 0, 4, 7), chord(2, 3.99, 9, 0, 4), chord(3.99, 8, 5, 9, 0)]
    track = track_pitch(synthesize([(0.0, 3.9, 36), (4.0, 7.9, 36)], 8.0), RATE)
    assert root_on_downbeat(track, chords, [0.0, 4.0]) == pytest.approx(1 / 3)


def test_a_chord_that_goes_on_under_another_name_is_no_change(synthesize):
    parts = [chord(0, 1.5, 0, 4, 7), chord(1.5, 4, 0, 4, 7), chord(4, 8, 5, 9, 0)]
    track = track_pitch(synthesize([(0.0, 1.4, 36), (1.5, 3.9, 40), (4.0, 7.9, 41)], 8.0), RATE)
    assert root_on_downbeat(track, parts, [0.0, 4.0]) == 1.0


@given(
    pitches=st.lists(st.integers(28, 60), min_size=3, max_size=12),
    roots=st.lists(st.integers(0, 11), min_size=1, max_size=4),
)
def test_root_on_downbeat_equals_a_naive_count(pitches, roots):
    # One note a second, in frames of 20 ms; chords of three seconds each.
    times = np.arange(50 * len(pitches)) / 50
    hertz = np.repeat([440 * 2 ** ((pitch - 69) / 12) for pitch in pitches], 50)
    chords = [chord(3 * k, 3 * k + 3, root, (root + 4) % 12) for k, root in enumerate(roots)]
    targets = [roots[second // 3] for second in range(min(len(pitches), 3 * len(roots)))]
    # Chords that begin at or after the end of the track are no moments.
    hits = [pitch % 12 == root for pitch, root in zip(pitches, targets, strict=False)]
    track = PitchTrack(times, hertz, np.ones(len(times), dtype=bool))
    assert root_on_downbeat(track, chords, list(range(len(pitches)))) == pytest.approx(np.mean(hits))
