"""The generated basses of the harmony benchmark by kind of song, by kind of mix, and on BassNet's artificial sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from composers import CURRENT, Composer
from hearing import scored, summary
from songs import TARGET, RenderedSong, artificial_songs, sub_mixed

from latentstem.data.bassnet import Dataset
from latentstem.data.score import Song
from latentstem.evaluation.stem import HeardStem, Score

HearAll = Callable[[Sequence[np.ndarray], str], list[HeardStem]]
Generate = Callable[[Sequence[RenderedSong], str], Sequence[np.ndarray]]


@dataclass
class Group:
    """The scores of some songs' generated and true basses, number for number."""

    generated: list[Score] = field(default_factory=list)
    true: list[Score] = field(default_factory=list)

    def report(self) -> dict:
        """How many songs, and means and intervals over them, ready for JSON."""
        return {"songs": len(self.generated), "generated": summary(self.generated), "true bass": summary(self.true)}


Groups = dict[str, dict[str, Group]]
"""What the songs are told apart by -> name of the group -> its scores."""


def by_kind(songs: Sequence[RenderedSong], generated: Sequence[Score], true: Sequence[Score]) -> Groups:
    """Tells the songs apart by their bass's style, their metre, and the number of stems in their mix."""
    kinds: dict[str, Callable[[Song], str]] = {
        "style": lambda song: song.bass_style,
        "metre": lambda song: song.metre,
        "stems": lambda song: str(len(song.others(TARGET))),
    }
    groups: Groups = {}
    for kind, name_of in kinds.items():
        members: dict[str, Group] = {}
        for song, made, bass in zip(songs, generated, true, strict=True):
            group = members.setdefault(name_of(song.song) or "none", Group())
            group.generated.append(made)
            group.true.append(bass)
        groups[kind] = dict(sorted(members.items()))
    return groups


def by_sub_mix(
    songs: Sequence[RenderedSong],
    generated: Sequence[Score],
    true: Sequence[Score],
    heard_true: Sequence[HeardStem],
    count: int,
    generate: Generate,
    hear_all: HearAll,
    cache: Path,
) -> Groups:
    """Lets the same songs be accompanied from their drums alone, from one chord instrument alone, and from everything.

    The first `count` songs serve that have drums, a chord instrument and a third part.
    """
    numbers = [
        number for number, song in enumerate(songs) if _has_drums(song.song) and len(song.song.others(TARGET)) > 2
    ]
    numbers = numbers[:count]
    if not numbers:
        return {}
    some = [songs[number] for number in numbers]
    trues = [true[number] for number in numbers]
    members = {}
    for name, part_of in (("drums alone", _drums), ("chords alone", _chords)):
        mixes = [sub_mixed(song, (part_of(song.song),), cache) for song in some]
        heard = hear_all(generate(mixes, f"generating for {name}"), f"hearing {name}")
        members[name] = Group(scored(heard, some, [heard_true[number] for number in numbers]), trues)
    members["everything"] = Group([generated[number] for number in numbers], trues)
    return {"mix": members}


def by_artificial_set(
    count: int, duration: float, generate: Generate, hear_all: HearAll, cache: Path, composer: Composer = CURRENT
) -> Groups:
    """Scores the generated basses on songs of A1 to A4."""
    members = {}
    for dataset in get_args(Dataset):
        songs = artificial_songs(dataset, count, duration, cache, composer)
        made = hear_all(generate(songs, f"generating for {dataset}"), f"hearing {dataset}")
        true = hear_all([song.stem for song in songs], f"hearing true basses of {dataset}")
        members[dataset] = Group(scored(made, songs, true), scored(true, songs, true))
    return {"set": members}


def _has_drums(song: Song) -> bool:
    return any(part.is_drum for part in song.parts)


def _drums(song: Song) -> str:
    return next(part.name for part in song.parts if part.is_drum)


def _chords(song: Song) -> str:
    return song.part("chords1").name  # it sounds every chord whole
