"""Training of `AutoencoderSpectral`: L1 on log magnitudes, multi-scale spectral distance, an adversarial term.

The objective of arXiv 2402.01412 with the pooled spectral distance of `latentstem.losses.spectral`. Every batch holds
stems and, for a share of its items, mixes: the decoder has to play the stem, the encoder has to read both.
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from latentstem.audio.pitch import yin
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.corpus_stream import BandStream
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance, pitch_cross_entropy
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.adversarial import Adversary
from latentstem.training.augmentation import augment, draw_speeds
from latentstem.training.autoencoder_validation import RoundTripValidation
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.muon import muon_and_adamw
from latentstem.training.engine.run import TrainingRun
from latentstem.training.style_swap import swap_style_means, timbre_swap_loss

OUTER_LAYERS = ("encoder_in", "decoder_magnitude", "decoder_phase", "decoder_carriers")
"""Layers of `AutoencoderSpectral` that touch sound: AdamW trains their matrices.

The decoder's three were tried with Muon, once: after fifty steps the loss was a twentieth higher.
"""
STATISTICS_CROPS = 256
"""Crops of 16 latent frames by which the published latents are normalized."""


@dataclass(frozen=True)
class AutoencoderTraining:
    """Settings of one training.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`; None composes and renders songs of the
            band corpus while it trains, with as many workers as are given.
        output: Folder for the state, the previews and, in `autoencoder/`, the published weights.
        validation: Folder of tracks to validate on; None validates on nothing.
        target: Name of the stem.
        steps: Optimiser steps in all.
        minutes: Minutes in all, whichever ends first.
        batch_size: Crops a step.
        crop_frames: Latent frames a crop: at least twice what the net can see, and long enough for its time-mean to say
            little of single notes.
        mix_share: Share of the items that are mixes.
        learning_rate: Peak of AdamW's schedule; Muon's is `MUON_RATE` times it.
        gain_range: Random gain in dB, up and down, of every crop.
        equalizer_range: Deviation in dB of the random equalizer of every crop, at points two octaves apart: timbres
            that no soundfont holds.
        varispeed: Greatest change of speed of every crop in whole semitones, up and down: timbres at pitches where no
            soundfont holds them.
        window_lengths: Windows of the multi-scale spectral distance.
        adversarial_after: Share of the budget after which the adversarial term joins; 1 leaves it out.
        adversarial_weight: Its weight.
        r1_weight: Greatest weight of the R1 penalty; it adapts to how certain the discriminator is.
        pitch_weight: Weight of the cross entropy with the pitch that YIN finds in the stems; mixes do not count.
        swap_pitch_weight: Weight of that cross entropy where the latents took the time-mean of another stem's:
            teaches the encoder to keep notes out of the mean, which style grounding exchanges, and the decoder to read
            them without it.
        twins: Folder of tracks of two stems, the target and the same notes on another instrument (songs of
            `latentstem.data.compose.timbre_pairs`): teaches the decoder to play a changed style as asked. None goes
            without.
        twins_weight: Weight of `timbre_swap_loss`.
        twins_after: Share of the budget after which it joins; from the beginning it slows what the net learns first.
        mixed_precision: "no", "bf16", or "auto", which is the latter where the machine computes in it.
        ema_decay: Decay of the moving average of the weights.
        save_minutes: Minutes between states.
        validations: How many, evenly spread over the training; published is the net whose losses there are least.
        workers: Processes that read or render crops.
        init_from: Folder of published weights to start from.
        decoder_only: Leave the encoder as it is, so that the latents a denoiser was trained on keep their meaning.
        seed: Of weights and crops.
        model: Keyword arguments of `AutoencoderSpectral` that differ from its defaults.
    """

    data: Path | None
    output: Path
    validation: Path | None = None
    target: str = "bass"
    steps: int = 100_000
    minutes: float | None = None
    batch_size: int = 4
    crop_frames: int = 40
    mix_share: float = 0.25
    learning_rate: float = 1.2e-3
    gain_range: float = 6.0
    equalizer_range: float = 5.0
    varispeed: int = 3
    window_lengths: tuple[int, ...] = (512, 2048, 8192, 32768)
    adversarial_after: float = 1.0
    adversarial_weight: float = 0.05
    r1_weight: float = 10.0
    pitch_weight: float = 0.2
    swap_pitch_weight: float = 0.2
    twins: Path | None = None
    twins_weight: float = 1.0
    twins_after: float = 0.2
    mixed_precision: str = "auto"
    ema_decay: float = 0.999
    save_minutes: float = 10.0
    validations: int = 10
    workers: int = 1
    init_from: Path | None = None
    decoder_only: bool = False
    seed: int = 0
    model: dict[str, Any] | None = None


def train(settings: AutoencoderTraining) -> Path:
    """Train, validate, publish.

    Args:
        settings: See `AutoencoderTraining`.

    Returns:
        Folder of the published weights: the moving average that validated best, with the latents' statistics in its
        config.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
        latentstem.data.render.fluidsynth.SynthesisError: If there is no folder and FluidSynth or a soundfont is
            missing.
        ValueError: If there is no folder and composed songs have no such target or the model is not mono at 44.1 kHz,
            or a track of the twins is not two stems.
    """
    set_seed(settings.seed)
    if settings.init_from is not None:
        model = AutoencoderSpectral.from_pretrained(settings.init_from).train()
    else:
        model = AutoencoderSpectral(**(settings.model or {}))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (settings.decoder_only and name.startswith("encoder_")))
    folder = _folder(settings, model)
    pairs = _pairs(settings, model)
    crop_samples = settings.crop_frames * model.config["hop_length"]
    read_samples = math.ceil(crop_samples * 2 ** (settings.varispeed / 12))
    optimizers = muon_and_adamw(model, OUTER_LAYERS, settings.learning_rate, weight_decay=1e-3)
    run = TrainingRun.of(model, optimizers, settings)
    adversary = None
    if settings.adversarial_after < 1:
        adversary = Adversary(run, model.config["audio_channels"], settings.r1_weight)
    validation = None
    if settings.validation is not None and run.accelerator.is_main_process:
        rate = model.config["sampling_rate"]
        channels = model.audio_channels
        validation = RoundTripValidation(
            settings.validation, settings.target, crop_samples, settings.mix_share, rate, channels
        )
    # From here on every process draws its own.
    set_seed(settings.seed, device_specific=True)
    run.resume()
    if run.budget.step == 0 and settings.init_from is None:
        background = torch.stack(_stems(_crops(settings, folder, crop_samples, settings.seed), 32, settings.workers))
        background = background.to(run.accelerator.device)
        run.accelerator.unwrap_model(run.model).set_background(background)
    distance = MultiScaleSpectralDistance(model.config["sampling_rate"], settings.window_lengths)
    distance.to(run.accelerator.device)
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws its own crops
    step, size = run.budget.step, settings.batch_size
    batches = iter(_loader(settings, folder, read_samples, seed, step, size))
    twins = None if pairs is None else iter(_loader(settings, pairs, read_samples, seed, step, -(-size // 2)))

    def validate(averaged: Any) -> dict[str, float]:
        preview = settings.output / "previews" / f"{run.budget.step:07d}"

        def losses(net: Any, audio: Tensor) -> dict[str, Tensor]:
            return _losses(run, net, distance, None, settings, audio)

        return {} if validation is None else validation(averaged, losses, preview)

    gain, timbre = settings.gain_range, settings.equalizer_range
    vary = partial(augment, samples=crop_samples, gain_range=gain, equalizer_range=timbre)
    target = settings.output / "autoencoder"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    model.train()
    while run.unfinished():
        mixes, stems = next(batches)
        count = round(settings.mix_share * len(stems))
        audio = torch.cat([mixes[:count], stems[count:]]).to(run.accelerator.device, non_blocking=True)
        audio = vary(audio, draw_speeds(len(audio), settings.varispeed))
        losses = _losses(run, run.model, distance, adversary, settings, audio)
        if twins is not None:
            pair = next(twins)
            if run.budget.progress >= settings.twins_after:
                both = torch.cat(pair).to(run.accelerator.device, non_blocking=True)
                both = vary(both, 2 * draw_speeds(len(pair[0]), settings.varispeed))  # both of a pair at one speed
                with run.accelerator.autocast():
                    distance_of_twins = timbre_swap_loss(run.accelerator.unwrap_model(run.model), both, distance)
                losses["twins"] = settings.twins_weight * distance_of_twins
        run.update(torch.stack(list(losses.values())).sum())
        run.show(bar, losses)
        run.checkpoint(
            validate,
            "validation_loss",
            lambda averaged, path: _publish(averaged, settings, folder, path),
            target,
        )
    bar.close()
    return target


def _folder(settings: AutoencoderTraining, model: AutoencoderSpectral) -> StemFolder | None:
    if settings.data is not None:
        return _open(settings.data, settings.target, model)
    if (model.audio_channels, model.sampling_rate) != (1, SAMPLING_RATE):
        raise ValueError(
            f"the model has audio_channels={model.audio_channels} and sampling_rate={model.sampling_rate}, but songs "
            f"are composed in mono at {SAMPLING_RATE} Hz: name a data folder"
        )
    return None


def _open(root: Path, target: str, model: AutoencoderSpectral) -> StemFolder:
    return StemFolder(root, target, channels=model.audio_channels, sampling_rate=model.sampling_rate)


def _pairs(settings: AutoencoderTraining, model: AutoencoderSpectral) -> StemFolder | None:
    if settings.twins is None:
        return None
    folder = _open(settings.twins, settings.target, model)
    for track in folder.tracks:
        if len(track.files) != 2:
            raise ValueError(
                f"{settings.twins / track.name} holds {', '.join(track.files)}, expected {settings.target} and one "
                "stem with the same notes on another instrument: name a folder of such pairs"
            )
    return folder


def _crops(
    settings: AutoencoderTraining, folder: StemFolder | None, samples: int, seed: int
) -> Dataset[tuple[Tensor, Tensor]]:
    """Crops of a folder's tracks, or of songs rendered on the way: both a function of the seed."""
    if folder is None:
        return BandStream(samples, seed, target=settings.target)
    return StemCrops(folder, samples, seed)


def _stems(crops: Dataset[tuple[Tensor, Tensor]], count: int, workers: int) -> list[Tensor]:
    loader = DataLoader(crops, batch_size=None, num_workers=workers, generator=torch.Generator())
    return [stem for _, stem in islice(loader, count)]


def _loader(
    settings: AutoencoderTraining, folder: StemFolder | None, samples: int, seed: int, step: int, size: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of crops from a step on; those of a folder are a function of the seed and the step."""
    # A stream cannot be entered in its middle: there a resumed run draws songs that it has not heard.
    crops = _crops(settings, folder, samples, seed if folder is not None else seed + 1_000_003 * step)
    order = None if folder is None else range(step * size, len(cast(StemCrops, crops)))
    # A generator of its own: the loader would draw from the random state that a resumed run has taken up.
    return DataLoader(
        crops,
        size,
        sampler=order,
        num_workers=settings.workers,
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),  # batches cross to the device while it computes
    )


def _losses(
    run: TrainingRun,
    net: Any,
    distance: MultiScaleSpectralDistance,
    adversary: Adversary | None,
    settings: AutoencoderTraining,
    audio: Tensor,
) -> dict[str, Tensor]:
    with run.accelerator.autocast():
        output = net(audio)
    model = run.accelerator.unwrap_model(net)
    losses = {
        "log_magnitude": log_magnitude_distance(output.log_magnitude, model.log_magnitude(audio)),
        "spectral": distance(output.sample, audio),
    }
    mixes = round(settings.mix_share * len(audio))
    stems, some = audio[mixes:], audio[mixes:][: -(-len(audio) // 2)]
    # Without carriers the decoder names no pitch.
    pitch_weight, exchanged_weight = settings.pitch_weight, settings.swap_pitch_weight
    if output.pitch is None:
        pitch_weight = exchanged_weight = 0.0
    frequency = _frequency(stems, model) if pitch_weight or exchanged_weight else None
    if frequency is not None and output.pitch is not None and pitch_weight:
        losses["pitch"] = pitch_weight * _pitch_loss(output.pitch[mixes:], frequency, model)
    if frequency is not None and exchanged_weight:
        with run.accelerator.autocast():
            played = swap_style_means(model, some)
        if played.pitch is not None:
            losses["exchanged pitch"] = exchanged_weight * _pitch_loss(played.pitch, frequency[: len(some)], model)
    if adversary is not None and run.budget.progress >= settings.adversarial_after:
        adversary.step(audio, output.sample)
        losses["adversarial"] = settings.adversarial_weight * adversary.generator_loss(output.sample)
    return losses


@torch.no_grad()
def _frequency(audio: Tensor, model: AutoencoderSpectral) -> Tensor:
    """Pitch of stems `(batch, channels, samples)` on the decoder's frames, `(batch, stft_frames)` in Hz."""
    return yin(audio.mean(1), model.config["sampling_rate"], model.config["stft_hop_length"])


def _pitch_loss(logits: Tensor, frequency: Tensor, model: AutoencoderSpectral) -> Tensor:
    """Cross entropy of the decoder's pitch with that of the stems."""
    assert model.decoder_carriers is not None
    grid = model.decoder_carriers.get_buffer("frequencies")
    return pitch_cross_entropy(logits, frequency, grid[: logits.shape[-1]])


def _publish(model: AutoencoderSpectral, settings: AutoencoderTraining, folder: StemFolder | None, path: Path) -> None:
    """Save the model with the statistics of the stem's latents."""
    if not settings.decoder_only:
        crops = _crops(settings, folder, 16 * model.config["hop_length"], settings.seed + 1)
        stems = _stems(crops, STATISTICS_CROPS, settings.workers)
        batches = torch.stack(stems).split(16)
        encoded = [model.encode(some.to(model.device), return_dict=False)[0] for some in batches]
        latents = torch.cat(encoded).transpose(0, 1).flatten(1)
        model.register_to_config(latents_mean=latents.mean(-1).tolist(), latents_std=latents.std(-1).tolist())
    model.save_pretrained(path)


if __name__ == "__main__":
    print(f"{train(parse_settings(AutoencoderTraining))}: trained weights")
