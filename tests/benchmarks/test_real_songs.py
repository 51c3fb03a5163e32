"""Scores of real songs, on pitch tracks and notes written by hand; and what belongs to the mix."""

import numpy as np
import pytest

from benchmarks.quality import real_songs
from benchmarks.quality.real_songs import METRICS, pitch_class_share, render, score, score_against_others
from latentstem.data.score import Note, Part, Song
from latentstem.evaluation import PitchTrack
from latentstem.evaluation.scores import StemAnalysis

TIMES = np.arange(200) * 0.02
C, D, E, G = 36, 38, 40, 43


def song_of(*pitches, seed=0):
    """A bass of one second a pitch, and a band that holds C major above it, with drums and a helicopter."""
    bass = tuple(Note(float(index), index + 1.0, pitch, 100) for index, pitch in enumerate(pitches))
    chord = tuple(Note(0.0, 4.0, pitch, 80) for pitch in (60, 64, 67))
    drums = tuple(Note(float(time), time + 0.1, D, 100) for time in range(4))
    parts = [("bass", 33, False, bass), ("part1", 0, False, chord), ("part2", 0, True, drums)]
    parts += [("part3", 125, False, (Note(0.0, 4.0, D, 100),))]
    made = tuple(Part(name, program, is_drum, notes, 0.0) for name, program, is_drum, notes in parts)
    return Song(seed, 4.0, 120.0, "4/4", 0.5, (), (), (), (), (), made, "")


def heard(*pitches, voiced=True):
    """What the analysis of a bass of one second a pitch would be."""
    midi = np.repeat(np.array(pitches, float), 50)
    track = PitchTrack(TIMES, 440 * 2 ** ((midi - 69) / 12), np.full(200, voiced))
    return StemAnalysis(track, np.arange(4.0) if voiced else np.zeros(0), np.zeros(0))


def test_the_true_bass_has_full_marks():
    assert score(heard(C, E, G, C), song_of(C, E, G, C)) == {"harmony": 1, "root": 1, "onset_f1": 1, "voiced": 1}


def test_a_bass_an_octave_higher_keeps_its_pitch_classes():
    assert score(heard(C + 12, E + 12, G + 12, C), song_of(C, E, G, C))["root"] == 1.0


def test_a_wrong_note_counts_for_its_time_and_neither_drums_nor_effects_are_harmony():
    scores = score(heard(C, D, G, C), song_of(C, E, G, C))
    assert scores["root"] == 0.75
    assert (scores["harmony"], scores["onset_f1"]) == (0.75, 1.0)


def test_silence_scores_nothing():
    assert score(heard(C, E, G, C, voiced=False), song_of(C, E, G, C)) == dict.fromkeys(METRICS, 0.0)


def test_onsets_may_be_70_ms_off():
    near, far = (StemAnalysis(heard(C, C, C, C).pitch, np.arange(4.0) + late, np.zeros(0)) for late in (0.06, 0.08))
    assert [score(bass, song_of(C, C, C, C))["onset_f1"] for bass in (near, far)] == [1.0, 0.0]


def test_slack_makes_notes_longer_at_both_ends():
    track = heard(C, C, C, C).pitch
    notes = [Note(1.0, 2.0, C, 100), Note(0.0, 4.0, D, 100)]
    # 50 of 200 frames with the note itself, 12.5 more on either side with a quarter of a second.
    assert pitch_class_share(track, notes, 0.0) == pytest.approx(0.25, abs=0.006)
    assert pitch_class_share(track, notes, 0.25) == pytest.approx(0.375, abs=0.006)


def test_frames_at_which_nothing_sounds_do_not_count():
    assert pitch_class_share(heard(C, C, C, C).pitch, [Note(1.0, 2.0, C + 12, 100)], 0.0) == 1.0
    assert pitch_class_share(heard(C, C, C, C).pitch, [], 0.25) == 0.0


def test_a_swapped_score_is_the_mean_over_the_basses_of_other_songs():
    songs = [song_of(C, C, C, C), song_of(G, G, G, G), song_of(C, G, C, G)]
    basses = [heard(*(note.pitch for note in song.part("bass").notes)) for song in songs]
    swapped = [means["root"] for means in score_against_others(basses, songs)]
    # In the third song, 50 ms at each of three changes are right for the note before or after.
    assert swapped == pytest.approx([0.25, 0.25, 0.5 + 3 * 0.05 / 4], abs=0.006)


@pytest.mark.fluidsynth
def test_the_mix_has_no_bass_and_is_rendered_once(tmp_path, monkeypatch):
    """More parts than one run of FluidSynth renders, too."""
    song = song_of(C, E, G, C)
    chords = tuple(Part(f"more{index}", 0, False, song.parts[1].notes, 0.0) for index in range(14))
    low, high = (
        Song(**{**vars(song), "parts": (Part("bass", 33, False, notes, 0.0), *song.parts[1:], *chords)})
        for notes in (song.parts[0].notes, song_of(G, G, E, E).parts[0].notes)
    )
    first, other = (render(each, "timgm6mb", tmp_path) for each in (low, high))
    np.testing.assert_array_equal(first.mix, other.mix)
    assert first.mix.shape == first.stem.shape == (4 * 44_100,)
    assert np.abs(first.stem - other.stem).max() > 0.1
    monkeypatch.setattr(real_songs, "render_parts", None)
    np.testing.assert_array_equal(render(low, "timgm6mb", tmp_path).stem, first.stem)
