"""Gain of choosing one of several basses: by the reranker, by similarity to the others, and by the true onsets.

For each test song several basses are generated at the quality `fast`. The reranker scores latents, as `keep_best` does.
"Most alike" needs no net: the bass whose onsets agree most with those of the others; "medoid" is the bass whose
latents, without their mean, which depends on the instrument, are nearest to those of the others. The last row uses the
onsets of the true bass, an upper bound. No metric here uses the reranker.

Run it as `python -m benchmarks.quality.reranking`.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import encode, generate, load_pipeline, weights_folder
from benchmarks.common.plotting import plot_interval, role_colors
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, print_table, write_report
from benchmarks.common.scores import analyze, paired_difference, summarize
from benchmarks.common.songs import DEFAULT_CACHE, RenderedSong, unseen_songs, validation_songs
from latentstem import Quality, StemAccompanimentPipeline
from latentstem.evaluation import onset_f1
from latentstem.evaluation.scores import Score, StemAnalysis, score_stem

FIRST, RERANKED, MEDOID, ALIKE, ORACLE = (
    "the first",
    "the reranker's",
    "medoid of latents",
    "most alike",
    "best by the true onsets",
)
COMPARED = {"onset_f1": "onset F1", "chord_share": "chord share", "root_on_downbeat": "root on downbeat"}


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of songs.")] = 32,
    validation: Annotated[bool, typer.Option("--validation", help="Validation songs instead of test songs.")] = False,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    count: Annotated[int, typer.Option(min=2, help="Basses generated for each song.")] = 8,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Processes that analyze.")] = 2,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    rendered = validation_songs(songs, duration, cache) if validation else unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, "cpu")
    fits, spread, basses = _generate(pipe, rendered, count, batch)
    with processes(workers) as each:
        flat = each(analyze, "analyzing", [bass for of_song in basses for bass in of_song])
        true = each(analyze, "analyzing true basses", [song.stem for song in rendered])
    analyses = [flat[count * index : count * (index + 1)] for index in range(songs)]
    scores = [
        [score_stem(bass, song.song, own) for bass in of_song]
        for song, own, of_song in zip(rendered, true, analyses, strict=True)
    ]

    choices = {
        FIRST: np.zeros(songs, dtype=int),
        RERANKED: fits.argmax(axis=1),
        MEDOID: spread.argmin(axis=1),
        ALIKE: np.array([_agreement(of_song).argmax() for of_song in analyses]),
        ORACLE: np.array([np.argmax([score["onset_f1"] or 0.0 for score in of_song]) for of_song in scores]),
    }
    chosen = {name: [scores[n][k] for n, k in enumerate(indices)] for name, indices in choices.items()}
    chosen = {"the mean of all": [_mean(of_song) for of_song in scores]} | chosen
    figures: dict[str, Any] = {name: summarize(of_songs) for name, of_songs in chosen.items()}
    over_mean = {
        name: {key: paired_difference(of_songs, chosen["the mean of all"], key) for key in COMPARED}
        for name, of_songs in chosen.items()
    }
    rows = [
        [name, *(format_interval(figures[name][key]) for key in COMPARED), format_interval(over_mean[name]["onset_f1"])]
        for name in chosen
    ]
    print_table(f"{songs} songs, {count} basses each", ["kept", *COMPARED.values(), "onset F1 over the mean"], rows)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "validation": validation,
        "duration": duration,
        "count": count,
    }
    report = {"rows": figures, "over_mean": over_mean}
    write_report("reranking", settings, report, plot(report), results)


def _generate(
    pipe: StemAccompanimentPipeline, songs: list[RenderedSong], count: int, batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return reranker scores `(songs, count)`, mean distances from the other basses, and basses `(..., samples)`."""
    steps = Quality.FAST.apply_to(pipe)
    mixes = torch.from_numpy(
        np.stack([encode(pipe.autoencoder, song.mix) for song in track(songs, description="mixes")])
    )
    fits, centred, basses = [], [], []
    for seed in range(count):
        call: dict[str, Any] = {"num_inference_steps": steps, "output_type": "latent", "seed": seed}
        latents = torch.from_numpy(generate(pipe, songs, batch, f"bass {seed + 1} of {count}", **call))
        centred.append(latents - latents.mean(dim=-1, keepdim=True))
        with torch.inference_mode():
            fits.append(pipe.score(mixes, latents).numpy())
            samples = len(songs[0].mix)
            basses.append(
                torch.cat([pipe.decode_latents(item[None], samples, torch.ones(1)) for item in latents])[:, 0].numpy()
            )
    flat = torch.stack(centred, dim=1).flatten(2)
    return np.stack(fits, axis=1), torch.cdist(flat, flat).mean(dim=-1).numpy(), np.stack(basses, axis=1)


def _agreement(analyses: list[StemAnalysis]) -> np.ndarray:
    """Compute the mean onset F1 of each bass with the others of its song."""
    f1 = np.array([[onset_f1(first.onsets, second.onsets) for second in analyses] for first in analyses])
    return (f1.sum(axis=1) - f1.diagonal()) / (len(analyses) - 1)


def _mean(scores: list[Score]) -> Score:
    columns = {key: [figure for score in scores if (figure := score[key]) is not None] for key in scores[0]}
    return {key: float(np.mean(column)) if column else None for key, column in columns.items()}


def plot(report: dict[str, Any]) -> Figure:
    figures = report["rows"]
    colors = role_colors(figures, [RERANKED])
    picture = Figure(figsize=(10, 3.2), layout="constrained")
    picture.suptitle("One of eight basses, by how it is chosen: mean and 95 % interval over songs")
    axes: Any = picture.subplots(1, len(COMPARED), sharey=True)
    for axis, (key, label) in zip(axes, COMPARED.items(), strict=True):
        for index, row in enumerate(reversed(figures)):
            plot_interval(axis, index, figures[row][key], colors[row])
        axis.set(xlabel=label, yticks=range(len(figures)), yticklabels=list(reversed(figures)))
        axis.grid(alpha=0.3)
    return picture


if __name__ == "__main__":
    typer.run(main)
