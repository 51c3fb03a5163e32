"""Crops of songs that are composed and rendered while a training asks for them: the band corpus without the disk."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import IterableDataset, get_worker_info

from latentstem.audio.level import REFERENCE_RMS, reference_gain
from latentstem.data.composer import TRAIN_SEEDS, compose
from latentstem.data.corpus import render_song
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song
from latentstem.data.synthesis import soundfont_path, synthesizer_path

REDRAWS = 8
"""How often a crop in which the target rests is drawn again."""
SONGS_WITHOUT = 100
"""Songs in a row without the target after which none is expected to come."""


class BandStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless crops `(mix, stem)`, as `StemCrops` draws them, of songs that are never written to disk.

    Each worker of a `DataLoader` renders songs of its own, takes several crops of each, and yields crops in random
    order out of a small store. The stream is a function of the arguments and of the number of workers. Processes that
    train together need seeds of their own.

    Args:
        crop_samples: length of a crop at 44.1 kHz; a shorter song is continued with silence.
        seed: of all draws but the songs' own.
        seeds: of the songs; one is drawn for every song, with repetition.
        duration: seconds a song.
        soundfonts: each song takes one of them.
        compose: seed and duration to song.
        crops_per_song: rendering a song costs seconds, a crop of it nothing.
        store: crops that wait to be drawn; more of them, from more songs, make a batch more varied.
        full_mix_share: share of the crops whose mix holds all other stems; the rest hold one to all of them.
        gain_range: a stem's gain in the mix is drawn from this range.
        rest_share: share of the crops that stay as first drawn, whether the target sounds in them or not.
        target: name of the part that is the stem; songs without it are passed over.

    Raises:
        SynthesisError: if FluidSynth or a soundfont is missing.
        ValueError: if `crop_samples` is not positive, or a soundfont unknown.

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
        soundfonts: Sequence[str] = ("fluidr3", "musescore"),
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
        for name in soundfonts:
            soundfont_path(name)
        self.crop_samples, self.seed, self.seeds = crop_samples, seed, seeds
        self.duration, self.soundfonts, self.compose = duration, soundfonts, compose
        self.crops_per_song, self.store = crops_per_song, store
        self.full_mix_share, self.gain_range, self.rest_share = full_mix_share, gain_range, rest_share
        self.target = target

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        rng = SeededRandom(self.seed).child(f"order {first}")
        waiting: list[tuple[Tensor, Tensor]] = []
        for number in itertools.count(first, step):
            waiting += self.crops(number)
            while len(waiting) > self.store:
                place = rng.integer(len(waiting))
                waiting[place], waiting[-1] = waiting[-1], waiting[place]
                yield waiting.pop()

    def crops(self, number: int) -> list[tuple[Tensor, Tensor]]:
        """Render one song of the stream and crop it.

        Args:
            number: of the song in the stream, from 0; its crops are a function of `(seed, number)` alone.

        Returns:
            Mix and stem, `(1, crop_samples)` each.

        Raises:
            ValueError: if a hundred songs in a row have no part of the target's name.
        """
        rng = SeededRandom(self.seed).child(f"song {number}")
        song = self._song(rng.child("seed"))
        rendered = render_song(song, rng.child("soundfont").choice(self.soundfonts))
        missing = max(0, self.crop_samples - round(song.duration * 44100))
        stems = {name: pad(torch.from_numpy(audio), (0, missing)) for name, audio in rendered.items()}
        target = _levelled(stems.pop(self.target))
        return [self._crop(rng.child(f"crop {place}"), target, stems) for place in range(self.crops_per_song)]

    def _song(self, rng: SeededRandom) -> Song:
        """The first song of those drawn that has the target."""
        for _ in range(SONGS_WITHOUT):
            song = self.compose(rng.choice(self.seeds), self.duration)
            if self.target in song.names:
                return song
        raise ValueError(
            f"none of {SONGS_WITHOUT} songs has a part {self.target!r}, expected one of {', '.join(song.names)}"
        )

    def _crop(self, rng: SeededRandom, target: Tensor, others: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        names, draws = list(others), rng.child("mix")
        count = len(names) if draws.bernoulli(self.full_mix_share) else 1 + draws.integer(len(names))
        chosen = [names.pop(draws.integer(len(names))) for _ in range(count)]
        gained = (draws.uniform(*self.gain_range) * others[name] for name in chosen)
        mix = _levelled(sum(gained, torch.zeros_like(target)))
        rng = rng.child("place")
        for redraws in range(0 if rng.bernoulli(self.rest_share) else REDRAWS, -1, -1):
            start = rng.integer(target.shape[-1] - self.crop_samples + 1)
            stem = target[start : start + self.crop_samples]
            # The target sounds if it comes within 40 dB of the level of its sounding parts.
            if redraws == 0 or stem.square().mean() > 1e-4 * REFERENCE_RMS**2:
                break
        # Copies: a view would keep, and send between processes, the whole song.
        return mix[None, start : start + self.crop_samples].clone(), stem[None].clone()


def _levelled(audio: Tensor) -> Tensor:
    """Bring a whole track to the reference loudness; silence stays silence."""
    return audio * reference_gain(audio[None, None])
