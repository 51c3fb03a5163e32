"""Three ways to a bass without a net, which a net must beat: another song's bass, the mix's low end, the nearest bass.

The mismatched bass needs no function: it is the true bass of every other song (see `hearing.against_others`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import scipy.signal
from composers import CURRENT, INTRO, Composer
from rich.progress import track
from songs import SAMPLING_RATE, TARGET, TRAINING_SOUNDFONT, RenderedSong, leveled, stem_alone

from latentstem.data.composer import TRAIN_SEEDS, Song
from latentstem.data.score import Key

COPY_HZ = 200.0


def copied(mix: np.ndarray) -> np.ndarray:
    """The mix `(samples,)` low-passed at 200 Hz, 24 dB an octave in zero phase, at the level of a bass.

    Its pitches are the chords' own, so that its chord share is high by construction.
    """
    sos = scipy.signal.butter(2, COPY_HZ, "lowpass", fs=SAMPLING_RATE, output="sos")
    return leveled(scipy.signal.sosfiltfilt(sos, mix))


def replayed(song: RenderedSong, cache: Path) -> np.ndarray:
    """What another bass player plays to the same song, `(samples,)`: as good as a guess from the mix gets."""
    other = song.composer.compose(song.song.seed, song.song.duration, bass_player=1)
    return stem_alone(other, cache, composer=song.composer)


@dataclass(frozen=True)
class Retrieval:
    """The nearest bass among training songs: by key, then by tempo; nothing is stretched or transposed.

    Attributes:
        library: the training songs, longer than the songs to accompany.
        cache: where rendered basses are kept.
        composer: who wrote the library.
    """

    library: Sequence[Song]
    cache: Path
    composer: Composer = CURRENT

    @classmethod
    def of(cls, count: int, duration: float, cache: Path, composer: Composer = CURRENT) -> "Retrieval":
        """Composes the first `count` training songs."""
        seeds = track(TRAIN_SEEDS[:count], description=f"composing a library of {count}")
        return cls([composer.compose(seed, duration + INTRO) for seed in seeds], cache, composer)

    def __call__(self, song: RenderedSong) -> np.ndarray:
        """The bass `(samples,)` of the nearest song, from the first bar in which it plays, on the first downbeat."""
        near = nearest(song.song, self.library)
        # Its chords are not asked for; only its notes are heard, from a soundfont that is trained on.
        audio = stem_alone(near, self.cache, TRAINING_SOUNDFONT, self.composer)
        notes = near.part(TARGET).notes
        entry = notes[0].start if notes else 0.0
        start = max((bar for bar in near.bars if bar <= entry + 0.05), default=near.bars[0])
        shift = round((start - song.song.bars[0]) * SAMPLING_RATE)
        audio = audio[shift:] if shift >= 0 else np.pad(audio, (-shift, 0))
        samples = len(song.stem)
        return leveled(np.pad(audio[:samples], (0, max(0, samples - len(audio)))))


def nearest(song: Song, library: Sequence[Song]) -> Song:
    """The song of the library whose first key is nearest, and of those the nearest in tempo."""
    return min(
        library,
        key=lambda other: (key_distance(song.keys[0], other.keys[0]), abs(log(other.tempo / song.tempo))),
    )


def key_distance(one: Key, other: Key) -> int:
    """0 for one key, 1 for one tonic in two modes, then 1 more a step along the circle of fifths."""
    if one.tonic == other.tonic:
        return int(one.mode != other.mode)
    fifths = 7 * (one.tonic - other.tonic) % 12
    return 1 + min(fifths, 12 - fifths)
