"""Guidance scale w and rescaling phi against distance and fit: the right part of figure 2 of arXiv 2402.01412.

Fréchet and kernel distance, in latent space, of clips generated for the mixes of validation songs from the basses of
other validation songs, against the scale w for several rescalings phi; and, on fewer and whole songs, the chord share,
the root on downbeats and the onset F1. Two cells are repeated with the guider's other options: rescaling in the net's
output space, and channel by channel. The defaults of the shipped weights are chosen from these plots.

Run it as `python -m benchmarks.quality.guidance_grid`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common.clips import METRICS, Clips, distances, draw, over_seeds
from benchmarks.common.generation import generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_means, series_colors
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, SAMPLING_RATE, RenderedSong, validation_songs
from latentstem import StemAccompanimentPipeline
from latentstem.evaluation import chord_share, onset_f1, onset_times, root_on_downbeat, track_pitch

SCALES = (1.0, 2.0, 4.0, 6.0, 8.0)
RESCALES = (0.0, 0.4, 0.7, 1.0)
VARIANTS: dict[str, dict[str, Any]] = {
    "output space": {"space": "output"},
    "per channel": {"per_channel": True},
}
VARIED = ((4.0, 0.4), (8.0, 0.4))
"""Cells (w, phi) that are repeated with each of the variants; they are in the grid too."""
SONG_METRICS = {"chord_share": "chord share", "root_on_downbeat": "root on downbeat", "onset_f1": "onset F1"}


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    samples: Annotated[int, typer.Option(min=4, help="Clips of each cell.")] = 512,
    frames: Annotated[int, typer.Option(min=2, help="Latent frames a clip.")] = 24,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the noise.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 24,
    songs: Annotated[int, typer.Option(min=2, help="Validation songs to score.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of each song.")] = 20.0,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pipe = load_pipeline(weights, device)
    clips = Clips.of_validation_songs(pipe, 2 * samples, frames, cache)
    mixes, reference = clips.mixes[::2], clips.stems[1::2]

    def cell(scale: float, rescale: float, **guider: Any) -> dict[str, dict[str, float]]:
        runs = []
        with guided(pipe, scale, rescale, **guider):
            for seed in range(seeds):
                title = f"w = {scale:g}, phi = {rescale:g}"
                generated = draw(pipe, mixes, (samples, frames), seed, title, num_inference_steps=steps)
                runs.append(distances(reference, generated))
        return over_seeds(runs)

    unguided = cell(1.0, 0.0)
    grid = {
        f"{rescale:g}": {f"{scale:g}": unguided if scale == 1.0 else cell(scale, rescale) for scale in SCALES}
        for rescale in RESCALES
    }
    varied = {f"w = {w:g}, phi = {phi:g}": (w, phi) for w, phi in VARIED}
    variants = {
        "clean samples, all channels": {title: grid[f"{phi:g}"][f"{w:g}"] for title, (w, phi) in varied.items()},
        **{
            name: {title: cell(w, phi, **options) for title, (w, phi) in varied.items()}
            for name, options in VARIANTS.items()
        },
    }
    song_scores = _score_songs(pipe, validation_songs(songs, duration, cache), batch, steps)
    figures = {
        "distances": grid,
        "variants": variants,
        "heard": song_scores,
        "true_basses_of_the_mixes": distances(reference, clips.stems[::2]),
    }
    _print(figures)
    settings = {
        "weights": weights_folder(weights).name,
        "samples": samples,
        "frames": frames,
        "seeds": seeds,
        "num_inference_steps": steps,
        "songs": songs,
        "duration": duration,
    }
    write_report("guidance_grid", settings, figures, plot(figures), results)


@contextmanager
def guided(pipe: StemAccompanimentPipeline, scale: float, rescale: float, **options: Any) -> Iterator[None]:
    """Set the guidance of the pipeline within the context."""
    saved = pipe.guider
    pipe.guider = saved.new(guidance_scale=scale, guidance_rescale=rescale, **options)
    try:
        yield
    finally:
        pipe.guider = saved


def _score_songs(
    pipe: StemAccompanimentPipeline, songs: list[RenderedSong], batch: int, steps: int
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    def cell(scale: float, rescale: float) -> dict[str, dict[str, float]]:
        call = {"guidance_scale": scale, "guidance_rescale": rescale, "num_inference_steps": steps}
        stems = generate(pipe, songs, batch, f"whole songs, w = {scale:g}, phi = {rescale:g}", **call)
        scores: dict[str, list[float]] = {name: [] for name in SONG_METRICS}
        for stem, song in zip(stems, songs, strict=True):
            notes = np.unique([note.start for note in song.song.part(song.target).notes])
            pitch = track_pitch(stem, SAMPLING_RATE)
            scores["chord_share"].append(chord_share(pitch, song.song.chords))
            scores["root_on_downbeat"].append(root_on_downbeat(pitch, song.song.chords, song.song.bars))
            scores["onset_f1"].append(onset_f1(notes, onset_times(stem, SAMPLING_RATE)))
        return {name: interval(own) for name, own in scores.items()}

    unguided = cell(1.0, 0.0)
    return {
        f"{rescale:g}": {f"{scale:g}": unguided if scale == 1.0 else cell(scale, rescale) for scale in SCALES}
        for rescale in RESCALES
    }


def _print(figures: dict[str, Any]) -> None:
    for measure, label in METRICS.items():
        rows = [
            [
                f"{scale:g}",
                *(
                    format_interval(figures["distances"][f"{phi:g}"][f"{scale:g}"][measure], digits=2)
                    for phi in RESCALES
                ),
            ]
            for scale in SCALES
        ]
        header = ["w", *(f"phi = {phi:g}" for phi in RESCALES)]
        print_table(label, header, rows, "mean and range over draws of the noise")
    rows = [
        [name, *(format_interval(cell[measure], digits=2) for cell in cells.values() for measure in METRICS)]
        for name, cells in figures["variants"].items()
    ]
    cells = [f"w = {w:g}, phi = {phi:g}, {measure}" for w, phi in VARIED for measure in METRICS]
    print_table("What is rescaled", ["variant", *cells], rows, "mean and range over draws of the noise")
    for measure, label in SONG_METRICS.items():
        rows = [
            [
                f"{scale:g}",
                *(format_interval(figures["heard"][f"{phi:g}"][f"{scale:g}"][measure]) for phi in RESCALES),
            ]
            for scale in SCALES
        ]
        print_table(label, ["w", *(f"phi = {phi:g}" for phi in RESCALES)], rows)


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(14, 8), layout="constrained")
    picture.suptitle("Generated basses by guidance w and rescaling phi; dotted: the true basses of the mixes")
    colors = series_colors(figures["distances"], "0.7")
    axes = picture.subplots(2, 3).flatten()
    panels = [("distances", measure, label) for measure, label in METRICS.items()]
    panels += [("heard", measure, label) for measure, label in SONG_METRICS.items()]
    for axis, (part, measure, label) in zip(axes[:5], panels, strict=True):
        for phi, cells in figures[part].items():
            scales, values = [float(w) for w in cells], [cell[measure] for cell in cells.values()]
            plot_means(axis, scales, values, color=colors[phi], label=f"phi = {phi}")
        if part == "distances":
            axis.axhline(figures["true_basses_of_the_mixes"][measure], color="grey", linestyle=":")
        axis.set(xlabel="w", ylabel=label)
    axes[0].legend()
    axes[5].set_visible(False)
    return picture


if __name__ == "__main__":
    typer.run(main)
