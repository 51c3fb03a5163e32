from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import PitchTrack, chord_share, pitch_agreement, root_share, track_pitch

RATE = 44100


def chord(start, end, *pitch_classes):
    return SimpleNamespace(start=start, end=end, root=pitch_classes[0], pitch_classes=pitch_classes)


# C, A minor, F, G, two seconds each
CHORDS = [chord(0, 2, 0, 4, 7), chord(2, 4, 9, 0, 4), chord(4, 6, 5, 9, 0), chord(6, 8, 7, 11, 2)]
ROOTS = [(0.02, 1.98, 36), (2.02, 3.98, 33), (4.02, 5.98, 41), (6.02, 7.98, 43)]
THIRDS = [(start, end, pitch + third) for (start, end, pitch), third in zip(ROOTS, (4, 3, 4, 4), strict=True)]


def moved(notes, semitones):
    return [(start, end, pitch + semitones) for start, end, pitch in notes]


def test_roots_are_chord_tones_and_roots(play):
    track = track_pitch(play(ROOTS, 8.0), RATE)
    assert chord_share(track, CHORDS) >= 0.99
    assert root_share(track, CHORDS) >= 0.99


def test_thirds_are_chord_tones_but_no_roots(play):
    track = track_pitch(play(THIRDS, 8.0), RATE)
    assert chord_share(track, CHORDS) >= 0.99
    assert root_share(track, CHORDS) <= 0.01


def test_half_right_is_a_half(play):
    track = track_pitch(play(ROOTS[:2] + moved(ROOTS[2:], 1), 8.0), RATE)
    assert chord_share(track, CHORDS) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("semitones", [-1, 1, 6])
def test_transposition_off_the_chord_loses_every_frame(play, semitones):
    assert chord_share(track_pitch(play(moved(ROOTS, semitones), 8.0), RATE), CHORDS) <= 0.02


def test_the_wrong_octave_keeps_the_harmony_but_not_the_pitch(play):
    low, high = play(ROOTS, 8.0), play(moved(ROOTS, 12), 8.0)
    assert chord_share(track_pitch(high, RATE), CHORDS) >= 0.99
    assert pitch_agreement(low, high, RATE) <= 0.02


def test_the_chords_of_another_song_lower_the_share(play):
    track = track_pitch(play(ROOTS, 8.0), RATE)
    other = [chord(c.start, c.end, *((p + 6) % 12 for p in c.pitch_classes)) for c in CHORDS]
    assert chord_share(track, other) <= 0.3


def test_silence_and_missing_chords_score_nothing(play):
    assert chord_share(track_pitch(np.zeros(RATE), RATE), CHORDS) == 0.0
    assert root_share(track_pitch(np.zeros(RATE), RATE), CHORDS) == 0.0
    assert chord_share(track_pitch(play(ROOTS, 8.0), RATE), []) == 0.0


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
