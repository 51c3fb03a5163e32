"""Training of the reranker, `ContrastiveStemModel`: symmetric cross entropy over pairs, on cached latents.

A batch holds each of its tracks once, so that no true pair is a negative. Tempo and key alone would tell most tracks
apart; so the negatives of each mix include its own stem at another moment, which shares both.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import IterableDataset

from latentstem.evaluation.retrieval import mean_diagonal, top_k
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.contrastive import ContrastiveStemModel
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latents import LatentBank, LatentOptions, LatentTrack, cache_for_training


@dataclass(frozen=True)
class ContrastiveTraining(LatentOptions):
    """Settings of a training of `ContrastiveStemModel`, the reranker.

    The other options are described at `latentstem.training.latents.LatentOptions` and
    `latentstem.training.engine.options.RunOptions`.

    Args:
        output: Folder for the training state, the logs and, in `reranker/`, the trained weights.
        model: Keyword arguments of `ContrastiveStemModel` that differ from the defaults, as a JSON object.
        latent_noise: Greatest standard deviation of the noise added to the latents, whose own is about one.
        batch_size: Tracks per step.
        crop_frames: Latent frames per crop.
        validations: Number of validations, evenly spread over the training; the net with the least loss is published.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "model": "Model",
        "latent_noise": "Objective",
        "batch_size": "Optimisation",
    }

    _: KW_ONLY
    save_minutes: float = 5.0
    model: dict[str, Any] | None = None
    latent_noise: float = 0.4
    batch_size: int = 48
    crop_frames: int = 96


class PairCrops(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of mixes, their stems, and stems of these tracks at other moments, `(batch, channels, frames)`.

    Each batch is a function of `(seed, step)` alone, so a resumed training continues with the batches it has not seen.

    Args:
        tracks: Normalized latents of whole tracks.
        batch_size: Tracks per batch, all different; at most all tracks.
        crop_frames: Frames per crop, fewer than the shortest track has.
        seed: Seed of tracks, sub-mixes and positions.
        first_step: Step of the first batch.
        device: Device of the latents and of the crops.

    Raises:
        ValueError: If the shortest track is no longer than a crop.

    Example:
        >>> import torch
        >>> tracks = [LatentTrack("song", torch.randn(4, 40), frames={"mix": torch.randn(2, 4, 40)}) for _ in range(3)]
        >>> [tuple(part.shape) for part in next(iter(PairCrops(tracks, batch_size=2, crop_frames=8, seed=0)))]
        [(2, 4, 8), (2, 4, 8), (2, 4, 8)]
    """

    def __init__(
        self,
        tracks: Sequence[LatentTrack],
        batch_size: int,
        crop_frames: int,
        seed: int,
        first_step: int = 0,
        device: torch.device | str = "cpu",
    ):
        self.bank, self.seed, self.first_step = LatentBank(tracks, device), seed, first_step
        shortest = self.bank.lengths.min()
        if shortest <= crop_frames:
            raise ValueError(f"got crop_frames={crop_frames}; expected less than the {shortest} of the shortest track")
        self.batch_size, self.crop_frames = min(batch_size, len(tracks)), crop_frames

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        bank, length = self.bank, self.crop_frames
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            tracks = rng.choice(len(bank.lengths), self.batch_size, replace=False)
            positions = bank.lengths[tracks] - length + 1
            starts = rng.integers(positions)
            others = (starts + rng.integers(1, positions)) % positions
            stems, conditions = bank.crops(tracks, starts, length, rng)
            yield conditions["mix"], stems, bank.stems(tracks, others, length)


def contrastive_loss(model: Any, mixes: Tensor, stems: Tensor, others: Tensor) -> Tensor:
    """Compute the symmetric cross entropy: of each mix over all stems and others, of each stem over all mixes.

    Args:
        model: A `ContrastiveStemModel`, or any function of two batches of latents to scores `(mixes, stems)`.
        mixes: Latents of mixes, `(batch, channels, frames)`.
        stems: Latents of stems, `(batch, channels, frames)`; stem i belongs to mix i.
        others: Latents of stems that belong to no mix, `(batch, channels, frames)`.

    Returns:
        A scalar; about `log(batch)` or more for an untrained model.
    """
    scores = model(mixes, torch.cat([stems, others])).float()
    own = torch.arange(len(mixes), device=scores.device)
    return 0.5 * (cross_entropy(scores, own) + cross_entropy(scores[:, : len(mixes)].T, own))


def train(settings: ContrastiveTraining) -> Path:
    """Train a reranker, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published weights: the moving average that validated best.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
        ValueError: If a crop is as long as the shortest track, or the output folder holds another net's state.
    """
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    model = ContrastiveStemModel(latent_channels=as_codec(autoencoder).latent_channels, **(settings.model or {}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-2, fused=True)
    run = TrainingRun.of(model, [optimizer], settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    tracks, validation = cache_for_training(settings, autoencoder, run.accelerator)
    run.resume()  # the minutes are counted from here: the tracks are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other pairs
    size, frames = settings.batch_size, settings.crop_frames
    batches = iter(PairCrops(tracks, size, frames, seed, run.budget.step, run.accelerator.device))
    target = settings.output / "reranker"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        mixes, stems, others = (_add_noise(latents, settings) for latents in next(batches))
        with run.accelerator.autocast():
            loss = contrastive_loss(run.model, mixes, stems, others)
        run.update(loss)
        run.report(bar, {"loss": loss})
        run.checkpoint(
            lambda averaged: _validate(averaged, validation),
            "validation_loss",
            lambda averaged, folder: averaged.save_pretrained(folder),
            target,
        )
    bar.close()
    return target


def _add_noise(latents: Tensor, settings: ContrastiveTraining) -> Tensor:
    deviation = settings.latent_noise * torch.rand(len(latents), 1, 1, device=latents.device)
    return latents + deviation * torch.randn_like(latents)


def _validate(model: ContrastiveStemModel, tracks: list[LatentTrack]) -> dict[str, float]:
    """Retrieval metrics of whole tracks, and their loss with each stem, rolled by half its length, among the others."""
    if len(tracks) < 2:
        return {}
    frames = min(track.stem.shape[-1] for track in tracks)
    mixes = torch.stack([track.mixes[0, :, :frames] for track in tracks]).to(model.device)
    stems = torch.stack([track.stem[:, :frames] for track in tracks]).to(model.device)
    scores = model(mixes, stems).float().cpu().numpy()
    loss = contrastive_loss(model, mixes, stems, stems.roll(frames // 2, dims=-1))
    return {"top_1": top_k(scores, 1), "mean_diagonal": mean_diagonal(scores), "validation_loss": float(loss)}


if __name__ == "__main__":
    print(f"{train(parse_settings(ContrastiveTraining))}: trained weights")
