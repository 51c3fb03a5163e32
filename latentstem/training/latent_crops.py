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
    ):
        self.bank, self.batch_frames, self.crop_frames = LatentBank(tracks, device), batch_frames, crop_frames
        self.seed, self.first_step = seed, first_step

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        bank = self.bank
        shortest, greatest = (min(length, int(bank.lengths.min())) for length in self.crop_frames)
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            length = int(rng.integers(shortest, greatest + 1))
            tracks = rng.integers(len(bank.lengths), size=max(1, self.batch_frames // length))
            starts = rng.integers(bank.lengths[tracks] - length + 1)
            yield bank.crops(tracks, starts, length, rng)
