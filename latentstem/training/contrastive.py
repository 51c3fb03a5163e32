"""Training of `ContrastiveStemModel`: symmetric cross entropy over a batch of pairs, on cached latents.

Every batch holds each track once, so that no pair is told apart from itself. Tempo and key alone would tell most songs
apart; so each mix also meets its own stem at other moments, which share both.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from latentstem.training.latents import LatentBank, LatentTrack, cache_for_training


@dataclass(frozen=True)
class ContrastiveTraining:
    """Settings of one training.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`.
        output: Folder for the state, the latents and, in `judge/`, the published weights.
        autoencoder: Folder of the trained autoencoder, of any class that `latentstem.models.as_codec` takes.
        validation: Folder of tracks to validate on; None validates on nothing.
        latents: Folder of the encoded tracks, which runs on the same tracks may share; None is one in the output.
        target: Name of the stem.
        submixes: Random sub-mixes encoded a track.
        production: Share of these, the whole accompaniment apart, that go through a light production.
        workers: Processes that read and mix the tracks while they are encoded.
        steps: Optimiser steps in all.
        minutes: Minutes in all, whichever ends first.
        batch_size: Tracks a step.
        crop_frames: Latent frames a crop.
        latent_noise: Greatest deviation of the noise added to an item's latents.
        learning_rate: Peak of the schedule.
        mixed_precision: "no", "bf16", or "auto", which is the latter where the machine computes in it.
        ema_decay: Decay of the moving average of the weights.
        save_minutes: Minutes between states.
        validations: How many, evenly spread over the training; published is the net with the least loss in them.
        seed: Of weights and crops.
        model: Keyword arguments of `ContrastiveStemModel` that differ from its defaults.
    """

    data: Path
    output: Path
    autoencoder: Path
    validation: Path | None = None
    latents: Path | None = None
    target: str = "bass"
    submixes: int = 3
    production: float = 0.5
    workers: int = 0
    steps: int = 100_000
    minutes: float | None = None
    batch_size: int = 48
    crop_frames: int = 96
    latent_noise: float = 0.4
    learning_rate: float = 1e-3
    mixed_precision: str = "auto"
    ema_decay: float = 0.999
    save_minutes: float = 5.0
    validations: int = 10
    seed: int = 0
    model: dict[str, Any] | None = None


class PairCrops(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of (mixes, their stems, the same tracks' stems at other moments), `(batch, channels, frames)`.

    Each is a function of `(seed, step)` alone, so a training goes on with those that it has not seen.

    Args:
        tracks: Normalized latents of whole tracks.
        batch_size: Tracks a batch, all different; all there are if fewer.
        crop_frames: Frames a crop, less than the shortest track has.
        seed: Of tracks, sub-mixes and places.
        first_step: Step whose batch is the first.
        device: Where the latents are kept, and the crops come from.

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
        shortest = self.bank.frames.min()
        if shortest <= crop_frames:
            raise ValueError(f"got crop_frames={crop_frames}; expected less than the {shortest} of the shortest track")
        self.batch_size, self.crop_frames = min(batch_size, len(tracks)), crop_frames

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        bank, length = self.bank, self.crop_frames
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            tracks = rng.choice(len(bank.frames), self.batch_size, replace=False)
            places = bank.frames[tracks] - length + 1
            starts = rng.integers(places)
            others = (starts + rng.integers(1, places)) % places
            stems, conditions = bank.crops(tracks, starts, length, rng)
            yield conditions["mix"], stems, bank.stems(tracks, others, length)


def contrastive_loss(model: Any, mixes: Tensor, stems: Tensor, others: Tensor) -> Tensor:
    """Symmetric cross entropy: of each mix over all stems and the other moments, of each stem over all mixes.

    Args:
        model: A `ContrastiveStemModel`, or anything that scores latents as it does.
        mixes: `(batch, channels, frames)`.
        stems: Likewise; stem i belongs to mix i.
        others: Likewise; stems that belong to none.

    Returns:
        A scalar; `log(batch)` and above for a model that knows nothing.
    """
    scores = model(mixes, torch.cat([stems, others])).float()
    own = torch.arange(len(mixes), device=scores.device)
    return 0.5 * (cross_entropy(scores, own) + cross_entropy(scores[:, : len(mixes)].T, own))


def train(settings: ContrastiveTraining) -> Path:
    """Encode, train, validate, publish.

    Args:
        settings: See `ContrastiveTraining`.

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
    # From here on every process draws its own.
    set_seed(settings.seed, device_specific=True)
    tracks, validation = cache_for_training(settings, autoencoder, run.accelerator)
    run.resume()  # its minutes begin here: the songs are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws its own pairs
    size, frames = settings.batch_size, settings.crop_frames
    batches = iter(PairCrops(tracks, size, frames, seed, run.budget.step, run.accelerator.device))
    target = settings.output / "judge"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        mixes, stems, others = (_noisy(part, settings) for part in next(batches))
        with run.accelerator.autocast():
            loss = contrastive_loss(run.model, mixes, stems, others)
        run.update(loss)
        run.show(bar, {"loss": loss})
        run.checkpoint(
            lambda averaged: _figures(averaged, validation),
            "validation_loss",
            lambda averaged, folder: averaged.save_pretrained(folder),
            target,
        )
    bar.close()
    return target


def _noisy(latents: Tensor, settings: ContrastiveTraining) -> Tensor:
    deviation = settings.latent_noise * torch.rand(len(latents), 1, 1, device=latents.device)
    return latents + deviation * torch.randn_like(latents)


def _figures(model: ContrastiveStemModel, tracks: list[LatentTrack]) -> dict[str, float]:
    """How well whole tracks are told apart, and their loss with each stem half a track off among the others."""
    if len(tracks) < 2:
        return {}
    frames = min(track.stem.shape[-1] for track in tracks)
    mixes, stems = (
        torch.stack([latents[:, :frames] for latents in some]).to(model.device)
        for some in ([track.mixes[0] for track in tracks], [track.stem for track in tracks])
    )
    scores = model(mixes, stems).float().cpu().numpy()
    loss = contrastive_loss(model, mixes, stems, stems.roll(frames // 2, dims=-1))
    return {"top_1": top_k(scores, 1), "mean_diagonal": mean_diagonal(scores), "validation_loss": float(loss)}


if __name__ == "__main__":
    print(f"{train(parse_settings(ContrastiveTraining))}: trained weights")
