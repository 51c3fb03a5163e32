"""Loops for the benchmarks, and a classifier of their words that no net of the library has anything to do with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.common.cache import cached_arrays
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import read_annotation, read_instruments, write_corpus
from latentstem.data.score import Song
from latentstem.data.words import WORDS, words_of

RATE = 22050
BANDS = 80
STEPS = 64
"""Columns of the picture of a bar: sixteen for each of four beats."""
HEARD = 2
"""Bars that are heard together."""
EPOCHS, BATCH, LEARNING_RATE = 30, 32, 4e-3


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


def bar_pictures(audio: np.ndarray, sampling_rate: int, bpm: float) -> np.ndarray:
    """Draw every bar of a loop as a spectrogram of equal width, whatever its tempo and level.

    Args:
        audio: Mono audio `(samples,)`, bars of four beats from the first sample on.
        sampling_rate: Its sampling rate in Hz.
        bpm: Beats a minute.

    Returns:
        Mel spectrograms `(bars, BANDS, STEPS)`, float16: 1 is the loudest of the loop, and -1 is 80 dB below.
    """
    audio = librosa.resample(np.asarray(audio, np.float32), orig_sr=sampling_rate, target_sr=RATE)
    power = librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=2048, hop_length=256, n_mels=BANDS, fmin=30)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80.0)
    bar = 4 * 60 / bpm * RATE / 256
    bars = max(1, int(len(audio) / 256 / bar + 0.25))
    places = (np.arange(bars * STEPS) + 0.5) * bar / STEPS
    first = np.clip(places.astype(int), 0, decibels.shape[1] - 2)
    share = np.clip(places - first, 0, 1)
    columns = decibels[:, first] * (1 - share) + decibels[:, first + 1] * share
    return (columns / 40 + 1).reshape(BANDS, bars, STEPS).transpose(1, 0, 2).astype(np.float16)


class WordNet(nn.Module):
    """Tell which words are true of the bars of a loop.

    Args:
        words: Number of words.
        channels: Width of the first layer.

    Shape:
        `(batch, BANDS, columns)` to logits `(batch, words)`.
    """

    def __init__(self, words: int, channels: int = 32):
        super().__init__()
        widths = (2, channels, 2 * channels, 2 * channels, 4 * channels)

        def stage(inputs: int, outputs: int) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))

        self.stages = nn.Sequential(*(stage(*pair) for pair in pairwise(widths)))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * widths[-1] * (BANDS // 16), words))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits of the words."""
        heights = torch.linspace(-1, 1, BANDS, device=pictures.device)[:, None].expand_as(pictures)
        hidden = self.stages(torch.stack([pictures, heights], 1)).flatten(1, 2)
        return self.head(torch.cat([hidden.mean(-1), hidden.amax(-1)], 1))


@dataclass(frozen=True)
class WordJudge:
    """A classifier of the words of loops.

    Attributes:
        net: Net in evaluation mode.
        words: Its words, in the order of the outputs.
    """

    net: WordNet
    words: tuple[str, ...]

    @torch.no_grad()
    def __call__(self, audio: np.ndarray, sampling_rate: int, bpm: float) -> dict[str, bool]:
        """Tell which words are true of a loop.

        Args:
            audio: Mono audio `(samples,)`, two bars or more.
            sampling_rate: Its sampling rate in Hz.
            bpm: Beats a minute.
        """
        pictures = torch.from_numpy(bar_pictures(audio, sampling_rate, bpm)).float()
        logits = self.net(_pairs(pictures)).mean(0)
        return {word: bool(value > 0) for word, value in zip(self.words, logits, strict=True)}


def _pairs(pictures: Tensor) -> Tensor:
    """Every bar with the next, the last with the first, `(bars, BANDS, HEARD * STEPS)`."""
    return torch.cat([pictures.roll(-shift, 0) for shift in range(HEARD)], -1)


def fit_words(seeds: Sequence[int], cache: Path, epochs: int = EPOCHS) -> WordJudge:
    """Train a classifier on composed loops.

    Args:
        seeds: Seeds of the loops to learn from.
        cache: Folder of the cache, where pictures and weights are kept too.
        epochs: Number of times that all loops are heard.

    Returns:
        The classifier of the words that some of the loops have and others have not.
    """
    name = f"loop-words-{seeds[0]}-{len(seeds)}"

    def describe() -> dict[str, np.ndarray]:
        loops = track(rendered_loops(seeds, cache), "pictures of loops", total=len(seeds))
        rows = [(bar_pictures(loop.audio, 44100, loop.song.tempo), list(loop.words.values())) for loop in loops]
        return {
            "pictures": np.concatenate([row[0] for row in rows]),
            "bars": np.array([len(row[0]) for row in rows]),
            "words": np.array([row[1] for row in rows]),
        }

    known = cached_arrays(cache / f"{name}-pictures.npz", describe)
    truth = torch.from_numpy(known["words"]).float()
    both = (truth.sum(0) >= 5) & ((1 - truth).sum(0) >= 5)
    words = tuple(word for word, kept in zip(WORDS.words, both.tolist(), strict=True) if kept)
    loops = [part.float() for part in torch.from_numpy(known["pictures"]).split(known["bars"].tolist())]

    def trained() -> dict[str, np.ndarray]:
        net = train_words(loops, truth[:, both], epochs)
        return {name: value.numpy() for name, value in net.state_dict().items()}

    state = cached_arrays(cache / f"{name}-{epochs}.npz", trained)
    net = WordNet(len(words))
    net.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return WordJudge(net.eval(), words)


def train_words(loops: Sequence[Tensor], truth: Tensor, epochs: int) -> WordNet:
    """Train a net on pictures of loops, whose tuning, level and parts of the spectrum are varied.

    Args:
        loops: Pictures of the bars of each loop, `(bars, BANDS, STEPS)`.
        truth: Whether each word is true, `(loops, words)`.
        epochs: Number of times that all loops are heard.
    """
    torch.manual_seed(0)
    net = WordNet(truth.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE / 2, weight_decay=1e-2)
    batches = -(-len(loops) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
    rarity = (1 - truth).sum(0) / truth.sum(0)
    for _ in track(range(epochs), "learning words"):
        for batch in torch.randperm(len(loops)).split(BATCH):
            pictures = torch.stack([_draw_bars(loops[index]) for index in batch])
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(_vary(pictures))
            loss = binary_cross_entropy_with_logits(logits.float(), truth[batch], pos_weight=rarity)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net


def _draw_bars(pictures: Tensor) -> Tensor:
    """Draw neighbouring bars of a loop, `(BANDS, HEARD * STEPS)`."""
    start = int(torch.randint(len(pictures), ()))
    return torch.cat([pictures[(start + shift) % len(pictures)] for shift in range(HEARD)], -1)


def _vary(pictures: Tensor) -> Tensor:
    """Move a batch by two bands or less, change its levels by some decibels, and silence up to eleven bands."""
    pictures = pictures.roll(int(torch.randint(-2, 3, ())), 1) + 0.1 * torch.randn(len(pictures), 1, 1)
    count = int(torch.randint(12, ()))
    first = int(torch.randint(BANDS - count, ()))
    pictures[:, first : first + count] = -1
    return pictures
