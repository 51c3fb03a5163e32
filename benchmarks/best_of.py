"""What choosing among several basses is worth: the first, the judge's, the most alike, the best there is.

For each unseen song several basses are drawn at the quality `fast`. The judge hears latents, as `keep_best` has it.
"Most alike" needs no net: the bass whose onsets the others share most; "medoid" is the bass whose latents, less their
mean, in which the instrument lies, are nearest to those of the others. The last row knows the true bass's onsets, and
is what no choice can pass. None of these figures judges by the judge.

Run it as `python benchmarks/best_of.py`.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from generation import encoded, generate, load_pipeline, weights_folder
from hearing import hear, paired, summary
from matplotlib.figure import Figure
from processes import processes
from report import RESULTS, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, RenderedSong, unseen_songs, validation_songs

from latentstem import Quality, StemAccompanimentPipeline
from latentstem.evaluation import onset_f1
from latentstem.evaluation.stem import HeardStem, Score, score_stem

FIRST, JUDGED, MEDOID, ALIKE, ORACLE = (
    "the first",
    "the judge's",
    "medoid of latents",
    "most alike",
    "best by the true onsets",
)
COMPARED = {"onset_f1": "onset F1", "chord_share": "chord share", "root_on_downbeat": "root on downbeat"}


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of songs.")] = 32,
    validation: Annotated[bool, typer.Option("--validation", help="Validation songs in place of test songs.")] = False,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    count: Annotated[int, typer.Option(min=2, help="Basses drawn for each.")] = 8,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Processes that hear.")] = 2,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    rendered = validation_songs(songs, duration, cache) if validation else unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, "cpu")
    fits, spread, basses = _drawn(pipe, rendered, count, batch)
    with processes(workers) as each:
        flat = each(hear, "hearing", [bass for some in basses for bass in some])
        true = each(hear, "hearing true basses", [song.stem for song in rendered])
    heard = [flat[count * number : count * (number + 1)] for number in range(songs)]
    scores = [
        [score_stem(one, song.song, own) for one in some] for song, own, some in zip(rendered, true, heard, strict=True)
    ]

    choices = {
        FIRST: np.zeros(songs, dtype=int),
        JUDGED: fits.argmax(axis=1),
        MEDOID: spread.argmin(axis=1),
        ALIKE: np.array([_agreement(some).argmax() for some in heard]),
        ORACLE: np.array([np.argmax([score["onset_f1"] or 0.0 for score in some]) for some in scores]),
    }
    chosen = {name: [scores[n][k] for n, k in enumerate(places)] for name, places in choices.items()}
    chosen = {"the mean of all": [_mean(some) for some in scores]} | chosen
    figures: dict[str, Any] = {name: summary(some) for name, some in chosen.items()}
    over_mean = {
        name: {key: paired(some, chosen["the mean of all"], key) for key in COMPARED} for name, some in chosen.items()
    }
    rows = [
        [name, *(shown(figures[name][key]) for key in COMPARED), shown(over_mean[name]["onset_f1"])] for name in chosen
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
    write_report("best_of", settings, report, _picture(figures), results)


def _drawn(
    pipe: StemAccompanimentPipeline, songs: list[RenderedSong], count: int, batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The judge's scores `(songs, count)`, distances from the other basses alike, and the basses `(..., samples)`."""
    steps = Quality.FAST.prepare(pipe)
    mixes = torch.from_numpy(
        np.stack([encoded(pipe.autoencoder, song.mix) for song in track(songs, description="mixes")])
    )
    fits, drawn, basses = [], [], []
    for seed in range(count):
        call: dict[str, Any] = {"num_inference_steps": steps, "output_type": "latent", "seed": seed}
        latents = torch.from_numpy(generate(pipe, songs, batch, f"bass {seed + 1} of {count}", **call))
        drawn.append(latents - latents.mean(dim=-1, keepdim=True))
        with torch.inference_mode():
            fits.append(pipe.score(mixes, latents).numpy())
            samples = len(songs[0].mix)
            basses.append(
                torch.cat([pipe.decode_latents(one[None], samples, torch.ones(1)) for one in latents])[:, 0].numpy()
            )
    each = torch.stack(drawn, dim=1).flatten(2)
    return np.stack(fits, axis=1), torch.cdist(each, each).mean(dim=-1).numpy(), np.stack(basses, axis=1)


def _agreement(heard: list[HeardStem]) -> np.ndarray:
    """For each bass, the mean onset F1 with the others of its song."""
    agreed = np.array([[onset_f1(one.onsets, other.onsets) for other in heard] for one in heard])
    return (agreed.sum(axis=1) - agreed.diagonal()) / (len(heard) - 1)


def _mean(scores: list[Score]) -> Score:
    columns = {key: [figure for score in scores if (figure := score[key]) is not None] for key in scores[0]}
    return {key: float(np.mean(column)) if column else None for key, column in columns.items()}


def _picture(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(10, 3), layout="constrained")
    axes: Any = picture.subplots(1, len(COMPARED), sharey=True)
    for axis, (key, label) in zip(axes, COMPARED.items(), strict=True):
        for place, row in enumerate(reversed(figures)):
            figure = figures[row][key]
            bars = [[figure["mean"] - figure["low"]], [figure["high"] - figure["mean"]]]
            axis.errorbar(figure["mean"], place, xerr=bars, fmt="o", capsize=3, color="tab:blue")
        axis.set(xlabel=label, yticks=range(len(figures)), yticklabels=list(reversed(figures)))
        axis.grid(alpha=0.3)
    return picture


if __name__ == "__main__":
    typer.run(main)
