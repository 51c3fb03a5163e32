"""Training of `StemUNet1DModel` on cached latents, with each condition dropped now and then.

The objective of arXiv 2402.01412 as far as it is known: noisy stem latents and mix latents in, mean squared error,
condition dropout for classifier-free guidance; what is predicted, and on which noise levels, is the scheduler's
(`latentstem.sampling.objectives`). Tracks are encoded once, each in several random sub-mixes. The same loop
fine-tunes a trained net to a few tracks: see `latentstem.training.lora`.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import IterableDataset

from latentstem.data.stems.folder import StemFolder
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.sampling.objectives import Objective
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.muon import muon_and_adamw
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latents import LatentBank, LatentTrack, TrackCondition, cache_for_training
from latentstem.training.lora import add_lora, save_lora
from latentstem.training.unet_validation import UNetValidation, build_pipeline

EMBEDDINGS = ("time_embedding", "position_biases")
"""Small nets in `StemUNet1DModel` that hear no latents, timesteps and distances alone: AdamW trains their matrices."""


@dataclass(frozen=True)
class UNetTraining:
    """Settings of one training.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`.
        output: Folder for the state, the latents, the previews and, in `pipeline/` or, of LoRA, `adapter/`, the
            published weights.
        autoencoder: Folder of the trained autoencoder, of any class that `latentstem.models.as_codec` takes.
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
        prediction_type: What the net predicts: "v_prediction", "epsilon" or "sample" on the cosine schedule, or
            "flow_prediction" of flow matching (deblending).
        mix_dropout: Probability that an item's mix is replaced by the null vector.
        condition_dropout: Probability that any other condition of an item is replaced by its null vector, each drawn by
            itself.
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
    prediction_type: str = "v_prediction"
    mix_dropout: float = 0.1
    condition_dropout: float = 0.1
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


class LatentCrops(IterableDataset[tuple[Tensor, dict[str, Tensor]]]):
    """Endless batches of crops of stem latents `(batch, channels, frames)` and of their conditions by name.

    Each is a function of `(seed, step)` alone, so a training goes on with those that it has not seen.

    Args:
        tracks: Normalized latents of whole tracks.
        batch_frames: Frames a batch, over all its crops.
        crop_frames: Least and greatest length of a crop.
        seed: Of lengths, tracks, sub-mixes and places.
        first_step: Step whose batch is the first.
        device: Where the latents are kept, and the crops come from.

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
        shortest, greatest = (min(length, int(bank.frames.min())) for length in self.crop_frames)
        for step in itertools.count(self.first_step):
            rng = np.random.default_rng((self.seed, step))
            length = int(rng.integers(shortest, greatest + 1))
            tracks = rng.integers(len(bank.frames), size=max(1, self.batch_frames // length))
            starts = rng.integers(bank.frames[tracks] - length + 1)
            yield bank.crops(tracks, starts, length, rng)


def train(
    settings: UNetTraining,
    model: StemUNet1DModel | None = None,
    scheduler: Any = None,
    conditions: Mapping[str, TrackCondition] | None = None,
) -> Path:
    """Encode, train, validate, publish.

    Args:
        settings: See `UNetTraining`.
        model: The net to train, in place of the one that the settings describe: a net of your own making, or one with
            hooks of your own on its layers.
        scheduler: The scheduler to train for, in place of the one of `settings.prediction_type`: any that
            `latentstem.sampling.objectives` can read.
        conditions: What the net is conditioned on besides the mix, by name. A net that is made here takes those of
            `(channels, frames)` as control conditions and those of `(channels,)` as global ones.

    Returns:
        Folder of the published pipeline, with the moving average of the U-Net that validated best; with `lora_rank`
        that of the published adapter, for `StemUNet1DModel.load_lora_adapter`.

    Raises:
        ValueError: If the autoencoder carries no latent statistics, there is no trained net for an adapter, or the
            output folder holds the state of another net.
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
    """
    if settings.lora_rank and settings.init_from is None:
        raise ValueError(
            f"got lora_rank={settings.lora_rank} without init_from; name the folder of the trained U-Net to adapt"
        )
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    # Those of others count as normalized where they have no statistics; ours are published with them.
    if isinstance(autoencoder, AutoencoderSpectral) and autoencoder.config["latents_mean"] is None:
        raise ValueError(
            f"{settings.autoencoder} has no latents_mean: use a folder published by the autoencoder training"
        )
    if model is not None:
        model = model.train()
    elif settings.init_from is not None:
        model = StemUNet1DModel.from_pretrained(settings.init_from).train()
    else:
        kinds = condition_channels(conditions or {}, settings.data, settings.target)
        model = StemUNet1DModel(
            latent_channels=as_codec(autoencoder).latent_channels, **{**kinds, **(settings.model or {})}
        )
    if settings.lora_rank:
        add_lora(model, settings.lora_rank)
    scheduler = training_scheduler(settings.prediction_type) if scheduler is None else scheduler
    objective = Objective(scheduler)
    optimizers = muon_and_adamw(model, EMBEDDINGS, settings.learning_rate, weight_decay=1e-2)
    run = TrainingRun.of(model, optimizers, settings)
    # From here on every process draws its own.
    set_seed(settings.seed, device_specific=True)
    tracks, latents = cache_for_training(settings, autoencoder, run.accelerator, conditions)
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
        stem, given = next(batches)
        deviation = settings.mix_noise * torch.rand(len(stem), 1, 1, device=stem.device)
        given["mix"] = given["mix"] + deviation * torch.randn_like(given["mix"])
        loss = denoising_loss(run, objective, stem, given, settings)
        run.update(loss)
        run.show(bar, {"loss": loss})
        run.checkpoint(validate, "velocity_error", publish, target)
    bar.close()
    return target


def denoising_loss(
    run: TrainingRun, objective: Objective, stem: Tensor, conditions: Mapping[str, Tensor], settings: UNetTraining
) -> Tensor:
    """Mean squared error of the prediction at random timesteps, each condition dropped for some items.

    Args:
        run: Holds the model and its precision.
        objective: Of the training.
        stem: Normalized latents `(batch, channels, frames)`.
        conditions: By name, `(batch, channels, frames)` or `(batch, channels)`.
        settings: Whose `noise_emphasis` and dropouts are used.

    Returns:
        A scalar.
    """
    batch = stem.shape[0]
    noise = torch.randn_like(stem)
    timesteps = objective.draw_timesteps(batch, settings.noise_emphasis).to(stem.device)
    dropped = {
        name: torch.rand(batch, device=stem.device)
        < (settings.mix_dropout if name == "mix" else settings.condition_dropout)
        for name in conditions
    }
    with run.accelerator.autocast():
        (predicted,) = run.model(
            objective.add_noise(stem, noise, timesteps), timesteps, conditions, dropped, return_dict=False
        )
    return mse_loss(predicted.float(), objective.target(stem, noise, timesteps))


def training_scheduler(prediction_type: str) -> Any:
    """The scheduler whose noise levels a net with this prediction is trained on, by default.

    Args:
        prediction_type: See `UNetTraining`.

    Raises:
        ValueError: It is none of the four.

    Example:
        >>> training_scheduler("flow_prediction").config.num_train_timesteps
        1024
    """
    if prediction_type == "flow_prediction":
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1024)
    return CosineDDIMScheduler(prediction_type=prediction_type)  # pyright: ignore[reportArgumentType]


def condition_channels(conditions: Mapping[str, TrackCondition], data: Path, target: str) -> dict[str, dict[str, int]]:
    """What a net's config has to say for it to take some conditions.

    Args:
        conditions: By name.
        data: Folder of tracks, of which the first one is tried.
        target: Name of the stem.

    Returns:
        `control_conditions` and `global_conditions` of `StemUNet1DModel`.
    """
    if not conditions:
        return {}
    track = StemFolder(data, target).tracks[0]
    values = {name: condition(track, 1) for name, condition in conditions.items()}
    return {
        "control_conditions": {name: len(value) for name, value in values.items() if value.ndim == 2},
        "global_conditions": {name: len(value) for name, value in values.items() if value.ndim == 1},
    }


if __name__ == "__main__":
    print(f"{train(parse_settings(UNetTraining))}: trained weights")
