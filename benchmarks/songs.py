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
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from composers import CURRENT, JUDGED_SEEDS, LONGEST_MEASURE, Composer, in_band
from rich.progress import track

from latentstem.audio.level import reference_gain
from latentstem.data.bassnet import Dataset
from latentstem.data.composer import TRAIN_SEEDS, VALIDATION_SEEDS, Song, compose
from latentstem.data.corpus import SynthEffects, render_song
from latentstem.data.synthesis import SAMPLING_RATE

TARGET = "bass"
SOUNDFONT = "timgm6mb"
TRAINING_SOUNDFONT = "fluidr3"
DEFAULT_CACHE = Path(tempfile.gettempdir()) / "latentstem-benchmark-songs"
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
    """A song with its sound at 44.1 kHz.

    Attributes:
        song: what is played.
        mix: everything but the target, `(samples,)`, levelled.
        stem: the target, `(samples,)`, levelled.
        composer: who wrote the song.
        target: name of the part that is the stem.
    """

    song: Song
    mix: np.ndarray
    stem: np.ndarray
    composer: Composer = CURRENT
    target: str = TARGET


def unseen_songs(
    first: int, count: int, duration: float, cache: Path, composer: Composer = CURRENT, target: str = TARGET
) -> list[RenderedSong]:
    """Composes and renders the test songs number `first` to `first + count - 1` of those that have the target."""
    songs = (composer.compose(seed, duration) for seed in JUDGED_SEEDS)
    some = list(islice((song for song in songs if target in song.names), first, first + count))
    render = partial(_rendered, cache=cache, composer=composer, target=target)
    return _all_rendered(render, some, f"rendering {count} songs")


def unseen_songs_at(
    tempos: tuple[float, float], count: int, duration: float, cache: Path, composer: Composer = CURRENT
) -> list[RenderedSong]:
    """Composes and renders the first `count` test songs in 4/4 whose tempo lies in a band."""
    songs = (composer.compose(seed, duration) for seed in composer.judged_seeds)
    chosen = list(islice((song for song in songs if in_band(song, tempos)), count))
    return _all_rendered(partial(_rendered, cache=cache, composer=composer), chosen, f"rendering {count} songs")


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


def artificial_songs(
    dataset: Dataset, count: int, duration: float, cache: Path, composer: Composer = CURRENT
) -> list[RenderedSong]:
    """Composes and renders songs of one of BassNet's artificial data sets, cut to `duration` seconds."""
    seeds, whole = JUDGED_SEEDS[:count], duration + LONGEST_MEASURE
    songs = [composer.compose_artificial(dataset, seed, whole) for seed in seeds]
    samples = round(duration * SAMPLING_RATE)
    render = partial(_rendered, cache=cache, composer=composer)
    return [
        replace(
            song,
            song=song.song.beginning(duration),
            mix=leveled(song.mix[:samples]),
            stem=leveled(song.stem[:samples]),
        )
        for song in _all_rendered(render, songs, f"rendering {count} songs of {dataset}")
    ]


def sub_mixed(song: RenderedSong, names: Collection[str], cache: Path) -> RenderedSong:
    """The same unseen song with some of its parts alone in the mix."""
    stems = _render(song.song, cache, effects=song.composer.effects(song.song.seed))
    return replace(song, mix=leveled(sum(stems[name] for name in names)))


def stem_alone(
    song: Song, cache: Path, soundfont: str = SOUNDFONT, composer: Composer = CURRENT, target: str = TARGET
) -> np.ndarray:
    """Renders one part of a song and nothing else, `(samples,)`, levelled."""
    alone = replace(song, parts=(song.part(target),))
    return leveled(_render(alone, cache, soundfont, composer.effects(song.seed))[target])


def unseen_twins(count: int, duration: float, cache: Path, composer: Composer = CURRENT) -> list[RenderedSong]:
    """Renders the basses of the first `count` test songs, each twice: its twin, on another instrument, is the `mix`."""
    songs = [composer.compose_twins(seed, duration) for seed in JUDGED_SEEDS[:count]]
    render = partial(_rendered, cache=cache, composer=composer)
    return _all_rendered(render, songs, f"rendering {count} basses and their twins")


def unseen_bass(number: int, program: int, duration: float, cache: Path, composer: Composer = CURRENT) -> np.ndarray:
    """Renders the bass of test song `number` alone with another General MIDI program, `(samples,)`, levelled."""
    song = composer.compose(JUDGED_SEEDS[number], duration)
    bass = replace(song.part(TARGET), program=program)
    return stem_alone(replace(song, parts=(bass,)), cache, composer=composer)


def leveled(audio: Any) -> np.ndarray:
    """Brings audio `(samples,)` to the reference loudness; silence stays silent."""
    gain = float(reference_gain(torch.from_numpy(np.asarray(audio, dtype=np.float32))[None, None]))
    return (audio * gain).astype(np.float32)


def _all_rendered(render: Callable[[Song], Any], songs: Sequence[Song], description: str) -> list[Any]:
    # Threads suffice: FluidSynth is a process of its own.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(render, songs), description=description, total=len(songs)))


def _rendered(
    song: Song, cache: Path, soundfont: str = SOUNDFONT, composer: Composer = CURRENT, target: str = TARGET
) -> RenderedSong:
    stems = _render(song, cache, soundfont, composer.effects(song.seed))
    stem = stems.pop(target)
    return RenderedSong(song, leveled(sum(stems.values())), leveled(stem), composer, target)


def _render(
    song: Song, cache: Path, soundfont: str = SOUNDFONT, effects: SynthEffects | None = None
) -> dict[str, np.ndarray]:
    effects = effects or SynthEffects.draw(song.seed)
    # Named for the notes, not the seed: a changed composer must not meet songs that an older one wrote.
    content = json.dumps([song.to_dict(), asdict(effects)], sort_keys=True)
    notes = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = cache / f"{soundfont}_{song.seed}_{notes}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    stems = render_song(song, soundfont, effects=effects)
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
    "leveled",
    "stem_alone",
    "sub_mixed",
    "training_songs",
    "unseen_bass",
    "unseen_songs",
    "unseen_songs_at",
    "unseen_twins",
    "validation_songs",
]
