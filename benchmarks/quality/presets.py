"""Quality presets and neighbouring settings: seconds, chord share and onset F1, compared with the best, song by song.

Every case starts from the same noise for the same validation songs, whose soundfont is trained on: defaults are not
chosen on test songs.

Run it as `python -m benchmarks.quality.presets`, on a machine that does nothing else: the seconds are measured too.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from diffusers import UniPCMultistepScheduler
from matplotlib.figure import Figure

from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_means, series_colors
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, SAMPLING_RATE, RenderedSong, validation_songs
from latentstem import CosineDDIMScheduler, Quality, StemAccompanimentPipeline
from latentstem.evaluation import chord_share, onset_f1, onset_times, track_pitch

TIMES = (8, 10, 15, 20, 30)
"""Times real time that the picture marks."""
METRICS = {"chord_share": "chord share", "onset_f1": "onset F1"}
BEST = "DDIM, 64 (best)"


def solver(kind: Any, steps: int) -> Callable[[StemAccompanimentPipeline], int]:
    """Make a function that sets this solver and returns the steps, as `Quality.apply_to` does."""

    def apply(pipe: StemAccompanimentPipeline) -> int:
        pipe.scheduler = kind.from_config(pipe.scheduler.config)
        return steps

    return apply


CASES: dict[str, Callable[[StemAccompanimentPipeline], int]] = {
    "UniPC, 6": solver(UniPCMultistepScheduler, 6),
    "UniPC, 8 (fast)": Quality.FAST.apply_to,
    "UniPC, 12": solver(UniPCMultistepScheduler, 12),
    "UniPC, 16 (standard)": Quality.STANDARD.apply_to,
    "DDIM, 16": solver(CosineDDIMScheduler, 16),
    "DDIM, 32": solver(CosineDDIMScheduler, 32),
    BEST: Quality.BEST.apply_to,
}


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Validation songs.")] = 48,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of each.")] = 20.0,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 1,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    rendered = validation_songs(songs, duration, cache)
    columns: dict[str, dict[str, np.ndarray]] = {}
    seconds = {}
    for name, apply in CASES.items():
        steps = apply(pipe)
        start = time.perf_counter()
        stems = generate(pipe, rendered, batch, name, num_inference_steps=steps)
        seconds[name] = (time.perf_counter() - start) / songs
        columns[name] = _score(stems, rendered)

    report = {
        name: {
            "seconds_a_song": seconds[name],
            "times_real_time": duration / seconds[name],
            **{
                metric: {
                    "value": interval(of_case[metric]),
                    "less_best": interval(of_case[metric] - columns[BEST][metric]),
                }
                for metric in METRICS
            },
        }
        for name, of_case in columns.items()
    }
    rows = [
        [
            name,
            f"{row['times_real_time']:.1f}",
            *(format_interval(row[metric][shape]) for metric in METRICS for shape in ("value", "less_best")),
        ]
        for name, row in report.items()
    ]
    header = ["solver, steps", "x real time", "chord share", "less best", "onset F1", "less best"]
    print_table(f"{songs} validation songs of {duration:g} s", header, rows)
    settings = {"weights": weights_folder(weights).name, "songs": songs, "duration": duration, "batch": batch}
    by_song = {name: {key: column.tolist() for key, column in of_case.items()} for name, of_case in columns.items()}
    figures = {"cases": report, "by_song": by_song}
    write_report("presets", settings, figures, plot(figures), results)


def _score(stems: np.ndarray, songs: list[RenderedSong]) -> dict[str, np.ndarray]:
    columns: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for stem, song in zip(stems, songs, strict=True):
        notes = np.array([note.start for note in song.song.part(song.target).notes])
        columns["chord_share"].append(chord_share(track_pitch(stem, SAMPLING_RATE), song.song.chords))
        columns["onset_f1"].append(onset_f1(notes, onset_times(stem, SAMPLING_RATE)))
    return {metric: np.array(column) for metric, column in columns.items()}


def plot(figures: dict[str, Any]) -> Figure:
    report, colors = figures["cases"], series_colors(figures["cases"], BEST)
    picture = Figure(figsize=(10, 4.2), layout="constrained")
    picture.suptitle("Quality presets: difference from the best, song by song, with 95 % intervals")
    axes: Any = picture.subplots(1, 2)
    for axis, (metric, label) in zip(axes, METRICS.items(), strict=True):
        for name, row in report.items():
            plot_means(axis, [row["times_real_time"]], [row[metric]["less_best"]], color=colors[name], label=name)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(xscale="log", xlabel="times real time", ylabel=f"{label}, less that of the best")
        axis.set_xticks(TIMES, [str(times) for times in TIMES])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small")
    return picture


if __name__ == "__main__":
    typer.run(main)
