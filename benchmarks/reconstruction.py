"""What the autoencoder's round trip keeps of unseen basses (pitch, onsets, spectrum) and of unseen mixes (chroma).

No denoiser can beat its decoder: the pitch agreement here bounds the chord share that generation can reach. Its own
bound is the tracker's noise: the agreement of a bass with itself, 1 dB softer and resampled by 1.01 and back. Mixes
stand beside a linear code of the same size (see `patches.py`), once with a phase made up, as the autoencoder makes up
its own, and once with the original's, which flatters it; and beside another mix for what chance alone reaches.

Run it as `python benchmarks/reconstruction.py`; `--songs 4 --pca-songs 4` is a quick look.
"""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from generation import load_autoencoder, round_tripped, weights_folder
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from patches import PatchPCA
from processes import processes
from report import RESULTS, interval, mean, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, training_songs, unseen_songs

from latentstem.evaluation import RoundTrip, chroma_agreement, log_mel_l1, multi_scale_distance, round_trip

MEASURES = (
    "pitch_agreement",
    "pitch_ceiling",
    "voiced_ratio",
    "onset_lag",
    "onset_lag_size",
    "log_spectral_distance",
)
MIX_MEASURES = {
    "chroma_agreement": "chroma agreement",
    "multi_scale_distance": "multi-scale distance",
    "log_mel_l1": "log-mel L1, dB",
}
AUTOENCODER, CHANCE = "autoencoder", "another mix"
PCA, PCA_PHASE = "PCA, Griffin-Lim phase", "PCA, original phase"


def main(
    weights: Annotated[
        Path | None, typer.Option(help="Saved pipeline or autoencoder; the shipped pipeline if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    device: str = "cpu",
    pca_songs: Annotated[int, typer.Option(min=1, help="Training songs that the PCA is fitted on.")] = 32,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that hear; one a processor if absent.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    autoencoder = load_autoencoder(weights, device)
    basses, mixes = [song.stem for song in unseen], [song.mix for song in unseen]
    basses_back = [round_tripped(autoencoder, bass) for bass in track(basses, description="round trips of basses")]
    linear = PatchPCA([song.mix for song in training_songs(pca_songs, duration, cache)], autoencoder)
    mixes_back = {
        AUTOENCODER: [round_tripped(autoencoder, mix) for mix in track(mixes, description="round trips of mixes")],
        PCA: [linear(mix) for mix in track(mixes, description="principal components of mixes")],
        PCA_PHASE: [linear(mix, own_phase=True) for mix in mixes],
        CHANCE: [*mixes[1:], mixes[0]],
    }
    with processes(workers or os.cpu_count() or 1) as each:
        compare = partial(round_trip, sampling_rate=SAMPLING_RATE)
        trips = each(compare, "hearing basses", basses, basses_back)
        kept = {row: each(mix_figures, f"hearing mixes: {row}", mixes, back) for row, back in mixes_back.items()}

    cases = [
        {"seed": song.song.seed, "program": song.song.part(song.target).program, **_measures(figures)}
        | {row: of_mixes[number] for row, of_mixes in kept.items()}
        for number, (song, figures) in enumerate(zip(unseen, trips, strict=True))
    ]
    groups = _by_program(cases)
    bass_figures = {group: _bass_summary(members) for group, members in groups.items()}
    mix_summary = {
        row: {measure: interval([case[measure] for case in of_mixes]) for measure in MIX_MEASURES}
        for row, of_mixes in kept.items()
    }
    _print(bass_figures, mix_summary)
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "pca_songs": pca_songs,
        "pca_components": autoencoder.config["latent_channels"],
        "pca_variance_explained": float(linear.pca.explained_variance_ratio_.sum()),
    }
    report = {"groups": bass_figures, "mixes": mix_summary, "songs": cases}
    write_report("reconstruction", settings, report, _picture(cases, kept), results)


def mix_figures(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """What is left of a mix `(samples,)`."""
    return {
        "chroma_agreement": chroma_agreement(reference, estimate, SAMPLING_RATE),
        "multi_scale_distance": multi_scale_distance(reference, estimate, SAMPLING_RATE),
        "log_mel_l1": log_mel_l1(reference, estimate, SAMPLING_RATE),
    }


def _measures(figures: RoundTrip) -> dict[str, float]:
    # The mean of signed lags can hide lags that cancel.
    return {
        **asdict(figures),
        "share_of_ceiling": figures.share_of_ceiling,
        "onset_lag_size": abs(figures.onset_lag),
    }


def _by_program(cases: list[dict]) -> dict[str, list[dict]]:
    programs = sorted({case["program"] for case in cases})
    return {"all": cases, **{str(p): [case for case in cases if case["program"] == p] for p in programs}}


def _bass_summary(cases: list[dict]) -> dict[str, dict[str, float]]:
    figures = {measure: interval([case[measure] for case in cases]) for measure in MEASURES}
    # Of the means: a song that the tracker hardly hears would else count as much as any other.
    columns = ([case[measure] for case in cases] for measure in ("pitch_agreement", "pitch_ceiling"))
    return {**figures, "share_of_ceiling": interval(*columns, statistic=_ratio)}


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return mean(over) / np.maximum(mean(under), 1e-9)


def _print(basses: dict[str, dict], mixes: dict[str, dict]) -> None:
    columns = {
        "pitch agreement": ("pitch_agreement", 1.0, 3),
        "ceiling": ("pitch_ceiling", 1.0, 3),
        "share of it": ("share_of_ceiling", 1.0, 3),
        "voiced ratio": ("voiced_ratio", 1.0, 2),
        "onset lag, ms": ("onset_lag", 1e-3, 1),
        "its size, ms": ("onset_lag_size", 1e-3, 1),
        "LSD, dB": ("log_spectral_distance", 1.0, 1),
    }
    rows = [
        [_program_name(group), str(figure["pitch_agreement"]["songs"])]
        + [shown(figure[measure], unit, digits) for measure, unit, digits in columns.values()]
        for group, figure in basses.items()
    ]
    print_table("Round trip of unseen true basses", ["program", "songs", *columns], rows)
    rows = [[row, *(shown(figure[measure]) for measure in MIX_MEASURES)] for row, figure in mixes.items()]
    print_table("Unseen mixes from codes of one size", ["mix", *MIX_MEASURES.values()], rows)


def _program_name(group: str) -> str:
    return group if group == "all" else f"{group} {PROGRAM_NAMES.get(int(group), '')}".strip()


def _picture(cases: list[dict], kept: dict[str, list[dict]]) -> Figure:
    picture = Figure(figsize=(12, 7), layout="constrained")
    panels: Any = picture.subfigures(2, 1)
    above, below = panels
    (pitch, lag), of_mixes = above.subplots(1, 2), below.subplots(1, len(MIX_MEASURES))
    programs = sorted({case["program"] for case in cases})
    place = np.array([programs.index(case["program"]) for case in cases])
    for nudge, measure, name in ((-0.12, "pitch_ceiling", "ceiling"), (0.12, "pitch_agreement", "round trip")):
        pitch.plot(place + nudge, [case[measure] for case in cases], "o", alpha=0.6, label=name)
    pitch.set(ylabel="pitch agreement", ylim=(0, 1.02), title="basses: voiced frames within 50 cents")
    lag.plot(place, [1000 * case["onset_lag"] for case in cases], "o", alpha=0.6)
    lag.axhspan(-5, 5, color="grey", alpha=0.15, label="asked for")
    lag.set(ylabel="ms", title="basses: onset lag")
    for axis in (pitch, lag):
        axis.legend(loc="lower right")
        axis.set_xticks(range(len(programs)), [PROGRAM_NAMES.get(p, str(p)) for p in programs], rotation=30)
    for axis, (measure, name) in zip(of_mixes, MIX_MEASURES.items(), strict=True):
        _by_row(axis, {row: [case[measure] for case in figures] for row, figures in kept.items()})
        axis.set(title=f"mixes: {name}")
        axis.set_ylim(0, 1.02 if measure == "chroma_agreement" else None)
    return picture


def _by_row(axis: Axes, values: dict[str, list[float]]) -> None:
    for place, some in enumerate(values.values()):
        axis.plot(place + np.linspace(-0.18, 0.18, len(some)), some, "o", alpha=0.5, markersize=4)
        axis.plot([place - 0.28, place + 0.28], [np.mean(some)] * 2, color="black")
    axis.set_xticks(range(len(values)), [row.replace(" ", "\n") for row in values])


if __name__ == "__main__":
    typer.run(main)
