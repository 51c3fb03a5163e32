"""Scores of steered basses, on pitch tracks and songs written by hand."""

import numpy as np
import pytest

from benchmarks.quality.steering import DENSITIES, METRICS, case_of, score, spearman, transposed
from latentstem.data.score import Chord, Note, Part, Song
from latentstem.evaluation import PitchTrack
from latentstem.evaluation.scores import StemAnalysis

BASS = tuple(Note(float(second), second + 0.9, 36, 100) for second in range(4))
SONG = Song(
    seed=0,
    duration=4.0,
    tempo=60.0,
    metre="4/4",
    swing=0.5,
    beats=(0.0, 1.0, 2.0, 3.0),
    bars=(0.0,),
    sections=(),
    keys=(),
    chords=(Chord(0.0, 4.0, root=0, bass=0, pitch_classes=(0, 4, 7), symbol="C"),),
    parts=(Part("bass", 33, False, BASS, 0.0),),
    bass_style="",
)


def heard(pitch, onsets, beats=()):
    hertz = np.full(200, 440 * 2 ** ((pitch - 69) / 12))
    track = PitchTrack(np.arange(200) * 0.02, hertz, np.ones(200, bool))
    return StemAnalysis(track, np.array(onsets, float), np.array(beats, float))


def test_a_bass_that_plays_its_song_has_full_marks():
    figures = score([heard(36, range(4), range(4))], [SONG], far=False)
    assert {metric: values[0] for metric, values in figures.items()} == pytest.approx(
        {"beat_f1": 1, "chord_share": 1, "given_share": 1, "onset_f1": 1, "density": 1, "register": 36}
    )
    assert figures.keys() == METRICS.keys()


def test_a_bass_that_plays_a_far_chart_leaves_its_song():
    figures = score([heard(42, [0.5, 2.5], [0.5, 1.5])], [SONG], far=True)
    assert {metric: values[0] for metric, values in figures.items()} == pytest.approx(
        {"beat_f1": 0, "chord_share": 0, "given_share": 1, "onset_f1": 0, "density": 0.5, "register": 42}
    )


def test_no_tone_of_a_triad_is_one_of_that_a_tritone_away():
    (far,) = transposed(SONG).chords
    assert (far.root, far.bass, far.pitch_classes) == (6, 6, (6, 10, 1))
    assert not {*far.pitch_classes} & {*SONG.chords[0].pitch_classes}


def test_ranks_are_correlated_over_all_songs():
    def played(*densities):
        return {
            case_of("density", value): {"density": list(of)} for value, of in zip(DENSITIES, densities, strict=True)
        }

    assert spearman(played((1, 2), (3, 4), (5, 6), (7, 8)), DENSITIES, "density") == pytest.approx(0.976, abs=0.01)
    assert spearman(played((8, 7), (6, 5), (4, 3), (2, 1)), DENSITIES, "density") == pytest.approx(-0.976, abs=0.01)
    assert spearman(played((1, 4), (4, 1), (1, 4), (4, 1)), DENSITIES, "density") == pytest.approx(0.0, abs=1e-9)
