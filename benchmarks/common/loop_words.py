"""Loops for the benchmarks, and classifiers of their words that no net has anything to do with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import read_annotation, read_instruments, write_corpus
from latentstem.data.score import Song
from latentstem.data.words import words_of

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


def rendered_loops(seeds: Sequence[int], cache: Path) -> list[RenderedLoop]:
    """Render the loops of some seeds, or read them from the cache.

    Args:
        seeds: Seeds of the loops.
        cache: Folder of the cache.
    """
    tracks = write_corpus(cache / "loops", seeds, compose=compose_loop, duration=20.0, mixdown="loop")
    loops = []
    for track in tracks:
        audio, rate = soundfile.read(track / "loop.wav", dtype="float32")
        song = read_annotation(track)
        loops.append(RenderedLoop(song, audio, words_of(song, read_instruments(track), audio[: 1 << 18], rate)))
    return loops


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


def fit_words(loops: Sequence[RenderedLoop]) -> dict[str, Pipeline]:
    """Fit a logistic regression for each word that some loops have and others have not.

    Args:
        loops: Loops to learn from.

    Returns:
        Classifiers by word.
    """
    described = np.stack([features(loop.audio, 44100) for loop in loops])
    classifiers = {}
    for word in loops[0].words:
        truth = [loop.words[word] for loop in loops]
        if 5 <= sum(truth) <= len(truth) - 5:
            classifier = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.05, max_iter=2000, class_weight="balanced")
            )
            classifiers[word] = classifier.fit(described, truth)
    return classifiers
