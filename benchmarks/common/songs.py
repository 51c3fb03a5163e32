"""Songs that the benchmarks score on, rendered with TimGM6mb: composed songs of the test seeds, and A1 to A4.

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
from typing import Any, TypeVar

import numpy as np
import torch
from rich.progress import track

from benchmarks.common.cache import cached_arrays
from benchmarks.common.composers import CURRENT, LONGEST_MEASURE, TEST_SONG_SEEDS, Composer, in_band
from latentstem.audio import level
from latentstem.data.compose.bassnet_sets import Dataset
from latentstem.data.compose.composer import Song, compose
from latentstem.data.render.fluidsynth import SAMPLING_RATE
from latentstem.data.render.song import SynthEffects, render_song
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS

TARGET = "bass"
SOUNDFONT = "timgm6mb"
TRAINING_SOUNDFONT = "fluidr3"
DEFAULT_CACHE = Path(tempfile.gettempdir()) / "latentstem-benchmark-songs"
BASS_PROGRAMS = range(32, 40)
"""The basses of General MIDI."""
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

Notes = TypeVar("Notes")
Rendered = TypeVar("Rendered")


@dataclass(frozen=True)
class RenderedSong:
    """A song with its sound at 44.1 kHz.

    Attributes:
        song: The notes and annotations.
        mix: Everything but the target, `(samples,)`, at the reference loudness.
        stem: The target, `(samples,)`, at the reference loudness.
        composer: Composer of the song.
        target: Name of the part that is the stem.
    """

    song: Song
    mix: np.ndarray
    stem: np.ndarray
    composer: Composer = CURRENT
    target: str = TARGET


def unseen_songs(
    first: int, count: int, duration: float, cache: Path, composer: Composer = CURRENT, target: str = TARGET
) -> list[RenderedSong]:
    """Compose and render the test songs `first` to `first + count - 1` of those that have the target."""
    songs = (composer.compose(seed, duration) for seed in TEST_SONG_SEEDS)
    chosen = list(islice((song for song in songs if target in song.names), first, first + count))
    render = partial(_render_song, cache=cache, composer=composer, target=target)
    return render_all(render, chosen, f"rendering {count} songs")


def unseen_engine_songs(count: int, duration: float, cache: Path, target: str = TARGET) -> list[RenderedSong]:
    """Compose the first `count` test songs that have the target, and render them with engines that no net has heard."""
    songs = (compose(seed, duration) for seed in TEST_SONG_SEEDS)
    chosen = list(islice((song for song in songs if target in song.names), count))
    render = partial(_render_song, cache=cache, soundfont=None, target=target)
    return render_all(render, chosen, f"rendering {count} songs")


def unseen_songs_at(
    tempos: tuple[float, float], count: int, duration: float, cache: Path, composer: Composer = CURRENT
) -> list[RenderedSong]:
    """Compose and render the first `count` test songs in 4/4 whose tempo is in a range."""
    songs = (composer.compose(seed, duration) for seed in composer.test_song_seeds)
    chosen = list(islice((song for song in songs if in_band(song, tempos)), count))
    return render_all(partial(_render_song, cache=cache, composer=composer), chosen, f"rendering {count} songs")


def validation_songs(count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Compose and render validation songs that no training validates on, with a soundfont that is trained on."""
    songs = [compose(seed, duration) for seed in VALIDATION_SEEDS[100 : 100 + count]]
    render = partial(_render_song, cache=cache, soundfont=TRAINING_SOUNDFONT)
    return render_all(render, songs, f"rendering {count} validation songs")


def training_songs(count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Compose and render the first `count` training songs with a soundfont that is trained on."""
    songs = [compose(seed, duration) for seed in TRAIN_SEEDS[:count]]
    render = partial(_render_song, cache=cache, soundfont=TRAINING_SOUNDFONT)
    return render_all(render, songs, f"rendering {count} training songs")


def artificial_songs(
    dataset: Dataset, count: int, duration: float, cache: Path, composer: Composer = CURRENT
) -> list[RenderedSong]:
    """Compose and render songs of one of BassNet's artificial data sets, cut to `duration` seconds."""
    seeds, whole = TEST_SONG_SEEDS[:count], duration + LONGEST_MEASURE
    songs = [composer.compose_artificial(dataset, seed, whole) for seed in seeds]
    samples = round(duration * SAMPLING_RATE)
    render = partial(_render_song, cache=cache, composer=composer)
    return [
        replace(
            song,
            song=song.song.beginning(duration),
            mix=normalize_level(song.mix[:samples]),
            stem=normalize_level(song.stem[:samples]),
        )
        for song in render_all(render, songs, f"rendering {count} songs of {dataset}")
    ]


def sub_mix(song: RenderedSong, names: Collection[str], cache: Path) -> RenderedSong:
    """Render a test song again with only some of its parts in the mix."""
    stems = _render(song.song, cache, effects=song.composer.effects(song.song.seed))
    return replace(song, mix=normalize_level(sum(stems[name] for name in names)))


def stem_alone(
    song: Song, cache: Path, soundfont: str = SOUNDFONT, composer: Composer = CURRENT, target: str = TARGET
) -> np.ndarray:
    """Render one part of a song alone, `(samples,)`, at the reference loudness."""
    alone = replace(song, parts=(song.part(target),))
    return normalize_level(_render(alone, cache, soundfont, composer.effects(song.seed))[target])


def unseen_timbre_pairs(count: int, duration: float, cache: Path, composer: Composer = CURRENT) -> list[RenderedSong]:
    """Render the basses of the first `count` test songs twice: the `mix` has the same notes on another instrument."""
    songs = [composer.compose_timbre_pair(seed, duration) for seed in TEST_SONG_SEEDS[:count]]
    render = partial(_render_song, cache=cache, composer=composer)
    return render_all(render, songs, f"rendering {count} timbre pairs")


def unseen_bass(index: int, program: int, duration: float, cache: Path, composer: Composer = CURRENT) -> np.ndarray:
    """Render the bass of a test song alone with another General MIDI program, at the reference loudness."""
    song = composer.compose(TEST_SONG_SEEDS[index], duration)
    bass = replace(song.part(TARGET), program=program)
    return stem_alone(replace(song, parts=(bass,)), cache, composer=composer)


def normalize_level(audio: Any) -> np.ndarray:
    """Bring audio `(samples,)` to the reference loudness; silence stays silence."""
    return level.normalize_level(torch.from_numpy(np.asarray(audio, dtype=np.float32))[None, None])[0, 0].numpy()


def render_all(
    render: Callable[[Notes], Rendered], songs: Sequence[Notes], description: str = "rendering"
) -> list[Rendered]:
    """Apply a function that renders with FluidSynth to every song or line, in order, on all cores."""
    # Threads suffice: FluidSynth is a process of its own.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(render, songs), description=description, total=len(songs)))


def _render_song(
    song: Song, cache: Path, soundfont: str | None = SOUNDFONT, composer: Composer = CURRENT, target: str = TARGET
) -> RenderedSong:
    stems = _render(song, cache, soundfont, composer.effects(song.seed))
    stem = stems.pop(target)
    return RenderedSong(song, normalize_level(sum(stems.values())), normalize_level(stem), composer, target)


def _render(
    song: Song, cache: Path, soundfont: str | None = SOUNDFONT, effects: SynthEffects | None = None
) -> dict[str, np.ndarray]:
    """Render the stems of a song with a soundfont, or without one with unseen instruments of the engines."""
    effects = effects or SynthEffects.draw(song.seed)
    # The name depends on the notes, not only on the seed: the songs of another composer must not be taken.
    content = json.dumps([song.to_dict(), asdict(effects)], sort_keys=True)
    notes = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = cache / f"{soundfont or 'engines'}_{song.seed}_{notes}.npz"
    return cached_arrays(path, lambda: render_song(song, soundfont, effects=effects, unseen=True))


__all__ = [
    "BASS_PROGRAMS",
    "DEFAULT_CACHE",
    "PROGRAM_NAMES",
    "SAMPLING_RATE",
    "RenderedSong",
    "artificial_songs",
    "normalize_level",
    "render_all",
    "stem_alone",
    "sub_mix",
    "training_songs",
    "unseen_bass",
    "unseen_engine_songs",
    "unseen_songs",
    "unseen_songs_at",
    "unseen_timbre_pairs",
    "validation_songs",
]
