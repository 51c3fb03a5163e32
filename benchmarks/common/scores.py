"""Scores of many basses against many songs, and their means with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.progress import track

from benchmarks.common.report import interval
from benchmarks.common.songs import SAMPLING_RATE, RenderedSong
from latentstem.evaluation.scores import METRICS, Score, StemAnalysis, score_stem


def analyze(audio: np.ndarray) -> StemAnalysis:
    """Analyze mono audio `(samples,)`."""
    return StemAnalysis.of(audio, SAMPLING_RATE)


def score_all(
    basses: Sequence[StemAnalysis], songs: Sequence[RenderedSong], true: Sequence[StemAnalysis]
) -> list[Score]:
    """Score each bass against its own song."""
    return [score_stem(bass, song.song, own, song.target) for bass, song, own in zip(basses, songs, true, strict=True)]


def score_against_others(
    basses: Sequence[StemAnalysis], songs: Sequence[RenderedSong], true: Sequence[StemAnalysis], description: str
) -> list[Score]:
    """Average, for each song, the scores of the basses of all other songs: the score of a bass that ignores its mix."""
    means = []
    for index in track(range(len(songs)), description=description):
        scores = [
            score_stem(bass, songs[index].song, true[index], songs[index].target)
            for other, bass in enumerate(basses)
            if other != index
        ]
        columns = {metric: _known(scores, metric) for metric in METRICS}
        means.append({metric: float(np.mean(known)) if known else None for metric, known in columns.items()})
    return means


def summarize(scores: Sequence[Score]) -> dict[str, dict[str, float] | None]:
    """Compute the mean of each metric and its interval over the songs that have it; None where none has."""
    columns = {metric: _known(scores, metric) for metric in METRICS}
    return {metric: interval(known) if known else None for metric, known in columns.items()}


def paired_difference(first: Sequence[Score], second: Sequence[Score], metric: str) -> dict[str, float]:
    """Compute mean and interval of the difference song by song, the first less the second."""
    pairs = [(a[metric], b[metric]) for a, b in zip(first, second, strict=True)]
    return interval([a - b for a, b in pairs if a is not None and b is not None])


def _known(scores: Sequence[Mapping[str, float | None]], metric: str) -> list[float]:
    return [figure for case in scores if (figure := case[metric]) is not None]
