"""Scores of generated basses by kind of song, by kind of mix, and on BassNet's artificial sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.common.composers import CURRENT, Composer
from benchmarks.common.scores import score_all, summarize
from benchmarks.common.songs import TARGET, RenderedSong, artificial_songs, sub_mix
from latentstem.data.compose.bassnet_sets import Dataset
from latentstem.data.score import Song
from latentstem.evaluation.scores import Score, StemAnalysis

AnalyzeAll = Callable[[Sequence[np.ndarray], str], list[StemAnalysis]]
Generate = Callable[[Sequence[RenderedSong], str], Sequence[np.ndarray]]


@dataclass
class Group:
    """Scores of generated and true basses of the same songs."""

    generated: list[Score] = field(default_factory=list)
    true: list[Score] = field(default_factory=list)

    def report(self) -> dict:
        """Summarize number of songs, means and intervals, ready for JSON."""
        return {"songs": len(self.generated), "generated": summarize(self.generated), "true bass": summarize(self.true)}


Groups = dict[str, dict[str, Group]]
"""Property of the songs -> name of the group -> its scores."""


def by_kind(songs: Sequence[RenderedSong], generated: Sequence[Score], true: Sequence[Score]) -> Groups:
    """Group songs by bass style, time signature, and number of stems in the mix."""
    kinds: dict[str, Callable[[Song], str]] = {
        "style": lambda song: song.bass_style,
        "metre": lambda song: song.metre,
        "stems": lambda song: str(len(song.others(TARGET))),
    }
    groups: Groups = {}
    for kind, name_of in kinds.items():
        members: dict[str, Group] = {}
        for song, generated_score, true_score in zip(songs, generated, true, strict=True):
            group = members.setdefault(name_of(song.song) or "none", Group())
            group.generated.append(generated_score)
            group.true.append(true_score)
        groups[kind] = dict(sorted(members.items()))
    return groups


def by_sub_mix(
    songs: Sequence[RenderedSong],
    generated: Sequence[Score],
    true: Sequence[Score],
    true_analyses: Sequence[StemAnalysis],
    count: int,
    generate: Generate,
    analyze_all: AnalyzeAll,
    cache: Path,
) -> Groups:
    """Accompany the same songs from drums alone, from one chord instrument alone, and from the whole mix.

    Takes the first `count` songs that have drums, a chord instrument and a third part.
    """
    indices = [index for index, song in enumerate(songs) if _has_drums(song.song) and len(song.song.others(TARGET)) > 2]
    indices = indices[:count]
    if not indices:
        return {}
    chosen = [songs[index] for index in indices]
    true_scores = [true[index] for index in indices]
    members = {}
    for name, part_of in (("drums alone", _drums), ("chords alone", _chords)):
        mixes = [sub_mix(song, (part_of(song.song),), cache) for song in chosen]
        analyses = analyze_all(generate(mixes, f"generating for {name}"), f"analyzing {name}")
        members[name] = Group(score_all(analyses, chosen, [true_analyses[index] for index in indices]), true_scores)
    members["everything"] = Group([generated[index] for index in indices], true_scores)
    return {"mix": members}


def by_artificial_set(
    count: int, duration: float, generate: Generate, analyze_all: AnalyzeAll, cache: Path, composer: Composer = CURRENT
) -> Groups:
    """Score generated basses on songs of A1 to A4."""
    members = {}
    for dataset in get_args(Dataset):
        songs = artificial_songs(dataset, count, duration, cache, composer)
        generated = analyze_all(generate(songs, f"generating for {dataset}"), f"analyzing {dataset}")
        true = analyze_all([song.stem for song in songs], f"analyzing true basses of {dataset}")
        members[dataset] = Group(score_all(generated, songs, true), score_all(true, songs, true))
    return {"set": members}


def _has_drums(song: Song) -> bool:
    return any(part.is_drum for part in song.parts)


def _drums(song: Song) -> str:
    return next(part.name for part in song.parts if part.is_drum)


def _chords(song: Song) -> str:
    return song.part("chords1").name  # it plays every chord completely
