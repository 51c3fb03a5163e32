"""Scores of many basses against many songs, and what they come to."""

from collections.abc import Mapping, Sequence

import numpy as np
from report import interval
from rich.progress import track
from songs import SAMPLING_RATE, RenderedSong

from latentstem.evaluation.stem import MEASURES, HeardStem, Score, score_stem


def hear(audio: np.ndarray) -> HeardStem:
    return HeardStem.of(audio, SAMPLING_RATE)


def scored(basses: Sequence[HeardStem], songs: Sequence[RenderedSong], true: Sequence[HeardStem]) -> list[Score]:
    """Each bass against its own song."""
    return [score_stem(bass, song.song, own, song.target) for bass, song, own in zip(basses, songs, true, strict=True)]


def against_others(
    basses: Sequence[HeardStem], songs: Sequence[RenderedSong], true: Sequence[HeardStem], description: str
) -> list[Score]:
    """For each song, the mean score of the basses of all other songs: what a bass that hears no mix would get."""
    means = []
    for number in track(range(len(songs)), description=description):
        scores = [
            score_stem(bass, songs[number].song, true[number], songs[number].target)
            for other, bass in enumerate(basses)
            if other != number
        ]
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
