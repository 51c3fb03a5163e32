"""The songs that every benchmark scores on, rendered with TimGM6mb: composer songs of the test seeds, and A1 to A4.

Neither the seeds nor the soundfont were ever trained on or used to choose a checkpoint. A1 to A4 are the artificial
data sets of BassNet (Grachten, Lattner and Deruty 2020, section 5.1).
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from latentstem.audio.level import reference_gain
from latentstem.data.bassnet import Dataset, compose_artificial
from latentstem.data.composer import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS, Song, compose
from latentstem.data.corpus import render_song
from latentstem.data.synthesis import SAMPLING_RATE
from latentstem.data.twins import compose_twins

SOUNDFONT = "timgm6mb"
TRAINING_SOUNDFONT = "fluidr3"
DEFAULT_CACHE = Path(tempfile.gettempdir()) / "latentstem-benchmark-songs"
LONGEST_MEASURE = 2.4
"""Seconds; a song of A1 to A4 has whole measures, and may be half of one shorter than asked for."""

JUDGED_SEEDS = TEST_SEEDS[100:]
"""Seeds of the songs by which weights are judged; figures on those before were looked at while the nets were mended."""

PROGRAM_NAMES = {
    32: "acoustic",
    33: "fingered",
    34: "picked",
    35: "fretless",
    36: "slap 1",
    37: "slap 2",
    38: "synth 1",
    39: "synth 2",
    42: "cello",
    43: "contrabass",
    52: "choir",
    53: "voice",
    54: "synth voice",
    58: "tuba",
    67: "baritone sax",
    70: "bassoon",
}


@dataclass(frozen=True)
class RenderedSong:
    """A song with its sound at 44.1 kHz: `mix` is everything but the bass, both `(samples,)`, both levelled."""

    song: Song
    mix: np.ndarray
    bass: np.ndarray


def unseen_songs(first: int, count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders the test songs number `first` to `first + count - 1`."""
    songs = [compose(seed, duration) for seed in JUDGED_SEEDS[first : first + count]]
    return _all_rendered(partial(_rendered, cache=cache), songs, f"rendering {count} songs")


def unseen_songs_at(tempos: tuple[float, float], count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders the first `count` test songs in 4/4 whose tempo lies in a band."""
    songs = (compose(seed, duration) for seed in JUDGED_SEEDS)
    near = (song for song in songs if song.metre == "4/4" and tempos[0] <= song.tempo < tempos[1])
    return _all_rendered(partial(_rendered, cache=cache), list(islice(near, count)), f"rendering {count} songs")


def validation_songs(count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders validation songs that no training validates on, with a soundfont that is trained on."""
    songs = [compose(seed, duration) for seed in VALIDATION_SEEDS[100 : 100 + count]]
    render = partial(_rendered, cache=cache, soundfont=TRAINING_SOUNDFONT)
    return _all_rendered(render, songs, f"rendering {count} validation songs")


def training_songs(count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders the first `count` training songs with a soundfont that is trained on."""
    songs = [compose(seed, duration) for seed in TRAIN_SEEDS[:count]]
    render = partial(_rendered, cache=cache, soundfont=TRAINING_SOUNDFONT)
    return _all_rendered(render, songs, f"rendering {count} training songs")


def artificial_songs(dataset: Dataset, count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders songs of one of BassNet's artificial data sets, cut to `duration` seconds."""
    songs = [compose_artificial(dataset, seed, duration + LONGEST_MEASURE) for seed in JUDGED_SEEDS[:count]]
    samples = round(duration * SAMPLING_RATE)
    whole = _all_rendered(partial(_rendered, cache=cache), songs, f"rendering {count} songs of {dataset}")
    return [
        RenderedSong(song.song.beginning(duration), leveled(song.mix[:samples]), leveled(song.bass[:samples]))
        for song in whole
    ]


def sub_mixed(song: RenderedSong, names: Collection[str], cache: Path) -> RenderedSong:
    """The same unseen song with some of its parts alone in the mix."""
    stems = _render(song.song, cache)
    return replace(song, mix=leveled(sum(stems[name] for name in names)))


def bass_alone(song: Song, cache: Path, soundfont: str = SOUNDFONT) -> np.ndarray:
    """Renders a song's bass and nothing else, `(samples,)`, levelled."""
    return leveled(_render(replace(song, parts=()), cache, soundfont)["bass"])


def unseen_twins(count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Renders the basses of the first `count` test songs, each twice: its twin, on another instrument, is the `mix`."""
    songs = [compose_twins(seed, duration) for seed in JUDGED_SEEDS[:count]]
    return _all_rendered(partial(_rendered, cache=cache), songs, f"rendering {count} basses and their twins")


def unseen_bass(number: int, program: int, duration: float, cache: Path) -> np.ndarray:
    """Renders the bass of test song `number` alone with another General MIDI program, `(samples,)`, levelled."""
    song = compose(JUDGED_SEEDS[number], duration)
    return bass_alone(replace(song, bass=replace(song.bass, program=program)), cache)


def leveled(audio: Any) -> np.ndarray:
    """Brings audio `(samples,)` to the reference loudness; silence stays silent."""
    gain = float(reference_gain(torch.from_numpy(np.asarray(audio, dtype=np.float32))[None, None]))
    return (audio * gain).astype(np.float32)


def _all_rendered(render: Callable[[Song], Any], songs: Sequence[Song], description: str) -> list[Any]:
    # Threads suffice: FluidSynth is a process of its own.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(render, songs), description=description, total=len(songs)))


def _rendered(song: Song, cache: Path, soundfont: str = SOUNDFONT) -> RenderedSong:
    stems = _render(song, cache, soundfont)
    mix = sum(audio for name, audio in stems.items() if name != "bass")
    return RenderedSong(song, leveled(mix), leveled(stems["bass"]))


def _render(song: Song, cache: Path, soundfont: str = SOUNDFONT) -> dict[str, np.ndarray]:
    # Named for the notes, not the seed: a changed composer must not meet songs that an older one wrote.
    notes = hashlib.sha256(json.dumps(song.to_dict(), sort_keys=True).encode()).hexdigest()[:16]
    path = cache / f"{soundfont}_{song.seed}_{notes}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    stems = render_song(song, soundfont)
    cache.mkdir(parents=True, exist_ok=True)
    # Of this process alone: two benchmarks may fill one cache at once.
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished.npz")
    np.savez(unfinished, allow_pickle=False, **stems)
    unfinished.rename(path)
    return stems


__all__ = [
    "DEFAULT_CACHE",
    "PROGRAM_NAMES",
    "SAMPLING_RATE",
    "RenderedSong",
    "artificial_songs",
    "bass_alone",
    "leveled",
    "sub_mixed",
    "training_songs",
    "unseen_bass",
    "unseen_songs",
    "unseen_songs_at",
    "unseen_twins",
    "validation_songs",
]
