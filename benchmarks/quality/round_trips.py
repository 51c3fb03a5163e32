"""Round trips of every stem of a band, played on instruments that no net was trained on.

Basses have to keep their pitch, as a share of what the tracker agrees with itself, and their onsets; drums their
onsets; chords, leads and voices their chroma. Each stem is played by the held-out soundfont and by engines with
parameters that no instrument to train on has; basses by recorded instruments too, where there are some.

The latents are asked for the instrument: each of 32 unseen basses plays two lines, and the mean and the deviation of
the latents of one line have to be nearest to those of the same instrument's other line.

Run it as `python -m benchmarks.quality.round_trips`; `--songs 2 --instruments 4` is a quick look.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import encode, load_autoencoder, reconstruct, weights_folder
from benchmarks.common.instruments import Instrument, engine_instruments, instrument_sets
from benchmarks.common.plotting import plot_interval
from benchmarks.common.processes import Each, processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import (
    DEFAULT_CACHE,
    SAMPLING_RATE,
    SOUNDFONT,
    TARGET,
    unseen_engine_songs,
    unseen_songs,
)
from benchmarks.quality.timbre import bass_lines, play_all
from latentstem.data.render.instruments import ENGINES
from latentstem.evaluation import chroma_agreement, onset_f1, onset_times, round_trip

STEMS = {"bass": "bass", "drums": "drums", "chords1": "chords", "lead": "lead", "voice": "voice"}
"""Name of each part in a song to what it is called here."""
PITCH, LAG, ONSETS, CHROMA = "pitch kept", "onset lag, ms", "onset F1", "chroma agreement"
MEASURES = {"bass": (PITCH, LAG), "drums": (ONSETS,), "chords": (CHROMA,), "lead": (CHROMA,), "voice": (CHROMA,)}
"""What is measured of each stem."""
GOALS = {PITCH: 0.97, LAG: 5.0, ONSETS: 0.95, CHROMA: 0.95}
"""At least this much; of the lag at most."""
LINES = 2
"""Lines that each instrument plays for the retrieval."""


def main(
    weights: Annotated[
        Path | None, typer.Option(help="Saved pipeline or autoencoder; the shipped pipeline if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of songs that have the stem.")] = 16,
    duration: Annotated[float, typer.Option(min=2.0, help="Seconds a song.")] = 15.0,
    instruments: Annotated[int, typer.Option(min=2, help="Instruments among which one is retrieved.")] = 32,
    device: str = "cpu",
    recorded: Annotated[
        Path | None, typer.Option(help="Folder of recorded basses: samples in NAME.flac, their places in NAME.json.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    autoencoder = load_autoencoder(weights, device)
    figures: dict[str, dict[str, dict[str, float]]] = {}
    with processes(workers or os.cpu_count() or 1) as each:
        for part, stem in STEMS.items():
            sounds = {
                SOUNDFONT: [song.stem for song in unseen_songs(0, songs, duration, cache, target=part)],
                "engines": [song.stem for song in unseen_engine_songs(songs, duration, cache, target=part)],
            }
            if recorded is not None and stem == TARGET:
                played = play_all(instrument_sets(recorded)["recorded"], bass_lines(0, 4, duration), duration)
                sounds["recorded"] = [sound for of_one in played.values() for sound in of_one]
            for source, originals in sounds.items():
                back = [reconstruct(autoencoder, s) for s in track(originals, description=f"{stem}, {source}")]
                figures[f"{stem}, {source}"] = compare(stem, originals, back, each)
    found = retrieved(partial(encode, autoencoder), unseen_basses(instruments), duration)
    retrieval = interval(list(found.values()))
    _print(figures, retrieval)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "instruments": instruments,
    }
    report = {"round_trips": figures, "retrieval": {"share": retrieval, "instruments": found}}
    write_report("round_trips", settings, report, plot(report), results)


def compare(
    stem: str, originals: Sequence[np.ndarray], back: Sequence[np.ndarray], each: Each
) -> dict[str, dict[str, float]]:
    """Compare round trips with the originals by the measures of a stem.

    Args:
        stem: Name of the stem, a key of `MEASURES`.
        originals: Sounds, `(samples,)` each.
        back: Their round trips.
        each: Function that applies another to every sound, see `processes`.

    Returns:
        Interval of each measure over the sounds.
    """
    name = f"analyzing {stem}"
    if stem == "bass":
        trips = each(partial(round_trip, sampling_rate=SAMPLING_RATE), name, originals, back)
        return {
            PITCH: interval(
                [trip.pitch_agreement for trip in trips],
                [trip.pitch_ceiling for trip in trips],
                statistic=lambda over, under: over.mean(-1) / under.mean(-1),
            ),
            LAG: interval([1000 * abs(trip.onset_lag) for trip in trips]),
        }
    (measure,) = MEASURES[stem]
    return {measure: interval(each(_onset_agreement if stem == "drums" else _chroma, name, originals, back))}


def _onset_agreement(original: np.ndarray, back: np.ndarray) -> float:
    return onset_f1(onset_times(original, SAMPLING_RATE), onset_times(back, SAMPLING_RATE))


def _chroma(original: np.ndarray, back: np.ndarray) -> float:
    return chroma_agreement(original, back, SAMPLING_RATE)


def unseen_basses(count: int) -> dict[str, Instrument]:
    """Draw as many basses of the engines, of each in turn, none of which a net was trained on."""
    per_engine = -(-count // len(ENGINES["bass"]))
    drawn = engine_instruments(per_engine)
    return dict(sorted(drawn.items(), key=lambda item: item[0].rsplit(" ", 1)[1])[:count])


def retrieved(
    encode: Callable[[np.ndarray], np.ndarray], instruments: Mapping[str, Instrument], duration: float
) -> dict[str, float]:
    """Ask the latents for the instrument.

    Args:
        encode: Function from a sound to its normalized latents, `(channels, frames)`.
        instruments: Instruments by name.
        duration: Seconds that each plays.

    Returns:
        Name of each instrument to the fraction of its lines whose nearest line of those that the instruments play
        second is its own, by Euclidean distance of the standardized means and deviations of the latents.
    """
    played = play_all(instruments, bass_lines(0, LINES, duration), duration)
    lines = np.array([[_describe(encode(sound)) for sound in sounds] for sounds in played.values()])
    lines = (lines - lines.mean((0, 1))) / (lines.std((0, 1)) + 1e-9)
    hits = np.zeros(len(lines))
    for asked, among in ((0, 1), (1, 0)):
        distances = np.linalg.norm(lines[:, None, asked] - lines[None, :, among], axis=-1)
        hits += distances.argmin(1) == np.arange(len(lines))
    return dict(zip(played, (hits / LINES).tolist(), strict=True))


def _describe(latents: np.ndarray) -> np.ndarray:
    return np.concatenate([latents.mean(-1), latents.std(-1)])


def _print(figures: Mapping[str, Mapping[str, dict]], retrieval: Mapping[str, float]) -> None:
    rows = [
        [name, *(format_interval(measured[m]) if m in measured else "" for m in GOALS)]
        for name, measured in figures.items()
    ]
    print_table("Round trips of unseen stems", ["stem and source", *GOALS], rows)
    print(f"instrument retrieved from the latents of another line: {format_interval(retrieval)}")


def plot(report: Mapping[str, Any]) -> Figure:
    """Draw a panel a measure, a row a stem and source, and the goal as a line."""
    figures = report["round_trips"]
    picture = Figure(figsize=(13, 4.5), layout="constrained")
    picture.suptitle("What round trips keep, by stem and instruments; dashed: the goal")
    panels: Any = picture.subplots(1, len(GOALS))
    for axis, (measure, goal) in zip(panels, GOALS.items(), strict=True):
        rows = {name: measured[measure] for name, measured in figures.items() if measure in measured}
        for row, cell in enumerate(rows.values()):
            plot_interval(axis, row, cell)
        axis.axvline(goal, color="grey", linestyle="--", linewidth=1)
        axis.set_yticks(range(len(rows)), rows)
        axis.set(title=measure, ylim=(len(rows) - 0.5, -0.5))
    return picture


if __name__ == "__main__":
    typer.run(main)
