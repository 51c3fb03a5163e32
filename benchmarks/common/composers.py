"""Songs of the benchmarks: those of the current composer, or the stored songs of an earlier version.

A corpus changes with its composer, and results on two corpora cannot be compared. `songs_of_0_1_0.zip` stores what the
composer of version 0.1.0 wrote for the benchmarks, note for note: the test songs, those of one range of tempos among
them, the second basses, the instruments of the timbre pairs, the songs of A1 to A4, the basses of the library of
training songs, and the effects that each song was rendered with. Rendered again, they are equal sample for sample.

Run it as `python -m benchmarks.common.composers songs.zip` to store what the current composer writes.
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

from latentstem.data.compose.bassnet_sets import Dataset, compose_artificial
from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import compose_timbre_pair
from latentstem.data.render.song import SynthEffects
from latentstem.data.score import Song
from latentstem.data.splits import TEST_SEEDS, TRAIN_SEEDS

TEST_SONG_SEEDS = TEST_SEEDS[100:]
"""Seeds of the songs that weights are tested on; results on earlier seeds were seen during the development."""
INTRO = 10.0
"""Seconds by which a song of the library is longer than the part that is used: its bass may enter late."""
SONGS, DURATION, LIBRARY = 48, 20.0, 200
"""Stored test songs, their seconds, and songs of the library: the defaults of `quality/accompaniment.py`."""
LONGEST_MEASURE = 2.4
"""Seconds; a song of A1 to A4 has whole measures, and may be half of one shorter than requested."""
SETS, SET_DURATION = 6, DURATION + LONGEST_MEASURE
"""Stored songs of each of A1 to A4, and their seconds."""
IN_BAND, BAND = 25, (100.0, 130.0)
"""Test songs in 4/4 within a range of tempos: the defaults of `quality/retrieval.py`."""
ARCHIVES = {"0.1.0": Path(__file__).with_name("songs_of_0_1_0.zip")}
MEMBER = "songs.json"

Corpus = Literal["current", "0.1.0"]


class Composer(Protocol):
    """Interface of a composer to the benchmarks; the arguments are those of `latentstem.data.compose`."""

    @property
    def test_song_seeds(self) -> Sequence[int]:
        """Test seeds that have songs."""
        ...

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Write a song of the band corpus."""
        ...

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Write a song of A1 to A4."""
        ...

    def compose_timbre_pair(self, seed: int, duration: float) -> Song:
        """Write a timbre pair."""
        ...

    def effects(self, seed: int) -> SynthEffects:
        """Return the effects that the song of a seed is rendered with."""
        ...


class CurrentComposer:
    """The composer of this version.

    Example:
        >>> CURRENT.compose(0, 5.0) == compose(0, 5.0)
        True
    """

    test_song_seeds: Sequence[int] = TEST_SONG_SEEDS

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Write a song of the band corpus."""
        return compose(seed, duration, bass_player)

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Write a song of A1 to A4."""
        return compose_artificial(dataset, seed, duration)

    def compose_timbre_pair(self, seed: int, duration: float) -> Song:
        """Write a timbre pair."""
        return compose_timbre_pair(seed, duration)

    def effects(self, seed: int) -> SynthEffects:
        """Return the effects that the song of a seed is rendered with."""
        return SynthEffects.draw(seed)


class StoredSongs:
    """Songs of an earlier composer, read from an archive.

    Args:
        archive: File written by `store`.

    Example:
        >>> stored = composer_of("0.1.0")
        >>> stored.compose(101_100, 20.0).seed
        101100
    """

    def __init__(self, archive: Path):
        with zipfile.ZipFile(archive) as file:
            self._stored: dict[str, dict[str, Any]] = json.loads(file.read(MEMBER))
        self._name = archive.name

    @property
    def test_song_seeds(self) -> Sequence[int]:
        """Test seeds that have songs."""
        return sorted(int(name.split()[0]) for name in self._stored["songs"])

    def compose(self, seed: int, duration: float, bass_player: int = 0) -> Song:
        """Return the song of a seed; a training song has its bass alone.

        Raises:
            ValueError: If the archive holds no such song.
        """
        group = "library" if seed in TRAIN_SEEDS else "other_players" if bass_player else "songs"
        return self._song(group, f"{seed} {duration:g}" + (f" {bass_player}" if bass_player else ""))

    def compose_artificial(self, dataset: Dataset, seed: int, duration: float) -> Song:
        """Return a song of A1 to A4.

        Raises:
            ValueError: If the archive holds no such song.
        """
        return self._song("artificial", f"{dataset} {seed} {duration:g}")

    def compose_timbre_pair(self, seed: int, duration: float) -> Song:
        """Return a timbre pair.

        Raises:
            ValueError: If the archive holds no such song.
        """
        song = self.compose(seed, duration)
        bass = song.part("bass")
        return replace(song, parts=(bass, replace(bass, name="twin", program=self._stored["twins"][str(seed)])))

    def effects(self, seed: int) -> SynthEffects:
        """Return the effects that the song of a seed was rendered with."""
        return SynthEffects(**self._stored["effects"][str(seed)])

    def _song(self, group: str, name: str) -> Song:
        if name not in self._stored[group]:
            raise ValueError(f"{self._name} holds no song {name} among {group}: ask for the benchmark's default songs")
        return Song.from_dict(self._stored[group][name])


CURRENT = CurrentComposer()


@cache
def composer_of(corpus: Corpus) -> Composer:
    """Return the composer of a version: "current", or one whose songs are stored."""
    return CURRENT if corpus == "current" else StoredSongs(ARCHIVES[corpus])


def in_band(song: Song, tempos: tuple[float, float]) -> bool:
    """Return whether a song is in 4/4 and its tempo at least the first and below the second."""
    return song.metre == "4/4" and tempos[0] <= song.tempo < tempos[1]


def store(archive: Path) -> int:
    """Store the songs of the current composer that the benchmarks use.

    Args:
        archive: File to write.

    Returns:
        Size of the archive in bytes.
    """
    band = islice((seed for seed in TEST_SONG_SEEDS if in_band(compose(seed, DURATION), BAND)), IN_BAND)
    tested = sorted({*TEST_SONG_SEEDS[:SONGS], *band})
    library = TRAIN_SEEDS[:LIBRARY]
    groups: dict[str, dict[str, Any]] = {
        "songs": {f"{seed} {DURATION:g}": compose(seed, DURATION) for seed in track(tested)},
        "other_players": {f"{seed} {DURATION:g} 1": compose(seed, DURATION, 1) for seed in TEST_SONG_SEEDS[:SONGS]},
        "artificial": {
            f"{dataset} {seed} {SET_DURATION:g}": compose_artificial(dataset, seed, SET_DURATION)
            for dataset in get_args(Dataset)
            for seed in TEST_SONG_SEEDS[:SETS]
        },
        "library": {
            f"{seed} {DURATION + INTRO:g}": _bass_alone(compose(seed, DURATION + INTRO)) for seed in track(library)
        },
    }
    text = {group: {name: song.to_dict() for name, song in songs.items()} for group, songs in groups.items()}
    text["twins"] = {str(seed): compose_timbre_pair(seed, DURATION).part("twin").program for seed in tested}
    text["effects"] = {str(seed): asdict(SynthEffects.draw(seed)) for seed in (*tested, *library)}
    partial = archive.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as file:
        # A fixed date: the same songs make the same file.
        entry = zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0))
        file.writestr(entry, json.dumps(text, separators=(",", ":")), zipfile.ZIP_LZMA)
    partial.rename(archive)
    return archive.stat().st_size


def _bass_alone(song: Song) -> Song:
    return replace(song, parts=(song.part("bass"),))


def main(archive: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    print(f"{archive}: {store(archive)} bytes")


if __name__ == "__main__":
    typer.run(main)
