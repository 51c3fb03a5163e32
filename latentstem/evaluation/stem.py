"""Scores of one stem against the annotation of its song: harmony, rhythm and register."""

from dataclasses import dataclass

import numpy as np

from latentstem.data.score import Part, Song
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
    "beat_f1_of_true": "beat F1, true stem",
    "density_ratio": "notes, over true",
    "register": "register, MIDI",
    "register_distance": "from the true one's",
}
"""Key of each measure in the reports -> what tables and pictures call it."""

Score = dict[str, float | None]
"""Measure -> figure; None where there is nothing to measure, as the register of a silent bass or of drums."""
UNPITCHED = ("onset_f1", "beat_f1", "beat_f1_of_true", "density_ratio")
"""The measures that drums have as well."""
TOGETHER = 0.03
"""Seconds within which notes that sound together count as begun at once."""


@dataclass(frozen=True)
class HeardStem:
    """What the measures need to know of one stem.

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


def written_onsets(part: Part) -> np.ndarray:
    """Find when something begins in a part as it is written.

    A chord, or a cymbal with a drum, begins once, though its notes are a little apart: a note that begins within 30 ms
    of an onset whose note still sounds adds none. Of a line of single notes every note is an onset.

    Args:
        part: whose notes are in order of their start.

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
        if not onsets or note.start >= min(end, onsets[-1] + TOGETHER):
            onsets.append(note.start)
            end = note.end
    return np.array(onsets)


def score_stem(stem: HeardStem, song: Song, true: HeardStem, target: str = "bass") -> Score:
    """Take all `MEASURES` of one stem.

    Args:
        stem: the stem to judge.
        song: the annotation of the song that it is played to.
        true: the stem that belongs to the song.
        target: name of the part of the song that the stem stands for.

    Returns:
        Measure -> figure, None where there is nothing to measure: drums have the `UNPITCHED` ones alone.

    Raises:
        ValueError: if the song has no part of that name.

    Example:
        >>> from latentstem.data.composer import compose
        >>> silent = HeardStem.of(np.zeros(44100), 44100)
        >>> score_stem(silent, compose(0, 10.0), silent)["register"] is None
        True
    """
    part = song.part(target)
    notes = written_onsets(part)
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
    taken = UNPITCHED if part.is_drum else MEASURES
    return {
        measure: float(figure) if measure in taken and not np.isnan(figure) else None
        for measure, figure in figures.items()
    }
