"""Random crops of songs that are composed and rendered while a training runs: the band corpus without a disk."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import IterableDataset, get_worker_info

from latentstem.audio.level import BLOCK, normalize_level
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.compose.composer import compose
from latentstem.data.render.fluidsynth import soundfont_path, synthesizer_path
from latentstem.data.render.instruments import SOUNDFONTS_TO_DRAW
from latentstem.data.render.song import render_song
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song
from latentstem.data.splits import TRAIN_SEEDS
from latentstem.data.stems.activity import REDRAWS, is_active
from latentstem.data.stems.submix import SubmixSampler

SONGS_WITHOUT = 100
"""Songs in a row without the target after which none is expected to come."""


class BandStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless crops `(mix, stem)`, as `StemCrops` draws them, of songs that are never written to disk.

    Each worker of a `DataLoader` renders songs of its own, takes several crops of each, and yields crops in random
    order out of a small buffer. The stream is a function of the arguments and of the number of workers. Processes that
    train together need different seeds.

    Args:
        crop_samples: Length of a crop in samples at 44.1 kHz; a shorter song is continued with silence.
        seed: Seed of all draws but those of the songs.
        seeds: Seeds of the songs; one is drawn for every song, with repetition.
        duration: Length of a song in seconds.
        soundfonts: Names of soundfonts, of which each song takes one; without any, every part has an instrument of its
            own, see `latentstem.data.render.instruments`.
        compose: Function from seed and duration to a song.
        crops_per_song: Crops taken of each song; rendering a song costs seconds, a crop of it nothing.
        store: Crops in the buffer; more of them, from more songs, make a batch more varied.
        full_mix_share: Fraction of the crops whose mix holds all other stems; the others hold one to all of them.
        gain_range: Least and greatest gain of a stem in the mix.
        rest_share: Fraction of the crops that stay as first drawn, whether the target sounds in them or not.
        target: Name of the part that is the stem; songs without it are passed over.

    Raises:
        SynthesisError: If FluidSynth or a soundfont is missing.
        ValueError: If `crop_samples` is not positive, or a soundfont unknown.

    Example:
        >>> stream = BandStream(crop_samples=81920, seed=0)  # doctest: +SKIP
        >>> loader = DataLoader(stream, batch_size=8, num_workers=8)  # doctest: +SKIP
        >>> mix, stem = next(iter(loader))  # doctest: +SKIP
        >>> mix.shape  # doctest: +SKIP
        torch.Size([8, 1, 81920])
    """

    def __init__(
        self,
        crop_samples: int,
        seed: int = 0,
        seeds: Sequence[int] = TRAIN_SEEDS,
        duration: float = 30.0,
        soundfonts: Sequence[str] = (),
        compose: Callable[[int, float], Song] = compose,
        crops_per_song: int = 8,
        store: int = 32,
        full_mix_share: float = 0.5,
        gain_range: tuple[float, float] = (0.5, 1.0),
        rest_share: float = 0.1,
        target: str = "bass",
    ):
        if crop_samples < 1:
            raise ValueError(f"crop_samples is {crop_samples}, expected at least 1")
        synthesizer_path()
        for name in soundfonts or SOUNDFONTS_TO_DRAW:
            soundfont_path(name)
        self.crop_samples, self.seed, self.seeds = crop_samples, seed, seeds
        self.duration, self.soundfonts, self.compose = duration, soundfonts, compose
        self.crops_per_song, self.store = crops_per_song, store
        self.submixes, self.rest_share = SubmixSampler(full_mix_share, gain_range), rest_share
        self.target = target

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        rng = SeededRandom(self.seed).child(f"order {first}")
        buffer: list[tuple[Tensor, Tensor]] = []
        for index in itertools.count(first, step):
            buffer += self.crops(index)
            while len(buffer) > self.store:
                drawn = rng.integer(len(buffer))
                buffer[drawn], buffer[-1] = buffer[-1], buffer[drawn]
                yield buffer.pop()

    def crops(self, index: int) -> list[tuple[Tensor, Tensor]]:
        """Render one song of the stream and crop it.

        Args:
            index: Index of the song in the stream, from 0; its crops are a function of `(seed, index)` alone.

        Returns:
            `crops_per_song` pairs of mix and stem, `(1, crop_samples)` each.

        Raises:
            ValueError: If a hundred songs in a row have no part of the target's name.
        """
        rng = SeededRandom(self.seed).child(f"song {index}")
        song = self._song(rng.child("seed"))
        rendered = render_song(song, rng.child("soundfont").choice(self.soundfonts) if self.soundfonts else None)
        missing = max(0, self.crop_samples - round(song.duration * SAMPLING_RATE))
        stems = {name: pad(torch.from_numpy(audio), (0, missing)) for name, audio in rendered.items()}
        target = normalize_level(stems.pop(self.target)[None, None])[0]
        powers = _block_powers(target)
        return [self._crop(rng.child(f"crop {crop}"), target, powers, stems) for crop in range(self.crops_per_song)]

    def _song(self, rng: SeededRandom) -> Song:
        """Draw songs up to the first that has the target."""
        for _ in range(SONGS_WITHOUT):
            song = self.compose(rng.choice(self.seeds), self.duration)
            if self.target in song.names:
                return song
        raise ValueError(
            f"none of {SONGS_WITHOUT} songs has a part {self.target!r}, expected one of {', '.join(song.names)}"
        )

    def _crop(
        self, rng: SeededRandom, target: Tensor, powers: np.ndarray, others: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        gains = self.submixes.draw(rng.child("mix"), list(others))
        mix = sum((gain * others[name] for name, gain in gains.items()), torch.zeros_like(target[0]))
        mix = normalize_level(mix[None, None])[0]
        start = self._draw_start(rng.child("place"), target.shape[-1], powers)
        # Copies: a view would keep, and send between processes, the whole song.
        crop = slice(start, start + self.crop_samples)
        return mix[:, crop].clone(), target[:, crop].clone()

    def _draw_start(self, rng: SeededRandom, samples: int, powers: np.ndarray) -> int:
        """Draw the first sample of a crop."""
        redraws = 0 if rng.bernoulli(self.rest_share) else REDRAWS
        while True:
            start = rng.integer(samples - self.crop_samples + 1)
            if redraws == 0 or is_active(powers, start / BLOCK, (start + self.crop_samples) / BLOCK):
                return start
            redraws -= 1


def _block_powers(audio: Tensor) -> np.ndarray:
    """Mean square of every block of 4096 samples of audio `(1, samples)`, the last block continued with silence."""
    blocks = pad(audio[0], (0, -audio.shape[-1] % BLOCK)).unflatten(0, (-1, BLOCK))
    return blocks.square().mean(dim=1).numpy()
