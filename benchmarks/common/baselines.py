"""Baselines without a net: the low end of the mix, the nearest training bass, and a second bass of the composer.

The bass of another song needs no function: see `benchmarks.common.scores.score_against_others`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import scipy.signal
from rich.progress import track

from benchmarks.common.composers import CURRENT, INTRO, Composer
from benchmarks.common.songs import SAMPLING_RATE, TARGET, TRAINING_SOUNDFONT, RenderedSong, normalize_level, stem_alone
from latentstem.data.compose.composer import Song
from latentstem.data.score import Key
from latentstem.data.splits import TRAIN_SEEDS

COPY_HZ = 200.0


def copy_low_end(mix: np.ndarray) -> np.ndarray:
    """Low-pass a mix `(samples,)` at 200 Hz, 24 dB an octave in zero phase, and bring it to the level of a bass.

    Its pitches are those of the chords, so that its chord share is high by construction.
    """
    sos = scipy.signal.butter(2, COPY_HZ, "lowpass", fs=SAMPLING_RATE, output="sos")
    return normalize_level(scipy.signal.sosfiltfilt(sos, mix))


def second_bass(song: RenderedSong, cache: Path) -> np.ndarray:
    """Render another bass that the composer writes for the same song, `(samples,)`."""
    other = song.composer.compose(song.song.seed, song.song.duration, bass_player=1)
    return stem_alone(other, cache, composer=song.composer)


@dataclass(frozen=True)
class Retrieval:
    """Retrieval of the nearest bass among training songs: by key, then by tempo, without stretching or transposing.

    Attributes:
        library: Training songs, longer than the songs to accompany.
        cache: Folder of rendered basses.
        composer: Composer of the library.
    """

    library: Sequence[Song]
    cache: Path
    composer: Composer = CURRENT

    @classmethod
    def of(cls, count: int, duration: float, cache: Path, composer: Composer = CURRENT) -> "Retrieval":
        """Compose the first `count` training songs."""
        seeds = track(TRAIN_SEEDS[:count], description=f"composing a library of {count}")
        return cls([composer.compose(seed, duration + INTRO) for seed in seeds], cache, composer)

    def __call__(self, song: RenderedSong) -> np.ndarray:
        """Return the bass `(samples,)` of the nearest song, from the first bar with notes, on the first downbeat."""
        near = nearest(song.song, self.library)
        # Rendered with a soundfont that is trained on, as a training bass.
        audio = stem_alone(near, self.cache, TRAINING_SOUNDFONT, self.composer)
        notes = near.part(TARGET).notes
        entry = notes[0].start if notes else 0.0
        start = max((bar for bar in near.bars if bar <= entry + 0.05), default=near.bars[0])
        shift = round((start - song.song.bars[0]) * SAMPLING_RATE)
        audio = audio[shift:] if shift >= 0 else np.pad(audio, (-shift, 0))
        samples = len(song.stem)
        return normalize_level(np.pad(audio[:samples], (0, max(0, samples - len(audio)))))


def nearest(song: Song, library: Sequence[Song]) -> Song:
    """Find the song whose first key is nearest, and of those the nearest in tempo."""
    return min(
        library,
        key=lambda other: (key_distance(song.keys[0], other.keys[0]), abs(log(other.tempo / song.tempo))),
    )


def key_distance(first: Key, second: Key) -> int:
    """Return 0 for equal keys, 1 for two modes of one tonic, else 1 plus the steps along the circle of fifths."""
    if first.tonic == second.tonic:
        return int(first.mode != second.mode)
    fifths = 7 * (first.tonic - second.tonic) % 12
    return 1 + min(fifths, 12 - fifths)
