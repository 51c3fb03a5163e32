"""Does a round trip keep the instrument, and does a generated bass take on that of its style reference?

A classifier that met no net is trained on instruments that no net was trained on, playing composed bass lines, and
asked which of them plays other lines: the instrument itself, which is the ceiling; its round trip through the
autoencoder; and basses generated with one of the first lines, played on the instrument, as style reference. Its answer
on a bass without a style is right for one instrument of the set, whichever it is: that is chance. Distances are those
of the features of a sound from the mean of its instrument. Another classifier is asked the same of the latents: what it
knows and the round trip has lost is lost by the decoder.

Run it as `python -m benchmarks.quality.timbre`; `--songs 2 --lines 4 --steps 16` is a quick look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure

from benchmarks.common.composers import CURRENT, TEST_SONG_SEEDS
from benchmarks.common.generation import encode, generate, load_pipeline, reconstruct, weights_folder
from benchmarks.common.instrument_classifier import BANDS, Band, InstrumentClassifier
from benchmarks.common.instruments import Instrument, instrument_sets
from benchmarks.common.plotting import plot_interval, role_colors
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, TARGET, normalize_level, render_all, unseen_songs
from latentstem import AutoencoderSpectral
from latentstem.data.score import Note

ITSELF, TRIP, STYLED, PLAIN = "itself", "round trip", "styled", "unstyled"
NAMED = (ITSELF, TRIP, STYLED)
"""Sounds that the classifier is asked to name; that of an unstyled one is right by chance."""
KEPT, MOVED = "kept", "moved"
MEASURES = (*NAMED, KEPT, MOVED)
"""Fraction of instruments recognized, by sound; distance after the round trip, over that of the instrument itself; and
fraction of the distance of an unstyled bass that the style removes."""
Sounds = Mapping[str, Sequence[np.ndarray]]
"""Name of each instrument to sounds of it, mono at 44.1 kHz, `(samples,)` each."""


@dataclass(frozen=True)
class Judgement:
    """What a classifier says about the sounds of a set of instruments in one band.

    Attributes:
        instruments: Name of each instrument.
        right: Whether each sound is recognized as its instrument, by row, `(instruments, songs)`.
        distance: Distance of each sound from its instrument, by row, `(instruments, songs)`.
    """

    instruments: tuple[str, ...]
    right: dict[str, np.ndarray]
    distance: dict[str, np.ndarray]

    @classmethod
    def of(cls, band: Band, learned: Sounds, asked: Mapping[str, Sounds]) -> "Judgement":
        """Learn instruments from some sounds, and judge others.

        Args:
            band: Band of the features.
            learned: Sounds that the classifier is trained on, by instrument.
            asked: Sounds that it is asked about, by row and instrument; one a song, in one order of instruments.
        """
        classifier = InstrumentClassifier(
            {name: np.concatenate([band.features(sound) for sound in sounds]) for name, sounds in learned.items()}
        )
        features = {
            row: {name: [band.features(sound) for sound in sounds] for name, sounds in of_row.items()}
            for row, of_row in asked.items()
        }

        def ask(question: Callable[[np.ndarray, str], float]) -> dict[str, np.ndarray]:
            return {
                row: np.array([[question(windows, name) for windows in own] for name, own in of_row.items()])
                for row, of_row in features.items()
            }

        right = ask(lambda windows, name: classifier.name(windows) == name)
        return cls(tuple(learned), right, ask(classifier.distance))

    def by_song(self) -> dict[str, np.ndarray]:
        """Return each of `MEASURES` over all instruments, `(songs,)`."""
        far = {row: distance.sum(axis=0) for row, distance in self.distance.items()}
        named = {row: self.right[row].mean(axis=0) for row in NAMED}
        return {**named, KEPT: far[TRIP] / far[ITSELF], MOVED: 1.0 - far[STYLED] / far[PLAIN]}

    def by_instrument(self) -> dict[str, dict[str, float]]:
        """Return the fraction of songs in which each instrument is recognized, by row."""
        return {
            instrument: {row: float(right[index].mean()) for row, right in self.right.items()}
            for index, instrument in enumerate(self.instruments)
        }


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 8,
    lines: Annotated[int, typer.Option(min=1, help="Bass lines of other songs that the classifier learns from.")] = 12,
    duration: Annotated[float, typer.Option(min=2.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 4,
    device: str = "cpu",
    recorded: Annotated[
        Path | None, typer.Option(help="Folder of recorded basses: samples in NAME.flac, their places in NAME.json.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    sets = instrument_sets(recorded)
    pipe = load_pipeline(weights, device)
    unseen = unseen_songs(0, songs, duration, cache)
    to_learn, to_ask = bass_lines(songs, lines, duration), [song.song.part(TARGET).notes for song in unseen]

    def accompany(description: str, **call: Any) -> list[np.ndarray]:
        return list(generate(pipe, unseen, batch, description, num_inference_steps=steps, **call))

    plain = accompany("generating without a style")
    judgements: dict[str, dict[str, Judgement]] = {}
    in_latents: dict[str, np.ndarray] = {}
    for of_set, instruments in sets.items():
        learned, own = (play_all(instruments, notes, duration) for notes in (to_learn, to_ask))
        asked = {
            ITSELF: own,
            TRIP: {name: [reconstruct(pipe.autoencoder, sound) for sound in sounds] for name, sounds in own.items()},
            STYLED: {
                name: accompany(f"in the style of {name}", style=torch.from_numpy(sounds[index % lines])[None, None])
                for index, (name, sounds) in enumerate(learned.items())
            },
            PLAIN: dict.fromkeys(instruments, plain),
        }
        judgements[of_set] = {name: Judgement.of(band, learned, asked) for name, band in BANDS.items()}
        in_latents[of_set] = named_by_latents(pipe.autoencoder, learned, own)
    figures = {
        of_set: {**_summarize(of_bands), "latents": interval(in_latents[of_set])}
        for of_set, of_bands in judgements.items()
    }
    _print(figures)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "lines": lines,
        "duration": duration,
        "num_inference_steps": steps,
    }
    report = {
        "sets": figures,
        "songs": {
            "seeds": [song.song.seed for song in unseen],
            "sets": {
                of_set: {
                    band: {measure: values.tolist() for measure, values in judgement.by_song().items()}
                    for band, judgement in of_bands.items()
                }
                for of_set, of_bands in judgements.items()
            },
        },
    }
    write_report("timbre", settings, report, plot(report), results)


def bass_lines(first: int, count: int, duration: float) -> list[tuple[Note, ...]]:
    """Compose the basses of test songs, the songs being counted as by `unseen_songs`."""
    songs = (CURRENT.compose(seed, duration) for seed in TEST_SONG_SEEDS)
    return [song.part(TARGET).notes for song in islice((s for s in songs if TARGET in s.names), first, first + count)]


def play_all(
    instruments: Mapping[str, Instrument], lines: Sequence[Sequence[Note]], duration: float
) -> dict[str, list[np.ndarray]]:
    """Play every line on every instrument, `(samples,)` each, at the reference loudness."""

    def play(instrument: Instrument, notes: Sequence[Note]) -> np.ndarray:
        return normalize_level(instrument(notes, duration))

    return {
        name: render_all(partial(play, instrument), lines, f"playing on {name}")
        for name, instrument in instruments.items()
    }


def named_by_latents(autoencoder: AutoencoderSpectral, learned: Sounds, asked: Sounds) -> np.ndarray:
    """Name instruments from the mean and the deviation of their latents over each second.

    Args:
        autoencoder: Autoencoder that encodes.
        learned: Sounds that the classifier is trained on, by instrument.
        asked: Sounds that it is asked about, one a song, in one order of instruments.

    Returns:
        Fraction of the instruments that are named right, `(songs,)`.
    """
    frames = max(1, round(autoencoder.config["sampling_rate"] / autoencoder.config["hop_length"]))

    def features(sound: np.ndarray) -> np.ndarray:
        latents = encode(autoencoder, sound)
        pieces = np.array_split(latents, max(1, latents.shape[1] // frames), axis=1)
        return np.stack([np.concatenate([piece.mean(axis=1), piece.std(axis=1)]) for piece in pieces])

    classifier = InstrumentClassifier(
        {name: np.concatenate([features(sound) for sound in sounds]) for name, sounds in learned.items()}
    )
    right = [[classifier.name(features(sound)) == name for sound in sounds] for name, sounds in asked.items()]
    return np.mean(right, axis=0)


def _summarize(of_bands: Mapping[str, Judgement]) -> dict[str, Any]:
    return {
        "bands": {
            band: {measure: interval(values) for measure, values in judgement.by_song().items()}
            for band, judgement in of_bands.items()
        },
        "instruments": {band: judgement.by_instrument() for band, judgement in of_bands.items()},
        "chance": 1 / len(next(iter(of_bands.values())).instruments),
    }


def _print(figures: Mapping[str, dict]) -> None:
    rows = [
        [f"{of_set}, {band}", f"{figure['chance']:.2f}", *(format_interval(cells[m], digits=2) for m in MEASURES)]
        for of_set, figure in figures.items()
        for band, cells in figure["bands"].items()
    ]
    print_table("Instruments recognized", ["set and band", "chance", *MEASURES], rows)
    named = [[of_set, format_interval(figure["latents"], digits=2)] for of_set, figure in figures.items()]
    print_table("Instruments recognized from their latents", ["set", ITSELF], named)


def plot(report: Mapping[str, Any]) -> Figure:
    """Draw how often instruments are recognized: a row of panels a set, a panel a band."""
    figures, colors = report["sets"], role_colors(NAMED, [TRIP, STYLED], [ITSELF])
    picture = Figure(figsize=(11, 2.6 * len(figures)), layout="constrained")
    picture.suptitle("Which instrument is recognized; dotted: by chance")
    grid = picture.subplots(len(figures), len(BANDS), squeeze=False, sharex=True, sharey=True)
    for (of_set, figure), axes in zip(figures.items(), grid, strict=True):
        for axis, (band, cells) in zip(axes, figure["bands"].items(), strict=True):
            for index, row in enumerate(NAMED):
                plot_interval(axis, index, cells[row], colors[row])
            axis.axvline(figure["chance"], color="grey", linestyle=":")
            axis.set(title=f"{of_set}, {band}", xlim=(-0.02, 1.02), ylim=(len(NAMED) - 0.5, -0.5))
            axis.set_yticks(range(len(NAMED)), NAMED)
            axis.grid(axis="x", alpha=0.3)
    picture.supxlabel("share recognized")
    return picture


if __name__ == "__main__":
    typer.run(main)
