"""Batches of random crops of cached latents with their conditions, for the training of denoisers."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from latentstem.training.latents import LatentBank, LatentTrack


class LatentCrops(IterableDataset[tuple[Tensor, dict[str, Tensor]]]):
    """Endless batches of crops of stem latents `(batch, channels, frames)` with their conditions by name.

    Each batch is a function of `(seed, step)` alone, so a resumed training continues with the batches it has not seen.

    Args:
        tracks: Normalized latents of whole tracks.
        batch_frames: Frames per batch, over all crops.
        crop_frames: Least and greatest length of a crop in frames.
        seed: Seed of lengths, tracks, sub-mixes and positions.
        first_step: Step of the first batch.
        device: Device of the latents and of the crops.
        shares: Relative frequency of each track; None draws all equally often.

    Example:
        >>> import torch
        >>> track = LatentTrack("song", torch.randn(4, 40), frames={"mix": torch.randn(2, 4, 40)})
        >>> stem, conditions = next(iter(LatentCrops([track], batch_frames=64, crop_frames=(8, 8), seed=0)))
        >>> stem.shape, conditions["mix"].shape
        (torch.Size([8, 4, 8]), torch.Size([8, 4, 8]))
    """

    def __init__(
        self,
        tracks: Sequence[LatentTrack],
        batch_frames: int,
        crop_frames: tuple[int, int],
        seed: int,
        first_step: int = 0,
        device: torch.device | str = "cpu",
        shares: Sequence[float] | None = None,
    ):
        self.bank, self.batch_frames, self.crop_frames = LatentBank(tracks, device), batch_frames, crop_frames
        self.seed, self.first_step = seed, first_step
        self.shares = None if shares is None else np.array(shares) / sum(shares)

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        bank = self.bank
        shortest, greatest = (min(length, int(bank.lengths.min())) for length in self.crop_frames)
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            length = int(rng.integers(shortest, greatest + 1))
            count = max(1, self.batch_frames // length)
            if self.shares is None:
                tracks = rng.integers(len(bank.lengths), size=count)
            else:
                tracks = rng.choice(len(bank.lengths), size=count, p=self.shares)
            starts = rng.integers(bank.lengths[tracks] - length + 1)
            yield bank.crops(tracks, starts, length, rng)
