"""Training of `StemUNet1DModel` on cached latents (arXiv 2402.01412), with condition dropout for guidance.

The objective of the paper as far as it is known: noisy stem latents and mix latents in, mean squared error of the
prediction. The scheduler decides what is predicted and on which noise levels (`latentstem.sampling.objectives`). Tracks
are encoded once, each with several random sub-mixes. The same loop fine-tunes a trained net to a few tracks: see
`latentstem.training.lora`.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate.utils import set_seed

from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.codec import as_codec, load_codec
from latentstem.models.style_encoder import StyleEncoder
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.sampling.objectives import Objective
from latentstem.training.denoising import EMBEDDINGS, denoising_loss
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.muon import muon_and_adamw
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latent_crops import LatentCrops
from latentstem.training.latents import LatentOptions, TrackCondition, cache_for_training
from latentstem.training.lora import add_lora, save_lora
from latentstem.training.pipeline import build_pipeline
from latentstem.training.schedules import training_scheduler
from latentstem.training.song_conditions import annotated_controls
from latentstem.training.style_conditions import style_condition
from latentstem.training.unet_conditions import condition_channels, draw_dropped, with_conditions
from latentstem.training.unet_validation import UNetValidation


@dataclass(frozen=True)
class UNetTraining(LatentOptions):
    """Settings of a training of `StemUNet1DModel`.

    The other options are described at `latentstem.training.latents.LatentOptions` and
    `latentstem.training.engine.options.RunOptions`.

    Args:
        output: Folder for the training state, the logs, the previews and, in `pipeline/` or, with LoRA, `adapter/`, the
            trained weights.
        validation: Folder of tracks to validate on; without it nothing is validated.
        model: Keyword arguments of `StemUNet1DModel` that differ from the defaults, as a JSON object.
        init_from: Folder of a published U-Net to start from; controls that it lacks are added.
        controls: Names of controls to train on beside the mix, read from the `song.json` of each track: beat, chords,
            density, register, level. The level is measured in the audio.
        style_encoder: Folder of a trained style encoder, whose codes of the references the net learns to follow as the
            condition "style"; without it the net has no such condition.
        style_references: Folder of references for the tracks of `data`, as `compose_references` makes them, or `data`
            itself.
        validation_references: Folder of references for the tracks of `validation`.
        code_noise: Standard deviation of the noise added to the codes, which are about as large as normal draws.
        lora_rank: Rank of the LoRA adapters to train beside the frozen U-Net of `init_from`; 0 trains the U-Net.
        prediction_type: Prediction of the net: "v_prediction", "epsilon" or "sample" on the cosine schedule, or
            "flow_prediction" of flow matching (deblending).
        mix_dropout: Probability that the mix of an item is replaced by its null vector.
        condition_dropout: Probability that another condition of an item is replaced by its null vector, drawn for each
            condition separately; with equal probability over a part of the time.
        controls_dropout: Probability that all controls of an item are dropped, so that the net learns to play to a mix
            alone.
        future_dropout: Probability that the mix of an item is hidden from a random moment on, so that the net learns to
            play on where a mix is not known yet.
        mix_noise: Greatest standard deviation of the noise added to the mix latents, whose own is about one; without it
            the net recognizes each song by its mix and reproduces what it remembers.
        noise_emphasis: Exponent by which the density of timesteps grows with their noise; 0 draws all alike. What the
            mix says about the stem matters at high noise; with half of the noise gone the notes can be seen.
        batch_frames: Latent frames per step, over all crops.
        crop_frames: Least and greatest length of a crop in latent frames; one length per batch, drawn at random.
        learning_rate: Peak learning rate of AdamW; that of Muon is twice as high.
        validations: Number of validations, evenly spread over the training; the net with the least prediction error is
            published.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "model": "Model",
        "prediction_type": "Objective",
        "batch_frames": "Optimisation",
    }

    _: KW_ONLY
    steps: int = 200_000
    learning_rate: float = 3e-3
    ema_decay: float = 0.9995
    model: dict[str, Any] | None = None
    init_from: Path | None = None
    controls: tuple[str, ...] = ()
    style_encoder: Path | None = None
    style_references: Path | None = None
    validation_references: Path | None = None
    code_noise: float = 0.1
    lora_rank: int = 0
    prediction_type: str = "v_prediction"
    mix_dropout: float = 0.1
    condition_dropout: float = 0.1
    controls_dropout: float = 0.3
    future_dropout: float = 0.0
    mix_noise: float = 0.3
    noise_emphasis: float = 1.0
    batch_frames: int = 6144
    crop_frames: tuple[int, int] = (64, 256)


def train(
    settings: UNetTraining,
    model: StemUNet1DModel | None = None,
    scheduler: Any = None,
    conditions: Mapping[str, TrackCondition] | None = None,
) -> Path:
    """Train a denoiser, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.
        model: Net to train in place of the one that the settings describe, for a net of another class or with hooks on
            its layers.
        scheduler: Scheduler to train for in place of the one of `settings.prediction_type`: any that
            `latentstem.sampling.objectives` can read.
        conditions: Functions that make further conditions besides the mix and `settings.controls`, by name. A net that
            is built here, or the net of `settings.init_from`, takes those of `(channels, frames)` as control conditions
            and those of `(channels,)` as global conditions.

    Returns:
        Folder of the published pipeline, with the moving average of the U-Net that validated best; with `lora_rank`
        the folder of the published adapter, for `StemUNet1DModel.load_lora_adapter`.

    Raises:
        ValueError: If the autoencoder has no latent statistics, there is no trained net for an adapter, or it lacks
            conditions, a control is unknown or a track lacks its annotation, or the output folder holds the state of
            another net.
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
    """
    if settings.lora_rank and settings.init_from is None:
        raise ValueError(
            f"got lora_rank={settings.lora_rank} without init_from; name the folder of the trained U-Net to adapt"
        )
    set_seed(settings.seed)
    autoencoder = load_codec(settings.autoencoder)
    # A foreign codec without statistics counts as normalized; ours are published with theirs.
    if isinstance(autoencoder, AutoencoderSpectral) and autoencoder.config["latents_mean"] is None:
        raise ValueError(
            f"{settings.autoencoder} has no latents_mean: use a folder published by the autoencoder training"
        )
    codec = as_codec(autoencoder)
    encoder = None if settings.style_encoder is None else StyleEncoder.from_pretrained(settings.style_encoder)
    conditions = {
        **annotated_controls(settings.controls, settings.target, codec),
        **_style_conditions(settings, encoder, autoencoder),
        **(conditions or {}),
    }
    if model is None:
        kinds = condition_channels(conditions, settings.data, settings.target, codec)
        model = _initial_model(settings, codec.latent_channels, kinds)
    model.train()
    if settings.lora_rank:
        add_lora(model, settings.lora_rank)
    scheduler = training_scheduler(settings.prediction_type) if scheduler is None else scheduler
    objective = Objective(scheduler)
    optimizers = muon_and_adamw(model, EMBEDDINGS, settings.learning_rate, weight_decay=1e-2)
    run = TrainingRun.of(model, optimizers, settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    tracks, latents = cache_for_training(settings, autoencoder, run.accelerator, conditions)
    validation = None
    if settings.validation is not None and run.accelerator.is_main_process:
        validation = UNetValidation(settings.validation, settings.target, autoencoder, scheduler, latents)
    run.resume()  # the minutes are counted from here: the tracks are encoded
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other crops
    frames, lengths = settings.batch_frames, settings.crop_frames
    batches = iter(LatentCrops(tracks, frames, lengths, seed, run.budget.step, run.accelerator.device))

    def validate(averaged: Any) -> dict[str, float]:
        preview = settings.output / "previews" / f"{run.budget.step:07d}"
        return {} if validation is None else validation(averaged, preview)

    def publish(averaged: Any, folder: Path) -> None:
        if settings.lora_rank:
            save_lora(averaged, folder)
        else:
            pipe = build_pipeline(averaged, autoencoder, scheduler, settings.target, encoder)
            pipe.save_pretrained(folder)

    target = settings.output / ("adapter" if settings.lora_rank else "pipeline")
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished():
        stem, values = next(batches)
        deviation = settings.mix_noise * torch.rand(len(stem), 1, 1, device=stem.device)
        values["mix"] = values["mix"] + deviation * torch.randn_like(values["mix"])
        if encoder is not None:
            values["style"] = values["style"] + settings.code_noise * torch.randn_like(values["style"])
        dropped = draw_dropped(
            values,
            settings.mix_dropout,
            settings.condition_dropout,
            settings.controls_dropout,
            settings.future_dropout,
        )
        loss = denoising_loss(run, objective, stem, values, dropped, settings.noise_emphasis)
        run.update(loss)
        run.report(bar, {"loss": loss})
        run.checkpoint(validate, "prediction_error", publish, target)
    bar.close()
    return target


def _style_conditions(settings: UNetTraining, encoder: Any, autoencoder: Any) -> dict[str, TrackCondition]:
    """The codes of the references, if there is an encoder."""
    if encoder is None:
        return {}
    if settings.style_references is None or (settings.validation is None) != (settings.validation_references is None):
        raise ValueError(
            "got a style_encoder without the references of all tracks; give style_references, and with validation also "
            "validation_references"
        )
    folders = [folder for folder in (settings.style_references, settings.validation_references) if folder is not None]
    cache = settings.latents or settings.output / "latents"
    return {"style": style_condition(encoder, folders, settings.target, autoencoder, cache, settings.workers)}


def _initial_model(settings: UNetTraining, latent_channels: int, kinds: dict[str, dict[str, int]]) -> StemUNet1DModel:
    """Make a new net, or continue a published one, with the conditions of the training."""
    if settings.init_from is None:
        return StemUNet1DModel(latent_channels=latent_channels, **{**kinds, **(settings.model or {})})
    published: Any = StemUNet1DModel.from_pretrained(settings.init_from)
    model = with_conditions(published, kinds)
    if settings.lora_rank and model is not published:
        raise ValueError(
            f"{settings.init_from} lacks some of the conditions {kinds}, and an adapter holds no layers for new ones; "
            "train the net with them first (lora_rank=0), or leave them out"
        )
    return model


if __name__ == "__main__":
    print(f"{train(parse_settings(UNetTraining))}: trained weights")
