"""Notes as an auxiliary task of a denoiser: what it gives a training of equal minutes on equal songs.

Denoisers are trained from the beginning, without and with the loss of `latentstem.training.unet_notes`, on the shipped
autoencoder. Their prediction error on validation songs is followed; then their basses for unseen songs of the composer,
rendered with a soundfont that no net was trained on, are scored.

Run it as `python -m benchmarks.training.auxiliary_notes --output runs/notes`: an hour and a half of one core;
`--weights 0` and `--weights 0.1` may run side by side before it. What is finished is not run again.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import OTHER, OURS, plot_means
from benchmarks.common.report import RESULTS, format_interval, print_table, write_report
from benchmarks.common.scores import analyze, paired_difference, score_all, summarize
from benchmarks.common.songs import DEFAULT_CACHE, unseen_songs
from latentstem.data import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.compose.composer import compose
from latentstem.data.corpus import write_corpus
from latentstem.evaluation.scores import METRICS
from latentstem.recipes.bass_gm_options import CONTROLS, UNET
from latentstem.training.engine.history import read_history
from latentstem.training.unet import UNetTraining, train

SHOWN = ("chord_share", "root_on_downbeat", "onset_f1", "voiced_ratio", "density_ratio")


def main(
    output: Annotated[Path, typer.Option(help="Folder of songs and trainings; what is there is not made again.")],
    weights: Annotated[list[float], typer.Option(help="Weights of the auxiliary loss; 0 is none.")] = [0.0, 0.1],  # noqa: B006
    songs: Annotated[int, typer.Option(min=2, help="Songs to train on.")] = 300,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of each training.")] = 30.0,
    test_songs: Annotated[int, typer.Option(min=2, help="Songs to score.")] = 48,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of each of these songs.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 16,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each training.")] = 1,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    torch.set_num_threads(threads)
    for name, seeds in (("train", TRAIN_SEEDS[:songs]), ("validation", VALIDATION_SEEDS[:24])):
        write_corpus(output / name, seeds, duration=20.0, compose=compose)
    for weight in weights:
        train(settings(output, weight, minutes))
    if len(weights) < 2:
        return
    scores = score(output, weights, test_songs, duration, steps, cache)
    figures = {
        "training": {f"{weight:g}": follow(output, weight) for weight in weights},
        "scores": {f"{weight:g}": summarize(own) for weight, own in scores.items()},
        "less_without": {
            f"{weight:g}": {name: paired_difference(scores[weight], scores[weights[0]], name) for name in SHOWN}
            for weight in weights[1:]
        },
    }
    print_figures(figures)
    options = {"songs": songs, "minutes": minutes, "test_songs": test_songs, "steps": steps, "model": UNET}
    write_report("auxiliary_notes", options, figures, plot(figures), results)


def settings(output: Path, weight: float, minutes: float) -> UNetTraining:
    """Return the settings of a training.

    Args:
        output: Folder of the songs and the trainings.
        weight: Weight of the auxiliary loss.
        minutes: Minutes of the training.
    """
    return UNetTraining(
        output / "train",
        output / f"weight-{weight:g}",
        weights_folder(None) / "autoencoder",
        validation=output / "validation",
        latents=output / "latents",
        model=UNET,
        controls=CONTROLS,
        controls_dropout=0.4,
        notes_weight=weight,
        ema_decay=0.99,
        validations=8,
        minutes=minutes,
    )


def follow(output: Path, weight: float) -> dict[str, list[float]]:
    """Read the steps, minutes and prediction errors of the validations of a training."""
    records = read_history(output / f"weight-{weight:g}" / "history.jsonl")
    return {
        "steps": [record["step"] for record in records],
        "minutes": [round(record["seconds"] / 60, 2) for record in records],
        "prediction_error": [record["prediction_error"] for record in records],
        "prediction_error_swapped": [record["prediction_error_swapped"] for record in records],
    }


def score(
    output: Path, weights: list[float], songs: int, duration: float, steps: int, cache: Path
) -> dict[float, list[Any]]:
    """Score the basses of each net, made of equal noise.

    Args:
        output: Folder of the trainings.
        weights: Weights of the auxiliary loss.
        songs: Number of songs.
        duration: Length of each in seconds.
        steps: Number of denoising steps.
        cache: Folder of rendered songs.

    Returns:
        Scores song by song of each weight.
    """
    tests = unseen_songs(0, songs, duration, cache)
    true = [analyze(song.stem) for song in track(tests, "true basses")]
    scores = {}
    for weight in weights:
        pipe = load_pipeline(output / f"weight-{weight:g}" / "pipeline", "cpu")
        stems = generate(pipe, tests, 8, f"weight {weight:g}", num_inference_steps=steps)
        scores[weight] = score_all([analyze(stem) for stem in track(stems, "scores")], tests, true)
    return scores


def print_figures(figures: dict[str, Any]) -> None:
    rows = [
        (f"weight {weight}", *(format_interval(own[name]) for name in SHOWN))
        for weight, own in figures["scores"].items()
    ] + [
        (f"weight {weight}, less without", *(format_interval(own[name]) for name in SHOWN))
        for weight, own in figures["less_without"].items()
    ]
    print_table("Unseen songs", ("", *(METRICS[name] for name in SHOWN)), rows)
    rows = [
        (f"weight {weight}", str(own["steps"][-1]), f"{min(own['prediction_error']):.4f}")
        for weight, own in figures["training"].items()
    ]
    print_table("Validation songs", ("", "steps", "least prediction error"), rows)


def plot(figures: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = dict(zip(figures["training"], (OTHER, OURS, "#ef6c00", "#6a1b9a"), strict=False))
    for index, (weight, own) in enumerate(figures["training"].items()):
        label = f"weight {weight}" if float(weight) else "without"
        left.plot(own["minutes"], own["prediction_error"], "o-", color=colors[weight], label=label)
        cells = [figures["scores"][weight][name] for name in SHOWN]
        places = [place + 0.15 * (index - 0.5) for place in range(len(SHOWN))]
        plot_means(right, places, cells, color=colors[weight], label=label, linestyle="none")
    left.set(title="prediction error on validation songs", xlabel="minutes of one core")
    right.set(title="basses for unseen songs", xticks=range(len(SHOWN)))
    right.set_xticklabels([METRICS[name].replace(", ", ",\n") for name in SHOWN])
    for axis in (left, right):
        axis.legend()
    return figure


if __name__ == "__main__":
    typer.run(main)
