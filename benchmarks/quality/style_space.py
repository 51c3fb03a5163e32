"""Variance of mean latents between instruments and between songs, and the part that style spaces of several sizes move.

Means over sounding frames of training songs, from the encoder of the weights. The variance between songs is split into
that between instruments (a program of a soundfont) and that between songs of one instrument; then, for style spaces of
several sizes, how much of each a full swap of styles moves. Half of the songs fit the space, the other half test it.

Run it as `python -m benchmarks.quality.style_space --corpus runs/bass-gm/train`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import load_autoencoder, weights_folder
from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem import StyleSpace
from latentstem.data.corpus import ANNOTATION, write_corpus
from latentstem.data.score import Song
from latentstem.data.splits import TRAIN_SEEDS
from latentstem.data.stems.folder import StemFolder
from latentstem.training.style_space import StyleFit, sounding_mean

SIZES = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24)
LEAST = 4
"""Minimum of songs of an instrument: two for each half."""


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of training songs, filled if songs are missing.")],
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=40, help="Training songs.")] = 600,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    device: str = "cpu",
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    write_corpus(corpus, TRAIN_SEEDS[:songs], duration=duration)
    model = load_autoencoder(weights, device)
    members: dict[tuple[int, str], list[torch.Tensor]] = {}
    for stems in track(StemFolder(corpus).tracks[:songs], description="mean latents"):
        mean = sounding_mean(model, stems.read("bass"))
        if mean is not None:
            annotation = json.loads((corpus / stems.name / ANNOTATION).read_text())
            members.setdefault(
                (Song.from_dict(annotation["song"]).part("bass").program, annotation["soundfont"]), []
            ).append(mean)
    members = {instrument: means for instrument, means in members.items() if len(means) >= LEAST}

    # Every second song of each instrument is for the test.
    fitted, tested = ({kind: torch.stack(means[half::2]) for kind, means in members.items()} for half in (0, 1))
    labels = [kind for kind, means in fitted.items() for _ in means]
    stacked = torch.cat(list(fitted.values()))
    between, within = _split(tested)
    sizes = [size for size in SIZES if size < len(members)]
    fractions = {}
    for size in sizes:
        space = StyleSpace.fit(stacked, labels, size)
        fractions[size] = {
            name: float(space.part(part).square().sum() / part.square().sum())
            for name, part in (("between_instruments", between), ("between_songs", within))
        }
    total = float(between.square().sum() + within.square().sum())
    figures = {
        "instruments": len(members),
        "songs": sum(map(len, members.values())),
        "share_of_variance_between_instruments": float(between.square().sum()) / total,
        "moved": {str(size): fraction for size, fraction in fractions.items()},
    }
    rows = [[str(size), *(f"{value:.3f}" for value in fraction.values())] for size, fraction in fractions.items()]
    header = ["numbers", "of the variance between instruments", "of that between songs"]
    print_table("Variance moved by a style swap", header, rows, "fractions, on songs that did not fit the space")
    print(f"between instruments: {figures['share_of_variance_between_instruments']:.3f} of all variance")
    settings = {"weights": weights_folder(weights).name, "duration": duration, "shipped_size": StyleFit.dimensions}
    write_report("style_space", settings, figures, plot(figures), results)


def _split(members: dict[tuple[int, str], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Split the deviations of songs into those of their instruments from the mean, and those from their instruments."""
    middle = torch.cat(list(members.values())).mean(0)
    centres = {kind: means.mean(0) for kind, means in members.items()}
    between = torch.cat([(centres[kind] - middle).expand_as(means) for kind, means in members.items()])
    within = torch.cat([means - centres[kind] for kind, means in members.items()])
    return between, within


def plot(figures: dict[str, Any]) -> Figure:
    fractions = {int(size): fraction for size, fraction in figures["moved"].items()}
    picture = Figure(figsize=(7, 4), layout="constrained")
    axis = picture.subplots()
    for name in ("between_instruments", "between_songs"):
        axis.plot(
            list(fractions), [fraction[name] for fraction in fractions.values()], "o-", label=name.replace("_", " ")
        )
    axis.axvline(StyleFit.dimensions, color="grey", linestyle=":")
    axis.set(xlabel="numbers of the style space", ylabel="fraction of the variance that is moved", ylim=(0, 1.05))
    axis.set_title("Style spaces by size; dotted: the shipped size")
    axis.set_xticks(np.array(list(fractions)))
    axis.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
