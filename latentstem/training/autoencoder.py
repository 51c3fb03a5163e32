"""Training of `AutoencoderSpectral` (arXiv 2402.01412) on stems and mixes, with an optional adversarial term.

Losses: see `latentstem.training.autoencoder_losses`. A batch holds mixes, sub-mixes and single stems of the band as a
fraction of its items, and stems of the target in the others; where there are timbre pairs, both stems of a pair.
"""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.corpus_stream import BandStream
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.losses import BandEnergyDistance, BandFlatnessDistance, MultiScaleSpectralDistance, PartialDistance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.adversarial import Adversary
from latentstem.training.augmentation import augment, draw_speeds, samples_to_read
from latentstem.training.autoencoder_losses import AutoencoderLosses
from latentstem.training.autoencoder_validation import RoundTripValidation
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.muon import muon_and_adamw
from latentstem.training.engine.options import RunOptions
from latentstem.training.engine.run import TrainingRun

OUTER_LAYERS = ("encoder_in", "decoder_magnitude", "decoder_phase", "decoder_carriers")
"""Layers of `AutoencoderSpectral` that read or write spectra: AdamW trains their matrices.

In one trial with Muon on the three of the decoder the loss was a twentieth higher after fifty steps.
"""
OSCILLATORS = "decoder_carriers."
"""Beginning of the names of the weights of the oscillators, whose number a training may raise."""
STATISTICS_CROPS = 256
"""Crops of 16 latent frames from which the statistics of the published latents are computed."""


@dataclass(frozen=True)
class AutoencoderTraining(RunOptions):
    """Settings of a training of `AutoencoderSpectral`.

    The options that every training has are described at `latentstem.training.engine.options.RunOptions`.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`; without it songs of the band
            corpus are composed and rendered during the training, in as many processes as there are workers.
        output: Folder for the training state, the logs, the previews and, in `autoencoder/`, the trained weights.
        mix_share: Fraction of the items of a batch that are mixes instead of stems.
        gain_range: Greatest random gain of a crop in dB, up and down.
        equalizer_range: Standard deviation in dB of the random equalizer of a crop, at points two octaves apart.
        varispeed: Greatest random change of speed of a crop in whole semitones, up and down.
        timbre_pairs: Folder of tracks of two stems, the target and the same notes on another instrument, as
            `latentstem.data.compose.timbre_pairs` composes them: all stems of a batch are then drawn from it. Without
            it there is no timbre-swap loss.
        model: Keyword arguments of `AutoencoderSpectral` that differ from the defaults, or from the config of
            `init_from`, as a JSON object.
        init_from: Folder of published weights to start from; parts that `model` adds start untrained.
        decoder_only: Freeze the encoder, so that denoisers trained on its latents stay valid.
        window_lengths: Window lengths in samples of the multi-scale spectral distance.
        floor_db: Level in dB, a full-scale sinusoid having 0, below which that distance sees little.
        pitch_weight: Weight of the cross entropy between the decoder's pitch and the pitch that YIN finds in the stems;
            mixes do not count.
        swap_pitch_weight: Weight of that cross entropy after the latents took the time-mean of another stem: teaches
            the encoder to keep notes out of the mean that style grounding replaces, and the decoder to read them
            without it.
        timbre_swap_weight: Weight of the timbre-swap loss on the timbre pairs.
        timbre_swap_after: Fraction of the training after which the timbre-swap loss joins; from the beginning it slows
            what the net learns first.
        energy_weight: Weight of the distance of the energy in bands, `latentstem.losses.BandEnergyDistance`.
        flatness_weight: Weight of the distance of the spectral flatness in bands, which keeps tones from becoming
            noise, `latentstem.losses.BandFlatnessDistance`.
        partial_weight: Weight of the distance of the strengths of the partials of stems, by the pitch that YIN finds in
            them, `latentstem.losses.PartialDistance`.
        adversarial_weight: Weight of the adversarial loss term.
        feature_weight: Weight of the feature matching that goes with the adversarial loss term.
        adversarial_after: Fraction of the training after which the adversarial loss term joins; 1 leaves it out.
        r1_weight: Greatest weight of the R1 penalty of the discriminator, which adapts to its certainty.
        batch_size: Crops per step.
        crop_frames: Latent frames per crop: at least twice the receptive field of the net, and enough for the
            time-mean to say little about single notes.
        learning_rate: Peak learning rate of AdamW; that of Muon is twice as high.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "mix_share": "Data",
        "model": "Model",
        "window_lengths": "Objective",
        "batch_size": "Optimisation",
    }

    _: KW_ONLY
    learning_rate: float = 1.2e-3
    workers: int = 1
    mix_share: float = 0.25
    gain_range: float = 6.0
    equalizer_range: float = 5.0
    varispeed: int = 3
    timbre_pairs: Path | None = None
    model: dict[str, Any] | None = None
    init_from: Path | None = None
    decoder_only: bool = False
    window_lengths: tuple[int, ...] = (512, 2048, 8192, 32768)
    floor_db: float = -40.0
    pitch_weight: float = 0.2
    swap_pitch_weight: float = 0.2
    timbre_swap_weight: float = 1.0
    timbre_swap_after: float = 0.2
    energy_weight: float = 1.0
    flatness_weight: float = 0.0
    partial_weight: float = 0.0
    adversarial_weight: float = 0.05
    feature_weight: float = 0.5
    adversarial_after: float = 1.0
    r1_weight: float = 10.0
    batch_size: int = 4
    crop_frames: int = 40


def train(settings: AutoencoderTraining) -> Path:
    """Train an autoencoder, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published weights: the moving average that validated best, with the statistics of its latents in
        the config.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
        latentstem.data.render.fluidsynth.SynthesisError: If there is no folder and FluidSynth or a soundfont is
            missing.
        ValueError: If there is no folder and composed songs have no such target or the model is not mono at 44.1 kHz,
            if a track of the timbre pairs has not two stems or a batch has no room for a pair, or if the output folder
            holds another net's state.
    """
    set_seed(settings.seed)
    model = initial_model(settings)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (settings.decoder_only and name.startswith("encoder_")))
    folder = _open_data(settings, model)
    pairs_folder = _open_pairs(settings, model)
    crop_samples = settings.crop_frames * model.config["hop_length"]

    # What the state of the run holds, before it is resumed.
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
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    run.resume()
    if run.budget.step == 0 and settings.init_from is None:
        background = torch.stack(_stems(_crops(settings, folder, crop_samples, settings.seed), 32, settings.workers))
        background = background.to(run.accelerator.device)
        run.accelerator.unwrap_model(run.model).set_background(background)

    # Losses.
    floor = 10 ** (settings.floor_db / 20)
    distance = MultiScaleSpectralDistance(model.config["sampling_rate"], settings.window_lengths, epsilon=floor)
    distance.to(run.accelerator.device)
    energy = BandEnergyDistance(model.config["sampling_rate"], model.config["hop_length"]).to(run.accelerator.device)
    flatness = BandFlatnessDistance(model.config["sampling_rate"]).to(run.accelerator.device)
    partials = PartialDistance(model.config["sampling_rate"]).to(run.accelerator.device)
    losses_of = AutoencoderLosses(
        run.accelerator,
        distance,
        energy,
        flatness,
        partials,
        settings.energy_weight,
        settings.flatness_weight,
        settings.partial_weight,
        settings.pitch_weight,
        settings.swap_pitch_weight,
        settings.timbre_swap_weight,
    )

    # Data.
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other crops
    read_samples = samples_to_read(crop_samples, settings.varispeed)
    step, size = run.budget.step, settings.batch_size
    mix_count, pair_count, pairs = round(settings.mix_share * size), 0, None
    drawn = size
    if pairs_folder is not None:  # which has all the stems
        pair_count, drawn = (size - mix_count) // 2, max(mix_count, 1)
        pairs = iter(_loader(settings, pairs_folder, read_samples, seed, step, pair_count))
    batches = iter(_loader(settings, folder, read_samples, seed, step, drawn))
    vary = partial(
        augment, samples=crop_samples, gain_range=settings.gain_range, equalizer_range=settings.equalizer_range
    )

    def validate(averaged: Any) -> dict[str, float]:
        preview = settings.output / "previews" / f"{run.budget.step:07d}"

        def losses(net: Any, audio: Tensor) -> dict[str, Tensor]:
            return losses_of(net, audio, round(settings.mix_share * len(audio)))[1]

        return {} if validation is None else validation(averaged, losses, preview)

    def publish(averaged: Any, path: Path) -> None:
        _publish(averaged, settings, folder, path)

    target = settings.output / "autoencoder"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    model.train()
    while run.unfinished():
        mixes, stems = next(batches)
        speeds = draw_speeds(size, settings.varispeed)
        if pairs is None:
            audio = torch.cat([mixes[:mix_count], stems[mix_count:]])
        else:
            partners, stems = next(pairs)
            audio = torch.cat([mixes[:mix_count], stems, partners])
            speeds = [*speeds[:mix_count], *2 * speeds[mix_count : mix_count + pair_count]]  # one for both of a pair
        audio = vary(audio.to(run.accelerator.device, non_blocking=True), speeds)
        swap = pairs is not None and run.budget.progress >= settings.timbre_swap_after
        decoded, losses = losses_of(run.model, audio, mix_count, paired=swap)
        if adversary is not None and run.budget.progress >= settings.adversarial_after:
            adversary.step(audio, decoded)
            hinge, features = adversary.generator_losses(audio, decoded)
            losses["adversarial"] = settings.adversarial_weight * hinge
            losses["features"] = settings.feature_weight * features
        run.update(torch.stack(list(losses.values())).sum())
        run.report(bar, losses)
        run.checkpoint(validate, "validation_loss", publish, target)
    bar.close()
    return target


def initial_model(settings: AutoencoderTraining) -> AutoencoderSpectral:
    """Make a new net, or continue a published one, to which the settings may add parts.

    Args:
        settings: Settings of the training.

    Returns:
        The net, in training mode.

    Raises:
        ValueError: If `settings.model` changes or removes parts that the published weights have.
    """
    changes = settings.model or {}
    if settings.init_from is None:
        return AutoencoderSpectral(**changes).train()
    published: Any = AutoencoderSpectral.from_pretrained(settings.init_from)
    if not changes:
        return published.train()
    config = {**published.config, **changes}
    # Fields that older weights do not name: diffusers would take their defaults in place of the changes.
    config.pop("_use_default_values", None)
    model: Any = AutoencoderSpectral.from_config(config)
    weights, wanted = published.state_dict(), model.state_dict()
    others = {name: weight for name, weight in weights.items() if not name.startswith(OSCILLATORS)}
    unfit = [name for name in weights if name not in wanted]
    unfit += [name for name, weight in others.items() if name in wanted and wanted[name].shape != weight.shape]
    if unfit:
        raise ValueError(
            f"{settings.init_from} does not fit a model with {changes} (at {unfit[0]}): parts that it lacks can be "
            "added, and none changed but the number of oscillators and their partials"
        )
    model.load_state_dict(others, strict=False)
    if published.decoder_carriers is not None:
        model.decoder_carriers.take_over(published.decoder_carriers)
    return model.train()


def _open_data(settings: AutoencoderTraining, model: AutoencoderSpectral) -> StemFolder | None:
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


def _open_pairs(settings: AutoencoderTraining, model: AutoencoderSpectral) -> StemFolder | None:
    if settings.timbre_pairs is None:
        return None
    stems = settings.batch_size - round(settings.mix_share * settings.batch_size)
    if stems < 2:
        raise ValueError(
            f"got batch_size={settings.batch_size} and mix_share={settings.mix_share}, which leave {stems} items of a "
            "batch for stems; expected at least 2, for a timbre pair"
        )
    folder = _open(settings.timbre_pairs, settings.target, model)
    for track in folder.tracks:
        if len(track.files) != 2:
            raise ValueError(
                f"{settings.timbre_pairs / track.name} holds {', '.join(track.files)}, expected {settings.target} and "
                "one stem with the same notes on another instrument: name a folder of such pairs"
            )
    return folder


def _crops(
    settings: AutoencoderTraining, folder: StemFolder | None, samples: int, seed: int
) -> Dataset[tuple[Tensor, Tensor]]:
    """Crops of the tracks of a folder, or of songs that are rendered for them: a function of the seed."""
    if folder is None:
        return BandStream(samples, seed, target=settings.target)
    return StemCrops(folder, samples, seed)


def _stems(crops: Dataset[tuple[Tensor, Tensor]], count: int, workers: int) -> list[Tensor]:
    loader = DataLoader(crops, batch_size=None, num_workers=workers, generator=torch.Generator())
    return [stem for _, stem in islice(loader, count)]


def _loader(
    settings: AutoencoderTraining, folder: StemFolder | None, samples: int, seed: int, step: int, size: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of crops from a step on; of a folder they are a function of the seed and the step."""
    # A stream cannot be entered in its middle: a resumed run draws other songs.
    crops = _crops(settings, folder, samples, seed if folder is not None else seed + 1_000_003 * step)
    order = None if folder is None else range(step * size, len(cast(StemCrops, crops)))
    # With a generator, or the loader would draw from the random state that a resumed run has loaded.
    return DataLoader(
        crops,
        size,
        sampler=order,
        num_workers=settings.workers,
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),  # batches cross to the device while it computes
    )


def _publish(model: AutoencoderSpectral, settings: AutoencoderTraining, folder: StemFolder | None, path: Path) -> None:
    """Save the model with the statistics of the latents of stems."""
    if not settings.decoder_only:
        crops = _crops(settings, folder, 16 * model.config["hop_length"], settings.seed + 1)
        stems = _stems(crops, STATISTICS_CROPS, settings.workers)
        batches = torch.stack(stems).split(16)
        encoded = [model.encode(batch.to(model.device), return_dict=False)[0] for batch in batches]
        latents = torch.cat(encoded).transpose(0, 1).flatten(1)
        model.register_to_config(latents_mean=latents.mean(-1).tolist(), latents_std=latents.std(-1).tolist())
    model.save_pretrained(path)


if __name__ == "__main__":
    print(f"{train(parse_settings(AutoencoderTraining))}: trained weights")
