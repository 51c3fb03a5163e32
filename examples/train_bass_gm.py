"""The recipe of the shipped weights, from nothing to a folder with a model card, in one command.

    python examples/train_bass_gm.py --output runs/bass-gm

Renders the corpus on all cores; trains the autoencoder, then its decoder alone; finds what of its latents tells the
instrument; trains the denoiser on them, and the judge that chooses among its basses; publishes all of it.
Needs the `training` extra, FluidSynth and its soundfonts, and takes the GPU if there is one. Whatever interrupts it,
the same command goes on: what is finished is not done again, what is not resumes from its last good state, and ends
where it would have ended. Where the time goes, and the command line for a large machine: `docs/pages/training.md`.
"""

import functools
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from rich.console import Console
from rich.table import Table

from latentstem import AutoencoderSpectral, ContrastiveStemModel, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.composer import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.corpus import write_corpus
from latentstem.data.stems import StemCrops, StemFolder
from latentstem.data.twins import compose_twins
from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.training.arguments import parse_settings
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder import train as train_autoencoder
from latentstem.training.card import circumstances, markdown_table
from latentstem.training.contrastive import ContrastiveTraining, contrastive_loss
from latentstem.training.contrastive import train as train_judge
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.publish import Publication, publish
from latentstem.training.restyling import twins_distance
from latentstem.training.style import StyleFit, fit
from latentstem.training.unet import UNetTraining
from latentstem.training.unet import train as train_unet
from latentstem.training.validation import velocity_errors

TRAIN: dict[str, Callable[[Any], Path]] = {
    "autoencoder": train_autoencoder,
    "decoder": train_autoencoder,
    "unet": train_unet,
    "judge": train_judge,
}
SEED = 0
SHORT: dict[str, Any] = {
    "songs": 24,
    "duration": 6.0,
    "validation_songs": 3,
    "steps": (60, 40, 160, 60),
    "minutes": None,
    "validations": 1,
    "batch_size": 4,
    "batch_frames": 512,
    "workers": 0,
    "render_workers": 1,
    "submixes": 2,
    "mix_noise": 0.3,
    "autoencoder": {"channels": 64, "latent_hidden_channels": 64, "latent_channels": 16, "carriers": 128},
    "unet": {"block_out_channels": [64, 96, 128], "attention_head_dim": 32},
    "judge": {"channels": 64},
    "judge_frames": 24,
}
"""Narrow nets, few songs, few steps: the whole recipe in two minutes of one core."""


@dataclass(frozen=True)
class Recipe:
    """Render the corpus, train the nets, publish the weights.

    Args:
        output: Folder of the corpus, the states and, in `bass-gm/` where the target is the bass, the weights.
        target: Part of the songs to learn: "bass", "drums", "lead" or "chords1".
        songs: Songs to train on.
        duration: Seconds a song.
        validation_songs: Songs to validate on, of seeds never trained on.
        steps: Optimiser steps of the four trainings: the autoencoder's, its decoder's alone, the denoiser's and the
            judge's.
        minutes: Minutes of these in place of their steps; what comes out then depends on the machine's speed.
        batch_size: Crops a step of the first two.
        batch_frames: Latent frames a step of the denoiser's.
        judge_frames: Latent frames of a pair that the judge compares.
        workers: Processes that read crops while the first two train, and songs wherever they are encoded.
        render_workers: Processes that render; one a core if absent.
        submixes: Sub-mixes of each song that the denoiser hears.
        mix_noise: Noise on its mixes; a few songs need more than a thousand do, or it knows each by its mix.
        save_minutes: Minutes between states.
        validations: How many each training has, the decoder's apart; published is the best of its validations.
        shard_mebibytes: Greatest size of a file of weights; one file a net if absent.
        autoencoder: Keyword arguments of `AutoencoderSpectral` that differ from its defaults.
        unet: Keyword arguments of `StemUNet1DModel` that differ from its defaults, dropout and the widths apart: these
            are of the middle size of `benchmarks/scaling.py`.
        judge: Keyword arguments of `ContrastiveStemModel` that differ from the 160 channels of the shipped one.
        short: The recipe in small, to see that all of it works; takes the place of the options above.
    """

    output: Path
    target: str = "bass"
    songs: int = 2000
    duration: float = 20.0
    validation_songs: int = 24
    steps: tuple[int, int, int, int] = (900, 900, 7500, 1000)
    minutes: tuple[float, float, float, float] | None = None
    batch_size: int = 4
    batch_frames: int = 6144
    judge_frames: int = 96
    workers: int = 1
    render_workers: int | None = None
    submixes: int = 3
    mix_noise: float = 0.1
    save_minutes: float = 10.0
    validations: int = 10
    shard_mebibytes: float | None = None
    autoencoder: dict[str, Any] | None = None
    unet: dict[str, Any] | None = None
    judge: dict[str, Any] | None = None
    short: bool = False


def main(recipe: Recipe) -> None:
    command = _command(recipe)
    _begin(recipe.output, command)
    if recipe.short:
        recipe = replace(recipe, **SHORT)
    train, validation = recipe.output / "train", recipe.output / "validation"
    for folder, seeds, duration in (
        (train, TRAIN_SEEDS[: recipe.songs], recipe.duration),
        (validation, VALIDATION_SEEDS[: recipe.validation_songs], min(20.0, recipe.duration)),
    ):
        write_corpus(folder, seeds, duration=duration, workers=recipe.render_workers)
        twins = functools.partial(compose_twins, target=recipe.target)
        write_corpus(_twins(folder), seeds, duration=duration, workers=recipe.render_workers, compose=twins)
    trainings = _settings(recipe, train, validation)
    for training, settings in trainings.items():
        if training == "unet":
            _fit_style(train, _trained(recipe, "decoder"), recipe.target, recipe.workers)
        _finish(settings, TRAIN[training])
    moved = _moved(recipe, validation)
    card = recipe.output / "card.md"
    card.write_text(_card(recipe, command, moved, {name: settings.seed for name, settings in trainings.items()}))
    size = publish(
        Publication(_trained(recipe, "unet"), _weights(recipe), card, recipe.shard_mebibytes, _trained(recipe, "judge"))
    )
    table = Table("training", "loss", "before", "after", title="validation songs")
    for row in moved:
        table.add_row(row["training"], row["loss"], f"{row['before']:.4f}", f"{row['after']:.4f}")
    Console().print(table)
    print(f"{_weights(recipe)}: {size / 1e6:.1f} MB of weights")


def _weights(recipe: Recipe) -> Path:
    """Where the published weights go."""
    return recipe.output / f"{recipe.target}-gm"


def _twins(folder: Path) -> Path:
    """Where the targets of a folder's songs lie, each with its twin."""
    return folder.with_name(f"{folder.name}-twins")


def _begin(output: Path, command: str) -> None:
    """Note the command in the output folder, or refuse to go on there with another."""
    output.mkdir(parents=True, exist_ok=True)
    note = output / "command.txt"
    if not note.is_file():
        partial = note.with_suffix(".partial")
        partial.write_text(command)
        partial.rename(note)
    if note.read_text() != command:
        raise SystemExit(f"{output} was begun with `{note.read_text()}`; give the same options, or another --output")


def _command(recipe: Recipe) -> str:
    """The command line that asks for this recipe; of the output folder its name alone."""
    words = ["python", "examples/train_bass_gm.py", "--output", f"runs/{recipe.output.name}"]
    for field in fields(recipe)[1:]:
        value = getattr(recipe, field.name)
        if value == field.default:
            continue
        words.append(f"--{field.name.replace('_', '-')}")
        if isinstance(value, tuple):
            words += map(str, value)
        elif value is not True:
            words.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return shlex.join(words)


def _settings(recipe: Recipe, train: Path, validation: Path) -> dict[str, Any]:
    """The settings of the four trainings, in order."""
    unit = "steps" if recipe.minutes is None else "minutes"
    budgets = dict(zip(TRAIN, recipe.minutes or recipe.steps, strict=True))

    def common(training: str) -> dict[str, Any]:
        return {
            "data": train,
            "output": recipe.output / training,
            "validation": validation,
            "target": recipe.target,
            "save_minutes": recipe.save_minutes,
            "validations": recipe.validations,
            "seed": SEED,
            "workers": recipe.workers,
            unit: budgets[training],
        }

    crops = {"batch_size": recipe.batch_size, "twins": _twins(train)}
    return {
        "autoencoder": AutoencoderTraining(**common("autoencoder"), **crops, model=recipe.autoencoder),
        # The encoder has what it needs by then; the sound of the decoder goes on improving, at less a step. A dozen
        # validation crops cannot see by how much on other instruments: its one validation is that of the last net.
        "decoder": AutoencoderTraining(
            **{**common("decoder"), **crops, "validations": 1, "seed": SEED + 1},  # crops that the first did not hear
            twins_after=0.0,
            learning_rate=AutoencoderTraining.learning_rate / 2,
            init_from=_trained(recipe, "autoencoder"),
            decoder_only=True,
        ),
        "unet": UNetTraining(
            **common("unet"),
            autoencoder=_trained(recipe, "decoder"),
            batch_frames=recipe.batch_frames,
            submixes=recipe.submixes,
            mix_noise=recipe.mix_noise,
            model={"dropout": 0.1, "block_out_channels": [160, 256, 320], **(recipe.unet or {})},
        ),
        "judge": ContrastiveTraining(
            **common("judge"),
            autoencoder=_trained(recipe, "decoder"),
            latents=recipe.output / "unet" / "latents",  # the same sub-mixes: both trainings draw them by one seed
            submixes=recipe.submixes,
            crop_frames=recipe.judge_frames,
            model={"channels": 160, **(recipe.judge or {})},
        ),
    }


def _trained(recipe: Recipe, training: str) -> Path:
    """Where a training leaves its weights."""
    return recipe.output / training / {"unet": "pipeline", "judge": "judge"}.get(training, "autoencoder")


def _finish(settings: Any, train: Callable[[Any], Path]) -> None:
    """Run a training to its end, unless it has come there before."""
    end = settings.output / "finished"
    if not end.is_file():
        train(settings)
        end.touch()


def _fit_style(train: Path, autoencoder: Path, target: str, workers: int) -> None:
    """Write the style space into the autoencoder's config, unless it is there; the denoiser's pipeline takes it on."""
    if AutoencoderSpectral.load_config(autoencoder).get("style_readout") is None:
        fit(StyleFit(train, autoencoder, target, workers=workers))


@torch.no_grad()
def _moved(recipe: Recipe, validation: Path) -> list[dict[str, Any]]:
    """What each training did to its losses on validation songs: the net it found, and the net it left."""
    set_seed(SEED)
    untrained = AutoencoderSpectral(**(recipe.autoencoder or {}))
    crops = StemCrops(StemFolder(_twins(validation), recipe.target), 24 * untrained.config["hop_length"], seed=0)
    others, stems = (
        torch.stack(part) for part in zip(*(crops[n] for n in range(recipe.validation_songs)), strict=True)
    )
    untrained.set_background(stems)
    nets: tuple[Any, ...] = (
        untrained.eval(),
        *(AutoencoderSpectral.from_pretrained(_trained(recipe, t)).eval() for t in ("autoencoder", "decoder")),
    )
    distance = MultiScaleSpectralDistance(untrained.config["sampling_rate"], AutoencoderTraining.window_lengths)

    def losses(net: AutoencoderSpectral) -> dict[str, float]:
        played: Any = net(stems)
        return {
            "log magnitude": float(log_magnitude_distance(played.log_magnitude, net.log_magnitude(stems))),
            "spectral distance": float(distance(played.sample, stems)),
            "twins' distance": float(twins_distance(net, torch.cat([stems, others]), distance)),
        }

    untrained_losses, trained, decoded = map(losses, nets)
    rows = [
        {"training": training, "loss": loss, "before": before[loss], "after": after[loss]}
        for training, before, after in (("autoencoder", untrained_losses, trained), ("decoder", trained, decoded))
        for loss in before
    ]
    pipe = StemAccompanimentPipeline.from_pretrained(_trained(recipe, "unet"))
    latents = cache_latents(
        validation,
        recipe.target,
        pipe.autoencoder,
        recipe.output / "unet" / "latents" / "validation",
        submixes=1,
        seed=0,
    )
    denoisers: tuple[Any, ...] = (StemUNet1DModel.from_config(pipe.unet.config), pipe.unet)
    before, after = (
        velocity_errors(denoiser.eval(), pipe.scheduler, latents, tuple(range(64, 1024, 128))) for denoiser in denoisers
    )
    rows += [
        {
            "training": "unet",
            "loss": f"velocity error, {hearing}",
            "before": float(before[hearing].mean()),
            "after": float(after[hearing].mean()),
        }
        for hearing in ("mix", "swapped")
    ]
    rows.append(_judge_moved(recipe, latents))
    (recipe.output / "losses.json").write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _judge_moved(recipe: Recipe, latents: list[LatentTrack]) -> dict[str, Any]:
    """What its training did to the judge: pairs of whole songs, and each song's stem half a song off."""
    judge: Any = ContrastiveStemModel.from_pretrained(str(_trained(recipe, "judge")))
    untrained: Any = ContrastiveStemModel.from_config(judge.config)
    frames = min(track.stem.shape[-1] for track in latents)
    mixes, stems = (
        torch.stack([part[:, :frames] for part in parts])
        for parts in ([track.mixes[0] for track in latents], [track.stem for track in latents])
    )
    before, after = (
        float(contrastive_loss(net.eval(), mixes, stems, stems.roll(frames // 2, dims=-1)))
        for net in (untrained, judge)
    )
    return {"training": "judge", "loss": "cross entropy of pairs", "before": before, "after": after}


def _card(recipe: Recipe, command: str, moved: list[dict[str, Any]], seeds: dict[str, int]) -> str:
    """`bass_gm_card.md` with its blanks filled."""
    pipe = StemAccompanimentPipeline.from_pretrained(_trained(recipe, "unet"))
    judge: Any = ContrastiveStemModel.from_pretrained(str(_trained(recipe, "judge")))
    records = {
        training: [json.loads(line) for line in (recipe.output / training / "history.jsonl").read_text().splitlines()]
        for training in TRAIN
    }
    last = {training: found[-1] for training, found in records.items()}
    denoised = min(records["unet"], key=lambda record: record["velocity_error"])
    return (
        Path(__file__)
        .with_name("bass_gm_card.md")
        .read_text()
        .format(
            autoencoder=f"{pipe.autoencoder.num_parameters() / 1e6:.1f}",
            denoiser=f"{pipe.unet.num_parameters() / 1e6:.1f}",
            judge=f"{judge.num_parameters() / 1e6:.1f}",
            songs=recipe.songs,
            duration=f"{recipe.duration:g}",
            seeds=f"{TRAIN_SEEDS[0]} to {TRAIN_SEEDS[recipe.songs - 1]}",
            validation_songs=recipe.validation_songs,
            validation_seeds=f"{VALIDATION_SEEDS[0]} to {VALIDATION_SEEDS[recipe.validation_songs - 1]}",
            command=command,
            trainings=markdown_table(
                ["training", "steps", "minutes", "seed"],
                [[t, str(last[t]["step"]), f"{last[t]['seconds'] / 60:.1f}", str(seeds[t])] for t in TRAIN],
            ),
            losses=markdown_table(
                ["training", "loss", "before", "after"],
                [[row["training"], row["loss"], f"{row['before']:.4f}", f"{row['after']:.4f}"] for row in moved],
            ),
            pitch_agreement=f"{last['decoder']['pitch_agreement']:.2f}",
            target=recipe.target,
            figure="chord share" if "chord_share" in denoised else "onset F1",
            generated=f"{denoised.get('chord_share', denoised.get('onset_f1')):.2f}",
            **circumstances(Path(__file__).parent),
        )
    )


if __name__ == "__main__":
    main(parse_settings(Recipe))
