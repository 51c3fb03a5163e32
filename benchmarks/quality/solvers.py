"""Number of steps and solver against distance from true basses: the left part of figure 2 of arXiv 2402.01412.

Fréchet and kernel distance, in latent space, of clips generated without any mix from true basses, against the number of
evaluations of the net. The dotted line is the distance of one half of the true basses from the other.

Run it as `python -m benchmarks.quality.solvers`.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from matplotlib.figure import Figure

from benchmarks.common.clips import METRICS, Clips, distances, draw, over_seeds
from benchmarks.common.generation import load_pipeline, weights_folder
from benchmarks.common.plotting import plot_means, series_colors
from benchmarks.common.report import RESULTS, format_interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE

SOLVERS: dict[str, Any] = {
    "DDIM": None,
    "DPM-Solver++": DPMSolverMultistepScheduler,
    "UniPC": UniPCMultistepScheduler,
}
STEPS = (4, 8, 16, 32, 64, 128, 256)


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    samples: Annotated[int, typer.Option(min=4, help="Clips of each cell.")] = 512,
    frames: Annotated[int, typer.Option(min=2, help="Latent frames a clip.")] = 24,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the noise.")] = 2,
    steps: Annotated[list[int] | None, typer.Option(help="Evaluations of the net; may be repeated.")] = None,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    true = Clips.of_validation_songs(pipe, 2 * samples, frames, cache).stems
    reference, others = true[::2], true[1::2]
    counts = tuple(steps or STEPS)
    trained = pipe.scheduler
    cells: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name, kind in SOLVERS.items():
        pipe.scheduler = trained if kind is None else kind.from_config(trained.config)
        cells[name] = {
            str(count): over_seeds(
                [
                    distances(
                        reference,
                        draw(pipe, None, (samples, frames), seed, f"{name}, {count} steps", num_inference_steps=count),
                    )
                    for seed in range(seeds)
                ]
            )
            for count in counts
        }
    figures = {"solvers": cells, "other_half_of_the_true_basses": distances(reference, others)}
    header = ["steps", *(f"{name}, {measure}" for name in SOLVERS for measure in METRICS)]
    rows = [
        [
            str(count),
            *(format_interval(cells[name][str(count)][measure], digits=2) for name in SOLVERS for measure in METRICS),
        ]
        for count in counts
    ]
    print_table("Distance from true basses, in latents", header, rows, "mean and range over draws of the noise")
    settings = {
        "weights": weights_folder(weights).name,
        "samples": samples,
        "frames": frames,
        "seeds": seeds,
        "steps": counts,
    }
    write_report("solvers", settings, figures, plot(figures), results)


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(10, 4.2), layout="constrained")
    picture.suptitle("Distance of generated from true basses, by solver; dotted: other true basses")
    colors = series_colors(figures["solvers"], "DDIM")
    counts = [int(count) for count in figures["solvers"]["DDIM"]]
    for axis, (measure, label) in zip(picture.subplots(1, 2), METRICS.items(), strict=True):
        for name, cells in figures["solvers"].items():
            plot_means(axis, counts, [cells[str(count)][measure] for count in counts], color=colors[name], label=name)
        axis.axhline(figures["other_half_of_the_true_basses"][measure], color="grey", linestyle=":")
        axis.axvline(64, color="lightgrey", zorder=0)
        axis.set_xscale("log", base=2)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.set(xlabel="evaluations of the net", ylabel=label)
    axis.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
