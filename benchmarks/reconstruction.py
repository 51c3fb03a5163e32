"""What the autoencoder's round trip keeps of unseen true basses: pitch, onsets, spectrum, and by General MIDI program.

No denoiser can beat its decoder: the pitch agreement here bounds the chord share that generation can reach.

Run it as `python benchmarks/reconstruction.py`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from generation import load_autoencoder, round_tripped, weights_folder
from matplotlib.figure import Figure
from report import RESULTS, interval, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, unseen_songs

from latentstem.evaluation import RoundTrip, round_trip

MEASURES = ("pitch_agreement", "voiced_ratio", "onset_lag", "onset_lag_size", "log_spectral_distance")


def main(
    weights: Annotated[
        Path | None, typer.Option(help="Saved pipeline or autoencoder; the shipped pipeline if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=1, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    autoencoder = load_autoencoder(weights, device)
    cases = []
    for song in track(unseen, description="round trips"):
        figures = round_trip(song.bass, round_tripped(autoencoder, song.bass), SAMPLING_RATE)
        cases.append({"seed": song.song.seed, "program": song.song.bass.program, **_measures(figures)})

    programs = sorted({case["program"] for case in cases})
    groups = {"all": cases, **{str(p): [case for case in cases if case["program"] == p] for p in programs}}
    figures = {
        group: {measure: interval([case[measure] for case in members]) for measure in MEASURES}
        for group, members in groups.items()
    }
    rows = [
        [
            group if group == "all" else f"{group} {PROGRAM_NAMES.get(int(group), '')}",
            str(len(groups[group])),
            shown(figure["pitch_agreement"]),
            shown(figure["voiced_ratio"]),
            shown(figure["onset_lag"], 1e-3, 2),
            shown(figure["onset_lag_size"], 1e-3, 2),
            shown(figure["log_spectral_distance"], digits=2),
        ]
        for group, figure in figures.items()
    ]
    header = ["program", "songs", "pitch agreement", "voiced ratio", "onset lag, ms", "its size, ms", "LSD, dB"]
    print_table("Round trip of unseen true basses", header, rows)
    settings = {"weights": weights_folder(weights).name, "songs": songs, "duration": duration}
    write_report("reconstruction", settings, {"groups": figures, "songs": cases}, _picture(cases), results)


def _measures(figures: RoundTrip) -> dict[str, float]:
    # The mean of signed lags can hide lags that cancel.
    return {**asdict(figures), "onset_lag_size": abs(figures.onset_lag)}


def _picture(cases: list[dict]) -> Figure:
    picture = Figure(figsize=(10, 3.6))
    pitch, lag = picture.subplots(1, 2)
    programs = sorted({case["program"] for case in cases})
    place = [programs.index(case["program"]) for case in cases]
    pitch.plot(place, [case["pitch_agreement"] for case in cases], "o", alpha=0.6)
    pitch.axhline(0.8, color="grey", linestyle=":", label="asked for")
    pitch.set(ylabel="pitch agreement", ylim=(0, 1.02), title="voiced frames within 50 cents")
    pitch.legend(loc="lower right")
    lag.plot(place, [1000 * case["onset_lag"] for case in cases], "o", alpha=0.6)
    lag.axhspan(-5, 5, color="grey", alpha=0.15, label="asked for")
    lag.set(ylabel="ms", title="onset lag")
    lag.legend(loc="lower right")
    for axis in (pitch, lag):
        axis.set_xticks(range(len(programs)), [PROGRAM_NAMES.get(p, str(p)) for p in programs], rotation=40)
    return picture


if __name__ == "__main__":
    typer.run(main)
