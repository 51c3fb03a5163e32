"""Scores of one stem against the annotation of its song: harmony, rhythm and register."""

from dataclasses import dataclass

import numpy as np

from latentstem.data.score import Part, Song
from latentstem.evaluation.harmony import chord_share, root_on_downbeat, root_share
from latentstem.evaluation.key import key_agreement
from latentstem.evaluation.pitch import PitchTrack, track_pitch
from latentstem.evaluation.register import density_ratio, median_pitch, register_distance
from latentstem.evaluation.rhythm import beat_f1, beat_times, onset_f1, onset_times

METRICS = {
    "chord_share": "chord share",
    "root_share": "root share",
    "root_on_downbeat": "root on downbeat",
    "key_agreement": "key",
    "voiced_ratio": "voiced, over true",
    "onset_f1": "onset F1",
    "beat_f1": "beat F1",
    "beat_f1_of_true": "beat F1, true stem",
    "density_ratio": "notes, over true",
    "register": "register, MIDI",
    "register_distance": "from the true one's",
}
"""Key of each metric in the reports to its label in tables and plots."""

Score = dict[str, float | None]
"""Key of each metric to its value; None where it is undefined, as the register of a silent bass or of drums."""
UNPITCHED = ("onset_f1", "beat_f1", "beat_f1_of_true", "density_ratio")
"""Metrics that are defined for drums."""
SIMULTANEOUS = 0.03
"""Seconds within which notes that sound together have one onset."""


@dataclass(frozen=True)
class StemAnalysis:
    """Analysis of one stem, from which all metrics are computed.

    Attributes:
        pitch: Pitch track, from `track_pitch`.
        onsets: Onsets in seconds, from `onset_times`, `(onsets,)`.
        beats: Beats in seconds, from `beat_times`, `(beats,)`.

    Example:
        >>> analysis = StemAnalysis.of(np.zeros(44100), 44100)
        >>> analysis.pitch.voiced_share, len(analysis.onsets), len(analysis.beats)
        (0.0, 0, 0)
    """

    pitch: PitchTrack
    onsets: np.ndarray
    beats: np.ndarray

    @classmethod
    def of(cls, audio: np.ndarray, sampling_rate: int) -> "StemAnalysis":
        """Analyse a stem.

        Args:
            audio: Mono audio `(samples,)`.
            sampling_rate: Sampling rate of `audio` in Hz.
        """
        return cls(
            track_pitch(audio, sampling_rate), onset_times(audio, sampling_rate), beat_times(audio, sampling_rate)
        )


def written_onsets(part: Part) -> np.ndarray:
    """Find the onsets of a part from its notes.

    A chord, or a cymbal with a drum, has one onset, though its notes are a little apart: a note that begins within
    30 ms of an onset whose note still sounds adds none. In a line of single notes every note is an onset.

    Args:
        part: Part with its notes in order of their start.

    Returns:
        Times in seconds, ascending, `(onsets,)`.

    Example:
        >>> from latentstem.data.score import Note
        >>> chord = (Note(0.0, 1.0, 60, 90), Note(0.01, 1.0, 64, 90), Note(1.0, 2.0, 60, 90))
        >>> written_onsets(Part("chords1", 0, False, chord, 0.0)).tolist()
        [0.0, 1.0]
    """
    onsets: list[float] = []
    end = 0.0
    for note in part.notes:
        if not onsets or note.start >= min(end, onsets[-1] + SIMULTANEOUS):
            onsets.append(note.start)
            end = note.end
    return np.array(onsets)


def score_stem(stem: StemAnalysis, song: Song, true: StemAnalysis, target: str = "bass") -> Score:
    """Compute all `METRICS` of one stem.

    Args:
        stem: Analysis of the stem to score.
        song: Annotation of the stem's song.
        true: Analysis of the true stem of the song.
        target: Name of the song's part that the stem takes the place of.

    Returns:
        Key of each metric to its value, None where it is undefined: drums have the `UNPITCHED` ones alone.

    Raises:
        ValueError: If the song has no part of the name `target`.

    Example:
        >>> from latentstem.data.compose.composer import compose
        >>> silent = StemAnalysis.of(np.zeros(44100), 44100)
        >>> score_stem(silent, compose(0, 10.0), silent)["register"] is None
        True
    """
    part = song.part(target)
    notes = written_onsets(part)
    voiced = true.pitch.voiced_share
    values = {
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
    defined = UNPITCHED if part.is_drum else METRICS
    return {
        metric: float(value) if metric in defined and not np.isnan(value) else None for metric, value in values.items()
    }
