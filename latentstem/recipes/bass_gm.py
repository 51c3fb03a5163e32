"""The recipe of the shipped weights, from nothing to a folder with a model card, in one command.

    python -m latentstem.recipes.bass_gm --output runs/bass-gm

Renders the corpus on all cores; trains the autoencoder, then its decoder alone; fits the style space; trains the style
encoder, the denoiser on latents, codes of styles and controls, and the reranker that chooses among generated stems;
publishes all of it. Needs the `training` extra, FluidSynth and its soundfonts, and uses a GPU if there is one. The same
command resumes an interrupted run: finished trainings are not repeated, and an unfinished one continues from its last
good state and ends with the weights of an uninterrupted run. Where the time goes, and the command line for a large
machine: `docs/pages/training.md`.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from latentstem import AutoencoderSpectral
from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import compose_references, compose_timbre_pair
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.recipes.bass_gm_options import (
    AUTOENCODER,
    SEED,
    SHORT,
    TRAININGS,
    UNET,
    Recipe,
    format_command,
    references,
    timbre_pairs,
)
from latentstem.recipes.bass_gm_report import compare_losses, format_card
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder import train as train_autoencoder
from latentstem.training.contrastive import ContrastiveTraining
from latentstem.training.contrastive import train as train_reranker
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.options import RunOptions
from latentstem.training.publish import Publication, publish
from latentstem.training.style_encoder import StyleEncoderTraining
from latentstem.training.style_encoder import train as train_style_encoder
from latentstem.training.style_space import StyleFit, fit
from latentstem.training.unet import UNetTraining
from latentstem.training.unet import train as train_unet

TRAIN: dict[str, Callable[[Any], Path]] = dict(
    zip(
        TRAININGS,
        (train_autoencoder, train_autoencoder, train_style_encoder, train_unet, train_reranker),
        strict=True,
    )
)


def main(recipe: Recipe) -> None:
    """Run the recipe from its present state to a folder of weights with a model card.

    Args:
        recipe: Options of the recipe.

    Raises:
        SystemExit: If the output folder was started with other options.
    """
    command = format_command(recipe)
    _claim_output(recipe.output, command)
    if recipe.short:
        recipe = replace(recipe, **SHORT)
    _render_corpus(recipe)
    trainings = training_settings(recipe)
    for training, settings in trainings.items():
        if training == "style_encoder":
            _fit_style_space(recipe)
        _train_once(settings, TRAIN[training])
    losses = compare_losses(recipe)
    (recipe.output / "losses.json").write_text(json.dumps(losses, indent=1) + "\n")
    card = recipe.output / "card.md"
    card.write_text(format_card(recipe, command, losses, {name: each.seed for name, each in trainings.items()}))
    size = publish(
        Publication(
            recipe.trained("unet"), recipe.weights, card, recipe.shard_mebibytes, reranker=recipe.trained("reranker")
        )
    )
    table = Table("training", "loss", "before", "after", title="validation songs")
    for row in losses:
        table.add_row(row["training"], row["loss"], f"{row['before']:.4f}", f"{row['after']:.4f}")
    Console().print(table)
    print(f"{recipe.weights}: {size / 1e6:.1f} MB of weights")


def _claim_output(output: Path, command: str) -> None:
    """Write the command to the output folder, or refuse to continue there with another."""
    output.mkdir(parents=True, exist_ok=True)
    note = output / "command.txt"
    if not note.is_file():
        partial = note.with_suffix(".partial")
        partial.write_text(command)
        partial.rename(note)
    if note.read_text() != command:
        raise SystemExit(f"{output} was begun with `{note.read_text()}`; give the same options, or another --output")


def _render_corpus(recipe: Recipe) -> None:
    """Render what is not there yet: songs, timbre pairs of their targets, and other notes on the same instruments."""
    of_target = {"target": recipe.target}
    compose_pair = functools.partial(compose_timbre_pair, **of_target)
    compose_other = functools.partial(compose_references, **of_target)
    duration, short = recipe.duration, min(10.0, recipe.duration)
    songs, others = TRAIN_SEEDS[: recipe.songs], TRAIN_SEEDS[recipe.songs : recipe.songs + recipe.styles]
    validation, instruments = VALIDATION_SEEDS[: recipe.validation_songs], recipe.instruments
    for folder, seeds, seconds, composer in (
        (recipe.train, songs, duration, compose),
        (timbre_pairs(recipe.train), songs, duration, compose_pair),
        (references(recipe.train), songs, short, compose_other),
        (recipe.validation, validation, min(20.0, duration), compose),
        (timbre_pairs(recipe.validation), validation, min(20.0, duration), compose_pair),
        (references(recipe.validation), validation, short, compose_other),
        (timbre_pairs(instruments), others, short, compose_pair),
        (references(instruments), others, short, compose_other),
    ):
        write_corpus(folder, seeds, duration=seconds, workers=recipe.render_workers, compose=composer)


def training_settings(recipe: Recipe) -> dict[str, RunOptions]:
    """Return the settings of the five trainings.

    Args:
        recipe: Options of the recipe.

    Returns:
        Names of the trainings, in order, to their settings.
    """
    unit = "steps" if recipe.minutes is None else "minutes"
    budgets = dict(zip(TRAININGS, recipe.minutes or recipe.steps, strict=True))

    def common(training: str) -> dict[str, Any]:
        return {
            "data": recipe.train,
            "output": recipe.output / training,
            "validation": recipe.validation,
            "target": recipe.target,
            "mixed_precision": recipe.mixed_precision,
            "save_minutes": recipe.save_minutes,
            "validations": recipe.validations,
            "seed": SEED,
            "workers": recipe.workers,
            unit: budgets[training],
        }

    model = AUTOENCODER if recipe.autoencoder is None else recipe.autoencoder
    latents = recipe.output / "latents"
    crops = {
        "batch_size": recipe.batch_size,
        "crop_frames": recipe.crop_frames,
        "timbre_pairs": timbre_pairs(recipe.train),
    }
    return {
        "autoencoder": AutoencoderTraining(**common("autoencoder"), **crops, model=model),
        # The encoder is good enough by then; the sound of the decoder keeps improving, at less cost per step. A dozen
        # validation crops cannot tell by how much on other instruments: its one validation is that of the last net.
        "decoder": AutoencoderTraining(
            **{**common("decoder"), **crops, "validations": 1, "seed": SEED + 1},  # other crops than the first training
            timbre_swap_after=0.0,
            adversarial_after=recipe.adversarial_after,
            adversarial_weight=0.1,
            feature_weight=1.0,
            learning_rate=AutoencoderTraining.learning_rate / 2,
            init_from=recipe.trained("autoencoder"),
            decoder_only=True,
        ),
        "style_encoder": StyleEncoderTraining(
            **{
                **common("style_encoder"),
                "data": timbre_pairs(recipe.instruments),
                "validation": timbre_pairs(recipe.validation),
            },
            references=references(recipe.instruments),
            validation_references=references(recipe.validation),
            autoencoder=recipe.trained("decoder"),
            latents=latents,
        ),
        "unet": UNetTraining(
            **common("unet"),
            autoencoder=recipe.trained("decoder"),
            latents=latents,
            controls=recipe.controls,
            style_encoder=recipe.trained("style_encoder"),
            style_references=references(recipe.train),
            validation_references=references(recipe.validation),
            condition_dropout=0.25,
            controls_dropout=0.4,
            batch_frames=recipe.batch_frames,
            submixes=recipe.submixes,
            mix_noise=recipe.mix_noise,
            model={**UNET, **(recipe.unet or {})},
        ),
        "reranker": ContrastiveTraining(
            **common("reranker"),
            autoencoder=recipe.trained("decoder"),
            latents=latents,  # the sub-mixes of the denoiser, drawn by an equal seed
            submixes=recipe.submixes,
            crop_frames=recipe.reranker_frames,
            model={"channels": 160, **(recipe.reranker or {})},
        ),
    }


def _train_once(settings: RunOptions, train: Callable[[Any], Path]) -> None:
    """Run a training to its end, unless it has finished before."""
    end = settings.output / "finished"
    if not end.is_file():
        train(settings)
        end.touch()


def _fit_style_space(recipe: Recipe) -> None:
    """Write the style space into the decoder's config, unless it is there; the denoiser's pipeline copies it."""
    autoencoder = recipe.trained("decoder")
    config: Any = AutoencoderSpectral.load_config(autoencoder)
    if config.get("style_readout") is None:
        fit(StyleFit(recipe.train, autoencoder, recipe.target, workers=recipe.workers))


if __name__ == "__main__":
    main(parse_settings(Recipe))
