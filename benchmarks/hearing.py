"""What the harmony benchmark hears in a bass, found once a recording, and how it is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from report import interval
from rich.progress import track
from songs import SAMPLING_RATE, RenderedSong

from latentstem.evaluation import (
    PitchTrack,
    beat_f1,
    beat_times,
    chord_share,
    density_ratio,
    median_pitch,
    onset_f1,
    onset_times,
    register_distance,
    root_on_downbeat,
    root_share,
    track_pitch,
)

MEASURES = {
    "chord_share": "chord share",
    "root_share": "root share",
    "root_on_downbeat": "root on downbeat",
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
class Heard:
    """What the measures need to know of one bass."""

    pitch: PitchTrack
    onsets: np.ndarray
    beats: np.ndarray


def hear(audio: np.ndarray) -> Heard:
    return Heard(track_pitch(audio, SAMPLING_RATE), onset_times(audio, SAMPLING_RATE), beat_times(audio, SAMPLING_RATE))


def score(bass: Heard, song: RenderedSong, true: Heard) -> Score:
    """The measures of one bass against one song's annotation and its true bass."""
    annotation = song.song
    notes = np.array([note.start for note in annotation.bass.notes])
    voiced = true.pitch.voiced_share
    figures = {
        "chord_share": chord_share(bass.pitch, annotation.chords),
        "root_share": root_share(bass.pitch, annotation.chords),
        "root_on_downbeat": root_on_downbeat(bass.pitch, annotation.chords, annotation.bars),
        "voiced_ratio": bass.pitch.voiced_share / voiced if voiced else np.nan,
        "onset_f1": onset_f1(notes, bass.onsets),
        "beat_f1": beat_f1(np.array(annotation.beats), bass.beats),
        "beat_f1_of_true": beat_f1(true.beats, bass.beats),
        "density_ratio": density_ratio(notes, bass.onsets),
        "register": median_pitch(bass.pitch),
        "register_distance": register_distance(true.pitch, bass.pitch),
    }
    return {measure: None if np.isnan(figure) else float(figure) for measure, figure in figures.items()}


def scored(basses: Sequence[Heard], songs: Sequence[RenderedSong], true: Sequence[Heard]) -> list[Score]:
    """Each bass against its own song."""
    return [score(*case) for case in zip(basses, songs, true, strict=True)]


def against_others(
    basses: Sequence[Heard], songs: Sequence[RenderedSong], true: Sequence[Heard], description: str
) -> list[Score]:
    """For each song, the mean score of the basses of all other songs: what a bass that hears no mix would get."""
    means = []
    for number in track(range(len(songs)), description=description):
        scores = [score(bass, songs[number], true[number]) for other, bass in enumerate(basses) if other != number]
        columns = {measure: _known(scores, measure) for measure in MEASURES}
        means.append({measure: float(np.mean(known)) if known else None for measure, known in columns.items()})
    return means


def summary(scores: Sequence[Score]) -> dict[str, dict[str, float] | None]:
    """Measure -> mean and interval over the songs that have it; None where none has."""
    columns = {measure: _known(scores, measure) for measure in MEASURES}
    return {measure: interval(known) if known else None for measure, known in columns.items()}


def paired(one: Sequence[Score], other: Sequence[Score], measure: str) -> dict[str, float]:
    """Mean and interval of the difference song by song, one less the other."""
    pairs = [(a[measure], b[measure]) for a, b in zip(one, other, strict=True)]
    return interval([a - b for a, b in pairs if a is not None and b is not None])


def _known(scores: Sequence[Mapping[str, float | None]], measure: str) -> list[float]:
    return [figure for case in scores if (figure := case[measure]) is not None]
