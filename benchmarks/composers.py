"""Who writes the songs of the benchmarks: the composer of this version, or the kept songs of an earlier one.

A corpus changes with its composer, and figures on two corpora cannot be compared. `songs_of_0_1_0.zip` holds what the
composer of version 0.1.0 wrote for the benchmarks of basses and their mixes, note for note: the test songs, those of
one band of tempos among them, the basses of a second player, the instruments of the twins, the songs of A1 to A4, the
basses of the library of training songs, and the effects that each song was rendered with. Rendered again, they sound
as they did then, sample for sample.

Run it as `python benchmarks/composers.py songs.zip` to keep what the present composer writes.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args

import typer
from rich.progress import track

from latentstem.data.bassnet import Dataset, compose_artificial
from latentstem.data.composer import TEST_SEEDS, TRAIN_SEEDS, compose
from latentstem.data.corpus import SynthEffects
from latentstem.data.score import Song
from latentstem.data.twins import compose_twins

JUDGED_SEEDS = TEST_SEEDS[100:]
"""Seeds of the songs by which weights are judged; figures on those before were looked at while the nets were mended."""
INTRO = 10.0
"""Seconds by which a song of the library is longer than what is cut from it: its bass may enter late."""
SONGS, DURATION, LIBRARY = 48, 20.0, 200
"""What is kept: test songs and their seconds, and songs of the library, as `harmony.py` takes by default."""
LONGEST_MEASURE = 2.4
"""Seconds; a song of A1 to A4 has whole measures, and may be half of one shorter than asked for."""
SETS, SET_DURATION = 6, DURATION + LONGEST_MEASURE
"""Songs of each of A1 to A4 that are kept, and their seconds."""
IN_BAND, BAND = 25, (100.0, 130.0)
"""Test songs in 4/4 within a band of tempos, as `assignments.py` takes by default."""
ARCHIVES = {"0.1.0": Path(__file__).with_name("songs_of_0_1_0.zip")}
MEMBER = "songs.json"

Corpus = Literal["current", "0.1.0"]


class Composer(Protocol):
    """What a benchmark asks of a composer; the arguments are those of `latentstem.data`."""

    @property
    def judged_seeds(self) -> Sequence[int]:
        """The test seeds that there are songs of."""
        ...

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Write a song of the band corpus."""
        ...

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Write a song of A1 to A4."""
        ...

    def compose_twins(self, seed: int, duration: float) -> Song:
        """Write a bass and its twin."""
        ...

    def effects(self, seed: int) -> SynthEffects:
        """Give the effects that the song of a seed is rendered with."""
        ...


class CurrentComposer:
    """The composer of this version.

    Example:
        >>> CURRENT.compose(0, 5.0) == compose(0, 5.0)
        True
    """

    judged_seeds: Sequence[int] = JUDGED_SEEDS

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Write a song of the band corpus."""
        return compose(seed, duration, bass_player)

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Write a song of A1 to A4."""
        return compose_artificial(dataset, seed, duration)

    def compose_twins(self, seed: int, duration: float) -> Song:
        """Write a bass and its twin."""
        return compose_twins(seed, duration)

    def effects(self, seed: int) -> SynthEffects:
        """Give the effects that the song of a seed is rendered with."""
        return SynthEffects.draw(seed)


class KeptSongs:
    """What an earlier composer wrote, read from an archive.

    Args:
        archive: written by `keep`.

    Example:
        >>> kept = composer_of("0.1.0")
        >>> kept.compose(101_100, 20.0).seed
        101100
    """

    def __init__(self, archive: Path):
        with zipfile.ZipFile(archive) as file:
            self._kept: dict[str, dict[str, Any]] = json.loads(file.read(MEMBER))
        self._name = archive.name

    @property
    def judged_seeds(self) -> Sequence[int]:
        """The test seeds that there are songs of."""
        return sorted(int(name.split()[0]) for name in self._kept["songs"])

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Give the song of a seed; a training song has its bass alone.

        Raises:
            ValueError: if the archive holds no such song.
        """
        group = "library" if seed in TRAIN_SEEDS else "other_players" if bass_player else "songs"
        return self._song(group, f"{seed} {duration:g}" + (f" {bass_player}" if bass_player else ""))

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Give a song of A1 to A4.

        Raises:
            ValueError: if the archive holds no such song.
        """
        return self._song("artificial", f"{dataset} {seed} {duration:g}")

    def compose_twins(self, seed: int, duration: float) -> Song:
        """Give a bass and its twin.

        Raises:
            ValueError: if the archive holds no such song.
        """
        song = self.compose(seed, duration)
        bass = song.part("bass")
        return replace(song, parts=(bass, replace(bass, name="twin", program=self._kept["twins"][str(seed)])))

    def effects(self, seed: int) -> SynthEffects:
        """Give the effects that the song of a seed was rendered with."""
        return SynthEffects(**self._kept["effects"][str(seed)])

    def _song(self, group: str, name: str) -> Song:
        if name not in self._kept[group]:
            raise ValueError(f"{self._name} holds no song {name} among {group}: ask for the benchmark's default songs")
        return Song.from_dict(self._kept[group][name])


CURRENT = CurrentComposer()


@cache
def composer_of(corpus: Corpus) -> Composer:
    """Give the composer of a version: "current", or one whose songs are kept."""
    return CURRENT if corpus == "current" else KeptSongs(ARCHIVES[corpus])


def in_band(song: Song, tempos: tuple[float, float]) -> bool:
    """Tell whether a song is in 4/4 and its tempo from the first to below the second."""
    return song.metre == "4/4" and tempos[0] <= song.tempo < tempos[1]


def keep(archive: Path) -> int:
    """Write the songs that the benchmarks take of the present composer.

    Args:
        archive: file to write.

    Returns:
        Size of the archive in bytes.
    """
    band = islice((seed for seed in JUDGED_SEEDS if in_band(compose(seed, DURATION), BAND)), IN_BAND)
    judged = sorted({*JUDGED_SEEDS[:SONGS], *band})
    library = TRAIN_SEEDS[:LIBRARY]
    kept: dict[str, dict[str, Any]] = {
        "songs": {f"{seed} {DURATION:g}": compose(seed, DURATION) for seed in track(judged)},
        "other_players": {f"{seed} {DURATION:g} 1": compose(seed, DURATION, 1) for seed in JUDGED_SEEDS[:SONGS]},
        "artificial": {
            f"{dataset} {seed} {SET_DURATION:g}": compose_artificial(dataset, seed, SET_DURATION)
            for dataset in get_args(Dataset)
            for seed in JUDGED_SEEDS[:SETS]
        },
        "library": {
            f"{seed} {DURATION + INTRO:g}": _bass_alone(compose(seed, DURATION + INTRO)) for seed in track(library)
        },
    }
    text = {group: {name: song.to_dict() for name, song in songs.items()} for group, songs in kept.items()}
    text["twins"] = {str(seed): compose_twins(seed, DURATION).part("twin").program for seed in judged}
    text["effects"] = {str(seed): asdict(SynthEffects.draw(seed)) for seed in (*judged, *library)}
    partial = archive.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as file:
        # A date of its own would make another file of the same songs.
        entry = zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0))
        file.writestr(entry, json.dumps(text, separators=(",", ":")), zipfile.ZIP_LZMA)
    partial.rename(archive)
    return archive.stat().st_size


def _bass_alone(song: Song) -> Song:
    return replace(song, parts=(song.part("bass"),))


def main(archive: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    print(f"{archive}: {keep(archive)} bytes")


if __name__ == "__main__":
    typer.run(main)
