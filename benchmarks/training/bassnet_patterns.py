"""Tables 1 to 3 and figures 5 to 7 of BassNet (Grachten, Lattner and Deruty 2020), on its artificial data sets.

In each data set the bass follows the mix by one of a few patterns, which the net is never told. Nets of several window
sizes are trained on each; then a quadratic discriminant analysis, fitted on the controls of training windows, names the
pattern of validation windows from two numbers. Without cross-reconstruction it should not be able to, and the two
numbers should move with every note of a song.

The nets are narrower than the paper's (`MODEL`), the data sets smaller and the trainings minutes long; sizes, patterns
and the analysis are the paper's. A window has the pattern of the measure that its middle lies in.

Run it as `python -m benchmarks.training.bassnet_patterns --output runs/bassnet-patterns`: two hours of one core. What
is finished is not run again; `--datasets A1 --sizes 40/40` runs a part, and the report has all that is finished. With
`--positions`, and another folder, the control is a linear map of all positions of a window, in place of their mean;
with `--draws 6 --datasets A4 --effort 5`, controls are drawn in the first part of each training, which none ends early.
"""

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure, SubFigure
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem import BassNetPipeline
from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.data.compose.bassnet_sets import compose_artificial
from latentstem.data.corpus import write_corpus
from latentstem.training.bassnet import BassNetTraining, train, validation_places
from latentstem.training.bassnet_patterns import encode_controls, window_patterns
from latentstem.training.bassnet_windows import BassNetTrack, cache_spectrograms
from latentstem.training.engine.history import read_history

DATASETS = ("A1", "A2", "A3", "A4")
SIZES = ("10/10", "20/20", "40/40", "20/40", "10/640", "40/640")
PLAIN = "40/40 plain"
"""Name of the ablation, plain reconstruction in place of cross-reconstruction."""
MODEL: dict[str, Any] = {"channels": 32, "control_blocks": 1}
MINUTES = {"A1": 3.0, "A2": 3.0, "A3": 6.0, "A4": 6.0}
"""Minutes of a training: the patterns of A3 turn with the instrument, and A4 has five; both take longer."""
MOST_MINUTES = {"10/640": 3.0, "40/640": 3.0, PLAIN: 3.0}
"""Minutes of a training of some sizes, at most."""
PATCH_STEPS = {10: 5, 20: 5, 40: 8}
PATCH_BINS = 3
PLOTTED = 400
TARGET = "bass"
PAPER = {
    "10/10": (0.999, 0.996, 0.515, 0.982),
    "20/20": (1.000, 0.998, 0.999, 0.985),
    "40/40": (1.000, 0.996, 1.000, 0.999),
    "20/40": (1.000, 0.994, 0.996, 0.999),
    "10/640": (0.965, 0.551, 0.536, 0.729),
    "40/640": (0.965, 0.599, 0.554, 0.919),
    PLAIN: (0.445, 0.564, 0.530, 0.801),
}
"""Accuracies of tables 2 and 3, by size, for the four data sets."""
PAPER_ERRORS = {
    "f0": {
        "10/10": (0.263, 0.255, 0.438, 0.551),
        "20/20": (0.297, 0.293, 0.249, 0.486),
        "40/40": (0.312, 0.284, 0.268, 0.487),
        "20/40": (0.288, 0.265, 0.279, 0.421),
        "10/640": (0.676, 0.621, 0.634, 0.986),
        "40/640": (0.618, 0.655, 0.644, 0.732),
    },
    "level": {
        "10/10": (0.479, 0.480, 0.479, 0.510),
        "20/20": (0.479, 0.480, 0.479, 0.509),
        "40/40": (0.480, 0.480, 0.479, 0.504),
        "20/40": (0.479, 0.480, 0.479, 0.497),
        "10/640": (0.480, 0.480, 0.481, 0.537),
        "40/640": (0.480, 0.480, 0.518, 0.523),
    },
    "onset": {
        "10/10": (0.050, 0.064, 0.138, 0.082),
        "20/20": (0.082, 0.094, 0.090, 0.088),
        "40/40": (0.075, 0.068, 0.086, 0.094),
        "20/40": (0.080, 0.123, 0.079, 0.081),
        "10/640": (0.168, 0.142, 0.215, 0.169),
        "40/640": (0.132, 0.129, 0.313, 0.112),
    },
}
"""Validation cross entropies of table 1, by size, for the four data sets."""
ERRORS = {"f0": "f0", "level": "l", "onset": "o"}


def main(
    output: Annotated[Path, typer.Option(help="Folder of songs and trainings; what is there is not made again.")],
    songs: Annotated[int, typer.Option(min=20, help="Songs of each data set, a tenth of them for validation.")] = 120,
    effort: Annotated[float, typer.Option(help="Factor on the minutes of each training.")] = 1.0,
    datasets: Annotated[list[str], typer.Option(help="Data sets to train on.")] = list(DATASETS),  # noqa: B006
    sizes: Annotated[list[str], typer.Option(help="Window sizes to train.")] = [*SIZES, PLAIN],  # noqa: B006
    seeds: Annotated[list[int], typer.Option(help="Seeds of each training of 40/40; others have the first.")] = [0, 1],  # noqa: B006
    threads: Annotated[int, typer.Option(min=1, help="Threads of each training.")] = 1,
    positions: Annotated[
        bool,
        typer.Option(help="Train nets whose control tells of every position of a window, for a report of its own."),
    ] = False,
    draws: Annotated[
        int,
        typer.Option(min=0, help="Draw so many controls in the first part of each training, for a report of its own."),
    ] = 0,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    model = {**MODEL, "control_positions": positions}
    torch.set_num_threads(threads)
    for dataset in datasets:
        train_folder, validation_folder = write_songs(output, dataset, songs)
        for size in sizes:
            minutes = effort * min(MINUTES[dataset], MOST_MINUTES.get(size, math.inf))
            for seed in seeds if size == "40/40" else seeds[:1]:
                folder = _folder(output, dataset, size, seed)
                if not (folder / "figures.json").is_file():
                    train(_settings(folder, train_folder, validation_folder, size, model, minutes, seed, draws))
                    figures = analyse(folder / "pipeline", train_folder, validation_folder, output / dataset / "cache")
                    (folder / "figures.json").write_text(json.dumps(figures) + "\n")
    report = _collect(output)
    _print(report)
    settings = {"songs": songs, "minutes": MINUTES, "effort": effort, "model": model, "patch_steps": PATCH_STEPS}
    settings["draws"] = draws
    points, trajectories = (
        {name: figures.pop(key) for name, figures in report.items()} for key in ("points", "trajectory")
    )
    rows, columns = (len({name.split()[place] for name in report}) for place in (0, 1))
    picture = Figure(figsize=(max(2.8 * columns, 10), 4.5 * rows), layout="constrained")
    above, below = picture.subfigures(2, 1)
    draw_controls(above, points, report)
    draw_trajectories(below, trajectories)
    figures = {"trainings": report, "paper": {"accuracy": PAPER, **PAPER_ERRORS}}
    name = "bassnet_positions" if positions else "bassnet_draws" if draws else "bassnet_patterns"
    write_report(name, settings, figures, picture, results)


def write_songs(output: Path, dataset: str, songs: int) -> tuple[Path, Path]:
    """Render the songs of a data set that are not there yet, nine tenths for training, and return both folders."""
    folders = output / dataset / "train", output / dataset / "validation"
    split = songs * 9 // 10
    compose = functools.partial(compose_artificial, dataset)
    for folder, seeds in zip(folders, (range(split), range(split, songs)), strict=True):
        write_corpus(folder, seeds, ("fluidr3",), 60.0, compose=compose)
    return folders


def _settings(
    folder: Path, data: Path, validation: Path, size: str, model: dict[str, Any], minutes: float, seed: int, draws: int
) -> BassNetTraining:
    compressed, expanded = (int(number) for number in size.split()[0].split("/"))
    return BassNetTraining(
        data,
        folder,
        validation=validation,
        spectrograms=folder.parent / "cache",
        model={**model, "patch_size": [PATCH_STEPS[compressed], PATCH_BINS]},
        compressed=compressed,
        expanded=expanded,
        plain_reconstruction=size == PLAIN,
        learning_rate=3e-3,
        minutes=minutes,
        patience=None if draws else 6,
        seed=seed,
        draws=draws,
    )


def analyse(pipeline: Path, data: Path, validation: Path, cache: Path) -> dict[str, Any]:
    """Name the patterns of validation windows from their controls.

    Args:
        pipeline: Folder of a trained pipeline.
        data: Folder of the songs for training.
        validation: Folder of the songs for validation.
        cache: Folder of the spectrograms.

    Returns:
        Share of the windows whose pattern is named right, and of those that lie within one measure; the errors of the
        net at its best validation; the controls and patterns of some windows; and those of a song over time.
    """
    pipe: Any = BassNetPipeline.from_pretrained(pipeline)
    windows = pipe.windows
    tracks, validation_tracks = (cache_spectrograms(folder, TARGET, cache) for folder in (data, validation))
    means, patterns, inside = zip(
        _controls(pipe, data, validation_places(tracks, windows, 2000)),
        _controls(pipe, validation, validation_places(validation_tracks, windows, 1000)),
        strict=True,
    )
    analysis = QuadraticDiscriminantAnalysis(reg_param=1e-4).fit(means[0], patterns[0])
    right = analysis.predict(means[1]) == patterns[1]
    path = trajectory(pipe, validation, validation_tracks[0])
    history = read_history(pipeline.parent / "history.jsonl")
    # Validations while controls were drawn have no such loss.
    best = min(history, key=lambda record: record.get("validation_loss", math.inf))
    return {
        "accuracy": float(right.mean()),
        "accuracy_within_measures": float(right[inside[1]].mean()) if inside[1].any() else None,
        "errors": {name: best[name] for name in ("f0", "level", "onset", "divergence")},
        "steps": best["step"],
        "minutes": round(history[-1]["seconds"] / 60, 1),
        "restlessness": restlessness(np.array(path["means"])),
        "trajectory": path,
        "points": {"means": means[1][:PLOTTED].round(4).tolist(), "patterns": patterns[1][:PLOTTED].tolist()},
    }


def trajectory(pipe: Any, root: Path, track: BassNetTrack) -> dict[str, Any]:
    """Find the control of a song over time, and when its pattern changes."""
    windows: MultiResolutionWindows = pipe.windows
    starts = np.arange(0, track.steps - windows.expanded, windows.hop)
    means, patterns, _ = _controls(pipe, root, [(track, 0, int(start)) for start in starts])
    times = (starts + windows.expanded / 2) / 100
    changes = times[1:][patterns[1:] != patterns[:-1]]
    return {"times": times.tolist(), "means": means.round(4).tolist(), "changes": changes.tolist()}


def restlessness(means: np.ndarray) -> float:
    """Compare how far a control moves from window to window with how far it moves at all.

    Args:
        means: Controls of successive windows, `(windows, 2)`.

    Returns:
        Mean distance of neighbours over that of any two windows: 1 for controls in random order, near 0 for slow ones.
    """
    far = np.linalg.norm(means[:, None] - means[None], axis=-1).mean()
    return float(np.linalg.norm(np.diff(means, axis=0), axis=-1).mean() / max(far, 1e-9))


def _controls(
    pipe: Any, root: Path, places: Sequence[tuple[BassNetTrack, int, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the controls of windows, their patterns, and whether each lies within one measure."""
    return encode_controls(pipe.model, pipe.windows, places), *window_patterns(root, pipe.windows, places)


def _folder(output: Path, dataset: str, size: str, seed: int | str) -> Path:
    return output / dataset / f"{size.replace('/', '-').replace(' ', '-')}-{seed}"


def _collect(output: Path) -> dict[str, Any]:
    """Figures of all finished trainings by data set, size and seed, of any run."""
    report = {}
    for dataset in DATASETS:
        for size in (*SIZES, PLAIN):
            pattern = _folder(output, dataset, size, "[0-9]").name
            for file in sorted((output / dataset).glob(f"{pattern}/figures.json")):
                report[f"{dataset} {size} {file.parent.name[-1]}"] = json.loads(file.read_text())
    return report


def _print(report: dict[str, Any]) -> None:
    header = ["training", "accuracy", "within measures", "paper", *ERRORS.values(), "restless", "steps"]
    rows = []
    for name, figures in report.items():
        dataset, size = name.split(" ", 1)
        paper = PAPER[size.rsplit(" ", 1)[0]][DATASETS.index(dataset)]
        within = figures["accuracy_within_measures"]
        errors = [f"{figures['errors'][error]:.3f}" for error in ERRORS]
        accuracies = [f"{figures['accuracy']:.3f}", "-" if within is None else f"{within:.3f}", f"{paper:.3f}"]
        rows.append([name, *accuracies, *errors, f"{figures['restlessness']:.2f}", str(figures["steps"])])
    print_table("Patterns named from two numbers", header, rows, caption="data set, window size in 10 ms, seed")


def draw_controls(figure: SubFigure, points: dict[str, Any], report: dict[str, Any]) -> None:
    """Draw the controls of validation windows over the regions of the analysis: figures 5 and 6 of the paper.

    Args:
        figure: Figure to draw on, a row a data set.
        points: Controls and patterns of windows by training.
        report: Figures by training.
    """
    rows = [dataset for dataset in DATASETS if any(name.startswith(dataset) for name in points)]
    columns = [size for size in (*SIZES, PLAIN) if any(f" {size} 0" in name for name in points)]
    axes = figure.subplots(len(rows) or 1, len(columns) or 1, squeeze=False)
    for row, dataset in enumerate(rows):
        for column, size in enumerate(columns):
            axis, name = axes[row, column], f"{dataset} {size} 0"
            axis.set(xticks=[], yticks=[])
            if name not in points:
                axis.axis("off")
                continue
            means, patterns = np.array(points[name]["means"]), np.array(points[name]["patterns"])
            _draw_regions(axis, means, patterns)
            axis.set_title(f"{dataset}, {size}: {report[name]['accuracy']:.2f}", fontsize=9)


def draw_trajectories(figure: SubFigure, trajectories: dict[str, Any]) -> None:
    """Draw both numbers of the control over a song, with and without cross-reconstruction: figure 7 of the paper.

    Args:
        figure: Figure to draw on, a row a data set.
        trajectories: Results of `trajectory` by training.
    """
    sizes = ("40/40", PLAIN)
    rows = [dataset for dataset in DATASETS if any(f"{dataset} {size} 0" in trajectories for size in sizes)]
    for row, axes in zip(rows, figure.subplots(len(rows) or 1, 2, squeeze=False, sharex=True), strict=False):
        for axis, size in zip(axes, sizes, strict=True):
            own = trajectories.get(f"{row} {size} 0")
            if own is None:
                axis.axis("off")
                continue
            axis.plot(own["times"], own["means"], linewidth=0.9)
            for change in own["changes"]:
                axis.axvline(change, color="grey", linewidth=0.8, linestyle=":")
            axis.set_title(f"{row}, {size}: the control over a song, seconds", fontsize=9)


def _draw_regions(axis: Any, means: np.ndarray, patterns: np.ndarray) -> None:
    names, numbers = np.unique(patterns, return_inverse=True)
    analysis = QuadraticDiscriminantAnalysis(reg_param=1e-4).fit(means, numbers)
    low, high = means.min(0) - 0.3, means.max(0) + 0.3
    x, y = np.meshgrid(*(np.linspace(*ends, 120) for ends in zip(low, high, strict=True)))
    probabilities = analysis.predict_proba(np.c_[x.ravel(), y.ravel()]).reshape(*x.shape, -1)
    colors = [f"C{number}" for number in range(len(names))]
    levels = np.arange(len(names) + 1) - 0.5
    axis.contourf(x, y, probabilities.argmax(-1), levels=levels, colors=colors, alpha=0.2)
    for number in range(len(names)):
        axis.contour(x, y, probabilities[..., number], levels=[0.75], colors=colors[number], linewidths=0.8)
    axis.scatter(*means.T, s=3, c=[colors[number] for number in numbers])


if __name__ == "__main__":
    typer.run(main)
