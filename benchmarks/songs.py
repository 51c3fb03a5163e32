"""The unseen songs that every benchmark scores on: composer songs of the test seeds, rendered with TimGM6mb.

Neither the seeds nor the soundfont were ever trained on or used to choose a checkpoint.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from latentstem.audio.level import REFERENCE_RMS, sounding_rms
from latentstem.data.composer import TEST_SEEDS, Song, compose
from latentstem.data.corpus import render_song
from latentstem.data.synthesis import SAMPLING_RATE

SOUNDFONT = "timgm6mb"
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
}


@dataclass(frozen=True)
class RenderedSong:
    """A song with its sound at 44.1 kHz: `mix` is everything but the bass, both `(samples,)`, both levelled."""

    song: Song
    mix: np.ndarray
    bass: np.ndarray


def unseen_songs(first: int, count: int, duration: float, cache: Path) -> list[RenderedSong]:
    """Composes and renders the test songs number `first` to `first + count - 1`."""
    songs = [compose(seed, duration) for seed in TEST_SEEDS[first : first + count]]
    rendered = []
    for song in track(songs, description=f"rendering {count} songs"):
        stems = _render(song, cache)
        mix = sum(audio for name, audio in stems.items() if name != "bass")
        rendered.append(RenderedSong(song, leveled(mix), leveled(stems["bass"])))
    return rendered


def unseen_bass(number: int, program: int, duration: float, cache: Path) -> np.ndarray:
    """Renders the bass of test song `number` alone with another General MIDI program, `(samples,)`, levelled."""
    song = compose(TEST_SEEDS[number], duration)
    song = replace(song, bass=replace(song.bass, program=program), parts=())
    return leveled(_render(song, cache)["bass"])


def leveled(audio: np.ndarray) -> np.ndarray:
    """Brings audio `(samples,)` to the reference loudness; silence stays silent."""
    level = float(sounding_rms(torch.from_numpy(np.asarray(audio, dtype=np.float32))[None, None]))
    return (audio * (REFERENCE_RMS / level if level else 0.0)).astype(np.float32)


def _render(song: Song, cache: Path) -> dict[str, np.ndarray]:
    # Named for the notes, not the seed: a changed composer must not meet songs that an older one wrote.
    notes = hashlib.sha256(json.dumps(song.to_dict(), sort_keys=True).encode()).hexdigest()[:16]
    path = cache / f"{SOUNDFONT}_{song.seed}_{notes}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    stems = render_song(song, SOUNDFONT)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez(unfinished, allow_pickle=False, **stems)
    unfinished.rename(path)
    return stems


__all__ = [
    "DEFAULT_CACHE",
    "PROGRAM_NAMES",
    "SAMPLING_RATE",
    "RenderedSong",
    "leveled",
    "unseen_bass",
    "unseen_songs",
]
