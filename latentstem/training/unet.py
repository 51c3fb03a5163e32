"""Training of `StemUNet1DModel`: velocity prediction on cached latents, with the mix dropped now and then.

The objective of arXiv 2402.01412 as far as it is known: noisy stem latents and mix latents in, mean squared error,
condition dropout for classifier-free guidance. Tracks are encoded once, each in several random sub-mixes. The same loop
fine-tunes a trained net to a few tracks: see `latentstem.training.lora`.
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
from torch.nn.functional import mse_loss
from torch.utils.data import IterableDataset

from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler
from latentstem.training.arguments import parse_settings
from latentstem.training.budget import progress_bar
from latentstem.training.latents import LatentBank, LatentTrack, cache_for_training
from latentstem.training.loop import TrainingRun
from latentstem.training.lora import add_lora, save_lora
from latentstem.training.muon import muon_and_adamw
from latentstem.training.validation import UNetValidation, build_pipeline

EMBEDDINGS = ("time_embedding", "position_biases")
"""Small nets in `StemUNet1DModel` that hear no latents, timesteps and distances alone: AdamW trains their matrices."""


@dataclass(frozen=True)
class UNetTraining:
    """Settings of one training.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`.
        output: Folder for the state, the latents, the previews and, in `pipeline/` or, of LoRA, `adapter/`, the
            published weights.
        autoencoder: Folder of the trained autoencoder, of any class that `latentstem.as_codec` takes.
        validation: Folder of annotated tracks (with `song.json`) to validate on; None validates on nothing.
        latents: Folder of the encoded tracks, which runs on the same tracks may share; None is one in the output.
        target: Name of the stem.
        submixes: Random sub-mixes encoded a track.
        production: Share of these, the whole accompaniment apart, that go through a light production.
        workers: Processes that read and mix the tracks while they are encoded.
        steps: Optimiser steps in all.
        minutes: Minutes in all, whichever ends first.
        batch_frames: Latent frames a step, over all its crops.
        crop_frames: Least and greatest length of a crop; one length a batch, drawn anew each time.
        mix_dropout: Probability that an item's mix is replaced by the null vector.
        mix_noise: Greatest deviation of the noise added to an item's mix latents, themselves of about deviation one:
            without it the net knows each song by its mix and plays what it remembers.
        noise_emphasis: How much more often noisy timesteps are drawn than clean ones: their density grows as this
            power of the timestep, 0 draws all alike. What the mix tells about the stem is decided while there is
            mostly noise; with half of it gone, the net can see the notes and hardly needs the mix.
        learning_rate: Peak of AdamW's schedule; Muon's is `MUON_RATE` times it.
        mixed_precision: "no", "bf16", or "auto", which is the latter where the machine computes in it.
        ema_decay: Decay of the moving average of the weights.
        save_minutes: Minutes between states.
        validations: How many, evenly spread over the training; published is the net with the least velocity error.
        init_from: Folder of a published U-Net to start from.
        lora_rank: Rank of the adapters to train beside the U-Net of `init_from`, itself frozen; 0 trains the U-Net.
        seed: Of weights and crops.
        model: Keyword arguments of `StemUNet1DModel` that differ from its defaults.
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
    steps: int = 200_000
    minutes: float | None = None
    batch_frames: int = 6144
    crop_frames: tuple[int, int] = (64, 256)
    mix_dropout: float = 0.1
    mix_noise: float = 0.3
    noise_emphasis: float = 1.0
    learning_rate: float = 3e-3
    mixed_precision: str = "auto"
    ema_decay: float = 0.9995
    save_minutes: float = 10.0
    validations: int = 10
    init_from: Path | None = None
    lora_rank: int = 0
    seed: int = 0
    model: dict[str, Any] | None = None


class LatentCrops(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of aligned crops of (stem latents, mix latents), each `(batch, channels, frames)`.

    Each is a function of `(seed, step)` alone, so a training goes on with those that it has not seen.

    Args:
        tracks: Normalised latents of whole tracks.
        batch_frames: Frames a batch, over all its crops.
        crop_frames: Least and greatest length of a crop.
        seed: Of lengths, tracks, sub-mixes and places.
        first_step: Step whose batch is the first.
        device: Where the latents are kept, and the crops come from.

    Example:
        >>> import torch
        >>> track = LatentTrack("song", stem=torch.randn(4, 40), mixes=torch.randn(2, 4, 40))
        >>> stem, mix = next(iter(LatentCrops([track], batch_frames=64, crop_frames=(8, 8), seed=0)))
        >>> stem.shape, mix.shape
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

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        bank = self.bank
        shortest, greatest = (min(length, int(bank.frames.min())) for length in self.crop_frames)
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            length = int(rng.integers(shortest, greatest + 1))
            tracks = rng.integers(len(bank.frames), size=max(1, self.batch_frames // length))
            starts = rng.integers(bank.frames[tracks] - length + 1)
            submixes = rng.integers(bank.submixes[tracks])
            yield bank.stems(tracks, starts, length), bank.mixes(tracks, submixes, starts, length)


def train(settings: UNetTraining, model: StemUNet1DModel | None = None) -> Path:
    """Encode, train, validate, publish.

    Args:
        settings: See `UNetTraining`.
        model: The net to train, in place of the one that the settings describe: a net of your own making, or one with
            hooks of your own on its layers.

    Returns:
        Folder of the published pipeline, with the moving average of the U-Net that validated best; with `lora_rank`
        that of the published adapter, for `StemUNet1DModel.load_lora_adapter`.

    Raises:
        ValueError: If the autoencoder carries no latent statistics, there is no trained net for an adapter, or the
            output folder holds the state of another net.
        latentstem.data.stems.StemError: If the folder holds no usable track.
    """
    if settings.lora_rank and settings.init_from is None:
        raise ValueError(
            f"got lora_rank={settings.lora_rank} without init_from; name the folder of the trained U-Net to adapt"
        )
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    # Those of others count as normalised where they have no statistics; ours are published with them.
    if isinstance(autoencoder, AutoencoderSpectral) and autoencoder.config["latents_mean"] is None:
        raise ValueError(
            f"{settings.autoencoder} has no latents_mean: use a folder published by the autoencoder training"
        )
    if model is not None:
        model = model.train()
    elif settings.init_from is not None:
        model = StemUNet1DModel.from_pretrained(settings.init_from).train()
    else:
        model = StemUNet1DModel(latent_channels=as_codec(autoencoder).latent_channels, **(settings.model or {}))
    if settings.lora_rank:
        add_lora(model, settings.lora_rank)
    scheduler = CosineDDIMScheduler()
    optimizers = muon_and_adamw(model, EMBEDDINGS, settings.learning_rate, weight_decay=1e-2)
    run = TrainingRun.of(model, optimizers, settings)
    # From here on every process draws its own.
    set_seed(settings.seed, device_specific=True)
    tracks, latents = cache_for_training(settings, autoencoder, run.accelerator)
    validation = None
    if settings.validation is not None and run.accelerator.is_main_process:
        validation = UNetValidation(settings.validation, settings.target, autoencoder, scheduler, latents)
    run.resume()  # its minutes begin here: the songs are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws its own crops
    frames, lengths = settings.batch_frames, settings.crop_frames
    batches = iter(LatentCrops(tracks, frames, lengths, seed, run.budget.step, run.accelerator.device))

    def validate(averaged: Any) -> dict[str, float]:
        preview = settings.output / "previews" / f"{run.budget.step:07d}"
        return {} if validation is None else validation(averaged, preview)

    def publish(averaged: Any, folder: Path) -> None:
        if settings.lora_rank:
            save_lora(averaged, folder)
        else:
            build_pipeline(averaged, autoencoder, scheduler, settings.target).save_pretrained(folder)

    target = settings.output / ("adapter" if settings.lora_rank else "pipeline")
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        stem, mix = next(batches)
        deviation = settings.mix_noise * torch.rand(len(mix), 1, 1, device=mix.device)
        mix = mix + deviation * torch.randn_like(mix)
        loss = velocity_loss(run, scheduler, stem, mix, settings.mix_dropout, settings.noise_emphasis)
        run.update(loss)
        run.show(bar, {"loss": loss})
        run.checkpoint(validate, "velocity_error", publish, target)
    bar.close()
    return target


def velocity_loss(
    run: TrainingRun,
    scheduler: CosineDDIMScheduler,
    stem: Tensor,
    mix: Tensor,
    mix_dropout: float,
    noise_emphasis: float,
) -> Tensor:
    """Mean squared error of the predicted velocity at random timesteps.

    Args:
        run: Holds the model and its precision.
        scheduler: The schedule to train.
        stem: Normalised latents `(batch, channels, frames)`.
        mix: Likewise, of the mixes.
        mix_dropout: Probability that an item's mix is dropped.
        noise_emphasis: See `draw_timesteps`.

    Returns:
        A scalar.
    """
    batch = stem.shape[0]
    noise = torch.randn_like(stem)
    timesteps = draw_timesteps(batch, scheduler.config["num_train_timesteps"], noise_emphasis).to(stem.device)
    dropped = torch.rand(batch, device=stem.device) < mix_dropout
    with run.accelerator.autocast():
        (predicted,) = run.model(
            scheduler.add_noise(stem, noise, timesteps), timesteps, mix, mix_dropped=dropped, return_dict=False
        )
    return mse_loss(predicted.float(), scheduler.get_velocity(stem, noise, timesteps))


def draw_timesteps(batch: int, total: int, noise_emphasis: float) -> Tensor:
    """Random timesteps whose density grows as the given power of the timestep.

    Args:
        batch: How many.
        total: Timesteps of the schedule.
        noise_emphasis: The power; 0 draws all timesteps alike.

    Returns:
        Integers from 0 to `total - 1`, `(batch,)`.

    Example:
        >>> draw_timesteps(5, 1024, 1.0).shape
        torch.Size([5])
    """
    return (total * torch.rand(batch) ** (1 / (1 + noise_emphasis))).long().clamp(max=total - 1)


if __name__ == "__main__":
    print(f"{train(parse_settings(UNetTraining))}: trained weights")
