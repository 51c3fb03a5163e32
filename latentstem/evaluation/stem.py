"""What is heard of one bass, found once a recording, and how it scores against the annotation of a song."""

from dataclasses import dataclass

import numpy as np

from latentstem.data.score import Song
from latentstem.evaluation.harmony import chord_share, root_on_downbeat, root_share
from latentstem.evaluation.key import key_agreement
from latentstem.evaluation.line import density_ratio, median_pitch, register_distance
from latentstem.evaluation.pitch import PitchTrack, track_pitch
from latentstem.evaluation.rhythm import beat_f1, beat_times, onset_f1, onset_times

MEASURES = {
    "chord_share": "chord share",
    "root_share": "root share",
    "root_on_downbeat": "root on downbeat",
    "key_agreement": "key",
    "voiced_ratio": "voiced, over true",
    "onset_f1": "onset F1",
    "beat_f1": "beat F1",
    "beat_f1_of_true": "beat F1, true bass",
    "density_ratio": "notes, over true",
    "register": "register, MIDI",
    "register_distance": "from the true one's",
}
"""Key of each measure in the reports -> what tables and pictures call it."""

Score = dict[str, float | None]
"""Measure -> figure; None where there is nothing to measure, as the register of a silent bass."""


@dataclass(frozen=True)
class HeardStem:
    """What the measures need to know of one bass.

    Attributes:
        pitch: from `track_pitch`.
        onsets: from `onset_times`.
        beats: from `beat_times`.

    Example:
        >>> heard = HeardStem.of(np.zeros(44100), 44100)
        >>> heard.pitch.voiced_share, len(heard.onsets), len(heard.beats)
        (0.0, 0, 0)
    """

    pitch: PitchTrack
    onsets: np.ndarray
    beats: np.ndarray

    @classmethod
    def of(cls, audio: np.ndarray, sampling_rate: int) -> "HeardStem":
        """Hears mono audio `(samples,)`."""
        return cls(
            track_pitch(audio, sampling_rate), onset_times(audio, sampling_rate), beat_times(audio, sampling_rate)
        )


def score_stem(stem: HeardStem, song: Song, true: HeardStem) -> Score:
    """Take all `MEASURES` of one bass.

    Args:
        stem: the bass to judge.
        song: its annotation.
        true: the bass that belongs to the song.

    Returns:
        Measure -> figure, None where there is nothing to measure.

    Example:
        >>> from latentstem.data.composer import compose
        >>> silent = HeardStem.of(np.zeros(44100), 44100)
        >>> score_stem(silent, compose(0, 10.0), silent)["register"] is None
        True
    """
    notes = np.array([note.start for note in song.bass.notes])
    voiced = true.pitch.voiced_share
    figures = {
        "chord_share": chord_share(stem.pitch, song.chords),
        "root_share": root_share(stem.pitch, song.chords),
        "root_on_downbeat": root_on_downbeat(stem.pitch, song.chords, song.bars),
        "key_agreement": key_agreement(song.keys, stem.pitch),
        "voiced_ratio": stem.pitch.voiced_share / voiced if voiced else np.nan,
        "onset_f1": onset_f1(notes, stem.onsets),
        "beat_f1": beat_f1(np.array(song.beats), stem.beats),
        "beat_f1_of_true": beat_f1(true.beats, stem.beats),
        "density_ratio": density_ratio(notes, stem.onsets),
        "register": median_pitch(stem.pitch),
        "register_distance": register_distance(true.pitch, stem.pitch),
    }
    return {measure: None if np.isnan(figure) else float(figure) for measure, figure in figures.items()}
