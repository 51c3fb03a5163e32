"""Guidance that the net has learned, beside guidance by two evaluations a step: what is kept, and what it costs.

A net that begins as the denoiser of the shipped weights learns to predict what their guidance makes (see
`latentstem.training.distillation`). Then, on unseen songs of the composer, rendered with a soundfont that no net was
trained on: scores of the basses of the teacher with its guidance, of the pupil told the same weight, and of the teacher
without guidance; the difference of both nets from the guided prediction by weight; and the time of their denoising, in
turns.

Run it as `python -m benchmarks.training.guidance_distillation --output runs/distillation`: rendering and training take
about an hour of two cores. What is finished is not run again.
"""

import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import OTHER, OURS, TRUTH, plot_means
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.scores import analyze, paired_difference, score_all, summarize
from benchmarks.common.songs import DEFAULT_CACHE, unseen_songs
from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import compose_references
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.evaluation.scores import METRICS
from latentstem.recipes.bass_gm_options import CONTROLS, references
from latentstem.training.unet import UNetTraining, train

SHOWN = ("chord_share", "root_on_downbeat", "onset_f1", "voiced_ratio", "density_ratio")
WEIGHTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
TURNS = 7
"""Times that each net denoises the same songs, in turns."""


def main(
    output: Annotated[Path, typer.Option(help="Folder of songs and training; what is there is not made again.")],
    teacher: Annotated[Path | None, typer.Option(help="Folder of weights; without it the shipped ones.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Songs to train on.")] = 300,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of the training.")] = 60.0,
    test_songs: Annotated[int, typer.Option(min=2, help="Songs to score.")] = 48,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of each of these songs.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 16,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    folder = weights_folder(teacher)
    pupil = output / "training" / "pipeline"
    if not (output / "training" / "finished").is_file():
        render(output, songs)
        train(settings(output, folder, minutes))
        (output / "training" / "finished").touch()
    taught, learned = (load_pipeline(each, "cpu") for each in (folder, pupil))
    figures = score(taught, learned, test_songs, duration, steps, cache)
    figures["seconds"] = measure_time(taught, learned, steps)
    print_figures(figures)
    options = {"teacher": folder.name, "songs": songs, "minutes": minutes, "test_songs": test_songs, "steps": steps}
    write_report("guidance_distillation", options, figures, plot(figures), results)


def render(output: Path, songs: int) -> None:
    """Render songs, and other notes on the instruments of their basses, unless they are there."""
    compose_others = functools.partial(compose_references, target="bass")
    for name, seeds in (("train", TRAIN_SEEDS[:songs]), ("validation", VALIDATION_SEEDS[:24])):
        write_corpus(output / name, seeds, duration=20.0, compose=compose)
        write_corpus(references(output / name), seeds, duration=10.0, compose=compose_others)


def settings(output: Path, teacher: Path, minutes: float) -> UNetTraining:
    """Return the settings of the training, under the conditions that the teacher was trained under."""
    return UNetTraining(
        output / "train",
        output / "training",
        teacher / "autoencoder",
        validation=output / "validation",
        latents=output / "latents",
        teacher=teacher,
        controls=CONTROLS,
        style_encoder=teacher / "style_encoder",
        style_references=references(output / "train"),
        validation_references=references(output / "validation"),
        condition_dropout=0.25,
        controls_dropout=0.4,
        learning_rate=1e-3,
        ema_decay=0.99,
        validations=6,
        minutes=minutes,
    )


def score(taught: Any, learned: Any, songs: int, duration: float, steps: int, cache: Path) -> dict[str, Any]:
    """Score the basses of teacher and pupil for unseen songs, and compare their latents by weight.

    Args:
        taught: Pipeline of the teacher.
        learned: Pipeline of the pupil.
        songs: Number of songs.
        duration: Length of each in seconds.
        steps: Number of denoising steps.
        cache: Folder of rendered songs.

    Returns:
        Under "scores" the metrics of each kind of bass; under "learned_less_guided" and "unguided_less_guided" their
        differences song by song; under "by_weight" the mean squared distance of the latents from the guided ones, in
        each of them relative to their mean square.
    """
    tests = unseen_songs(0, songs, duration, cache)
    call: dict[str, Any] = {"num_inference_steps": steps}
    cases = {
        "guided": generate(taught, tests, 8, "guided", **call),
        "learned": generate(learned, tests, 8, "learned", **call),
        "unguided": generate(taught, tests, 8, "without guidance", guidance_scale=1.0, **call),
        "true": [song.stem for song in tests],
    }
    analyses = {name: [analyze(stem) for stem in track(stems, f"scores, {name}")] for name, stems in cases.items()}
    scores = {name: score_all(stems, tests, analyses["true"]) for name, stems in analyses.items()}
    differences = {
        f"{name}_less_guided": {metric: paired_difference(scores[name], scores["guided"], metric) for metric in SHOWN}
        for name in ("learned", "unguided")
    }
    latents: dict[str, Any] = {"num_inference_steps": steps, "output_type": "latent"}
    few = tests[:16]
    unguided = generate(taught, few, 8, "latents without guidance", guidance_scale=1.0, **latents)
    by_weight: dict[str, Any] = {}
    for weight in WEIGHTS:
        guided, own = (
            generate(pipe, few, 8, f"latents, w = {weight:g}", guidance_scale=weight, **latents)
            for pipe in (taught, learned)
        )
        by_weight[f"{weight:g}"] = {
            name: interval((np.square(each - guided).mean((1, 2)) / np.square(guided).mean((1, 2))).tolist())
            for name, each in (("learned", own), ("unguided", unguided))
        }
    return {"scores": {name: summarize(own) for name, own in scores.items()}, **differences, "by_weight": by_weight}


def measure_time(taught: Any, learned: Any, steps: int) -> dict[str, float]:
    """Measure the denoising of twelve stems of 20 seconds by each net, in turns.

    Args:
        taught: Pipeline of the teacher.
        learned: Pipeline of the pupil.
        steps: Number of denoising steps.

    Returns:
        Median seconds of each, and the median ratio of teacher to pupil.
    """
    mix_latents = torch.randn(12, taught.unet.config.latent_channels, 215)
    call: dict[str, Any] = {
        "mix_latents": mix_latents,
        "num_inference_steps": steps,
        "generator": 0,
        "output_type": "latent",
    }
    seconds = []
    for _ in track(range(TURNS + 1), "seconds"):
        turn = []
        for pipe in (taught, learned):
            start = time.perf_counter()
            pipe(**call)
            turn.append(time.perf_counter() - start)
        seconds.append(turn)
    guided, own = np.array(seconds[1:]).T
    return {
        "guided": float(np.median(guided)),
        "learned": float(np.median(own)),
        "ratio": float(np.median(guided / own)),
    }


def print_figures(figures: Mapping[str, Any]) -> None:
    rows = [(name, *(format_interval(own[metric]) for metric in SHOWN)) for name, own in figures["scores"].items()] + [
        (f"{name} less guided", *(format_interval(figures[f"{name}_less_guided"][metric]) for metric in SHOWN))
        for name in ("learned", "unguided")
    ]
    print_table("Unseen songs", ("", *(METRICS[metric] for metric in SHOWN)), rows)
    rows = [
        (weight, *(format_interval(own[name]) for name in ("learned", "unguided")))
        for weight, own in figures["by_weight"].items()
    ]
    print_table("Squared distance of the latents from the guided ones", ("w", "learned", "without guidance"), rows)
    seconds = figures["seconds"]
    print(f"{seconds['guided']:.2f} s guided, {seconds['learned']:.2f} s learned: {seconds['ratio']:.2f} times as fast")


def plot(figures: Mapping[str, Any]) -> Figure:
    picture = Figure(figsize=(13, 4.5), layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(3, 2))
    places = np.arange(len(SHOWN))
    for index, (name, color) in enumerate(zip(figures["scores"], (OTHER, OURS, "#ef6c00", TRUTH), strict=True)):
        cells = [figures["scores"][name][metric] for metric in SHOWN]
        beside = (places + 0.12 * (index - 1.5)).tolist()
        plot_means(left, beside, cells, color=color, label=name, linestyle="none")
    left.set(title="basses for unseen songs", xticks=places)
    left.set_xticklabels([METRICS[metric] for metric in SHOWN])
    left.legend()
    for name, color in (("learned", OURS), ("unguided", "#ef6c00")):
        cells = [own[name] for own in figures["by_weight"].values()]
        plot_means(right, [float(weight) for weight in figures["by_weight"]], cells, color=color, label=name)
    right.set(title="squared distance of the latents from the guided ones", xlabel="w", ylim=(0, None))
    right.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
