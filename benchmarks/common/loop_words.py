"""Loops for the benchmarks, and classifiers of their words that no net has anything to do with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common.cache import cached_arrays
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import read_annotation, read_instruments, write_corpus
from latentstem.data.score import Song
from latentstem.data.words import WORDS, words_of

RATE = 22050
BANDS = 48
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)


@dataclass(frozen=True)
class RenderedLoop:
    """A composed loop, all turns of it.

    Attributes:
        song: Its notes.
        audio: Its sound at 44.1 kHz, `(samples,)`.
        words: Every word to whether it is true.
    """

    song: Song
    audio: np.ndarray
    words: Mapping[str, bool]


def rendered_loops(seeds: Sequence[int], cache: Path) -> Iterator[RenderedLoop]:
    """Render the loops of some seeds, or read them from the cache.

    Args:
        seeds: Seeds of the loops.
        cache: Folder of the cache.

    Yields:
        One loop after the other.
    """
    for folder in write_corpus(cache / "loops", seeds, compose=compose_loop, duration=20.0, mixdown="loop"):
        audio, rate = soundfile.read(folder / "loop.wav", dtype="float32")
        song = read_annotation(folder)
        yield RenderedLoop(song, audio, words_of(song, read_instruments(folder), audio[: 1 << 18], rate))


def features(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Describe the spectrum, the onsets in three registers, and the harmony of a loop, whatever its level and key.

    Args:
        audio: Mono audio `(samples,)`.
        sampling_rate: Its sampling rate in Hz.
    """
    audio = librosa.resample(np.asarray(audio, np.float32), orig_sr=sampling_rate, target_sr=RATE)
    power = librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=2048, hop_length=512, n_mels=BANDS)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80.0)
    flux = np.maximum(np.diff(decibels, axis=1), 0)
    registers = [rows.mean(0) for rows in np.array_split(flux, 3)]
    seconds = len(audio) / RATE
    onsets = [len(librosa.onset.onset_detect(onset_envelope=flow, sr=RATE, hop_length=512)) for flow in registers]
    chroma = librosa.feature.chroma_cqt(y=audio, sr=RATE, hop_length=2048).mean(1)
    chroma = (chroma - chroma.mean()) / max(chroma.std(), 1e-6)
    triads = [
        max(chroma[[(root + step) % 12 for step in steps]].sum() for root in range(12)) for steps in (_MAJOR, _MINOR)
    ]
    return np.concatenate(
        [
            decibels.mean(1),
            decibels.std(1),
            np.percentile(decibels, 95, axis=1),
            flux.mean(1),
            [flow.std() for flow in registers],
            [count / seconds for count in onsets],
            triads,
            [triads[0] - triads[1]],
        ]
    )


def fit_words(seeds: Sequence[int], cache: Path) -> dict[str, Pipeline]:
    """Fit a logistic regression for each word that some composed loops have and others have not.

    Args:
        seeds: Seeds of the loops to learn from.
        cache: Folder of the cache, where the features are kept too.

    Returns:
        Classifiers by word.
    """

    def describe() -> dict[str, np.ndarray]:
        loops = track(rendered_loops(seeds, cache), "learning words", total=len(seeds))
        rows = [(features(loop.audio, 44100), list(loop.words.values())) for loop in loops]
        return {"features": np.stack([row[0] for row in rows]), "words": np.array([row[1] for row in rows])}

    known = cached_arrays(cache / f"loop-words-{seeds[0]}-{len(seeds)}.npz", describe)
    classifiers = {}
    for word, truth in zip(WORDS.words, known["words"].T, strict=True):
        if 5 <= truth.sum() <= len(truth) - 5:
            regression = LogisticRegression(C=0.05, max_iter=2000, class_weight="balanced")
            classifiers[word] = make_pipeline(StandardScaler(), regression).fit(known["features"], truth)
    return classifiers
