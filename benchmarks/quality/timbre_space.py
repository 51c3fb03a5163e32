"""The space of bass timbres: where the instruments to train on lie, and those to test on among them.

Every instrument plays one line; two principal components of the mean MFCCs up to 11 kHz, those of the instruments to
train on, make the picture. Beside it stands how far the nearest instrument for training is from each tested one, over
the same distance among the instruments for training: 1 is as near as they are to each other.

Run it as `python -m benchmarks.quality.timbre_space`: two minutes of one core. It needs no weights.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from benchmarks.common.instrument_classifier import BANDS
from benchmarks.common.instruments import instrument_sets
from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import compose_timbre_pair
from latentstem.data.render.song import render_song
from latentstem.data.score import Part
from latentstem.data.splits import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS

TRAINING, VALIDATION = "training", "validation"
BAND = BANDS["up to 11 kHz"]


def main(
    instruments: Annotated[int, typer.Option(min=10, help="Number of instruments to train on.")] = 300,
    validation: Annotated[int, typer.Option(min=2, help="Number of instruments of validation songs.")] = 40,
    duration: Annotated[float, typer.Option(min=2.0, help="Seconds that each plays.")] = 8.0,
    recorded: Annotated[
        Path | None, typer.Option(help="Folder of recorded basses: samples in NAME.flac, their places in NAME.json.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    line = compose(TEST_SEEDS[0], duration, genre="").part("bass")
    points = {
        TRAINING: _of_songs(TRAIN_SEEDS[:instruments], line, duration, TRAINING),
        VALIDATION: _of_songs(VALIDATION_SEEDS[:validation], line, duration, VALIDATION),
    }
    for name, players in instrument_sets(recorded).items():
        points[name] = np.stack([_mean_features(play(line.notes, duration)) for play in players.values()])
    scale = points[TRAINING].std(axis=0)
    points = {name: features / scale for name, features in points.items()}
    figures = _nearest(points)
    rows = [[name, str(len(points[name])), f"{figure:.2f}"] for name, figure in figures.items()]
    print_table("Basses", ["set", "instruments", "distance to the nearest for training"], rows, caption="")
    settings = {"instruments": instruments, "validation": validation, "duration": duration}
    write_report("timbre_space", settings, {"distance_to_nearest": figures}, _picture(points), results)


def _of_songs(seeds: range, line: Part, duration: float, description: str) -> np.ndarray:
    """Features of the basses that songs of these seeds have, all playing the line, `(instruments, features)`."""
    features = []
    for seed in track(seeds, description=description):
        song = compose_timbre_pair(seed, duration)
        playing = replace(song, parts=tuple(replace(part, notes=line.notes) for part in song.parts))
        basses = render_song(playing)
        features += [_mean_features(audio) for audio in basses.values()]
    return np.stack(features)


def _mean_features(audio: np.ndarray) -> np.ndarray:
    return BAND.features(audio).mean(axis=0)


def _nearest(points: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean distance of each set to its nearest instruments for training, over that of those among themselves."""
    neighbours = NearestNeighbors(n_neighbors=2).fit(points[TRAINING])
    own = neighbours.kneighbors(points[TRAINING])[0][:, 1].mean()  # the first is the instrument itself
    return {
        name: float((own if name == TRAINING else neighbours.kneighbors(features, 1)[0].mean()) / own)
        for name, features in points.items()
    }


def _picture(points: Mapping[str, np.ndarray]) -> Figure:
    components = PCA(2).fit(points[TRAINING])
    shares = components.explained_variance_ratio_
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    axis = figure.subplots()
    for index, (name, features) in enumerate(points.items()):
        x, y = components.transform(features).T
        training = name == TRAINING
        axis.scatter(x, y, s=9 if training else 28, color="0.75" if training else f"C{index}", label=name, alpha=0.9)
    axis.set_xlabel(f"first component of the MFCCs ({shares[0]:.0%} of their variance)")
    axis.set_ylabel(f"second component ({shares[1]:.0%})")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    typer.run(main)
