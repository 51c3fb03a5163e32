"""Round trips of the autoencoder: pitch, onsets and spectrum of test basses, chroma and spectrum of test mixes.

The decoder limits the denoiser: the pitch agreement here bounds the chord share of generated basses. Its own bound is
the noise of the pitch tracker: the agreement of a bass with itself, 1 dB softer and resampled by 1.01 and back. Mixes
are compared with a linear code of the same size (see `common/spectrogram_pca.py`), with an estimated phase and with
the original phase, and with another mix as the level of chance.

Run it as `python -m benchmarks.quality.reconstruction`; `--songs 4 --pca-songs 4` is a quick look.
"""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import load_autoencoder, reconstruct, weights_folder
from benchmarks.common.plotting import OURS, TRUTH, plot_songs, role_colors
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, interval, mean, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, training_songs, unseen_songs
from benchmarks.common.spectrogram_pca import PatchPCA
from latentstem.evaluation import RoundTrip, chroma_agreement, log_mel_l1, multi_scale_distance, round_trip

METRICS = (
    "pitch_agreement",
    "pitch_ceiling",
    "voiced_ratio",
    "onset_lag",
    "onset_lag_size",
    "log_spectral_distance",
)
MIX_METRICS = {
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
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    autoencoder = load_autoencoder(weights, device)
    basses, mixes = [song.stem for song in unseen], [song.mix for song in unseen]
    basses_back = [reconstruct(autoencoder, bass) for bass in track(basses, description="round trips of basses")]
    linear = PatchPCA([song.mix for song in training_songs(pca_songs, duration, cache)], autoencoder)
    mixes_back = {
        AUTOENCODER: [reconstruct(autoencoder, mix) for mix in track(mixes, description="round trips of mixes")],
        PCA: [linear(mix) for mix in track(mixes, description="principal components of mixes")],
        PCA_PHASE: [linear(mix, own_phase=True) for mix in mixes],
        CHANCE: [*mixes[1:], mixes[0]],
    }
    with processes(workers or os.cpu_count() or 1) as each:
        compare = partial(round_trip, sampling_rate=SAMPLING_RATE)
        trips = each(compare, "analyzing basses", basses, basses_back)
        of_mixes = {row: each(mix_metrics, f"analyzing mixes: {row}", mixes, back) for row, back in mixes_back.items()}

    cases = [
        {"seed": song.song.seed, "program": song.song.part(song.target).program, **_bass_metrics(trip)}
        | {row: values[index] for row, values in of_mixes.items()}
        for index, (song, trip) in enumerate(zip(unseen, trips, strict=True))
    ]
    groups = _by_program(cases)
    bass_figures = {group: _bass_summary(members) for group, members in groups.items()}
    mix_summary = {
        row: {metric: interval([case[metric] for case in values]) for metric in MIX_METRICS}
        for row, values in of_mixes.items()
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
    write_report("reconstruction", settings, report, plot(report), results)


def mix_metrics(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """Compare a reconstructed mix `(samples,)` with the original."""
    return {
        "chroma_agreement": chroma_agreement(reference, estimate, SAMPLING_RATE),
        "multi_scale_distance": multi_scale_distance(reference, estimate, SAMPLING_RATE),
        "log_mel_l1": log_mel_l1(reference, estimate, SAMPLING_RATE),
    }


def _bass_metrics(figures: RoundTrip) -> dict[str, float]:
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
    figures = {metric: interval([case[metric] for case in cases]) for metric in METRICS}
    # Ratio of the means: a song with few voiced frames would otherwise count as much as any other.
    columns = ([case[metric] for case in cases] for metric in ("pitch_agreement", "pitch_ceiling"))
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
        + [format_interval(figure[metric], unit, digits) for metric, unit, digits in columns.values()]
        for group, figure in basses.items()
    ]
    print_table("Round trip of unseen true basses", ["program", "songs", *columns], rows)
    rows = [[row, *(format_interval(figure[metric]) for metric in MIX_METRICS)] for row, figure in mixes.items()]
    print_table("Unseen mixes from codes of one size", ["mix", *MIX_METRICS.values()], rows)


def _program_name(group: str) -> str:
    return group if group == "all" else f"{group} {PROGRAM_NAMES.get(int(group), '')}".strip()


def plot(report: dict[str, Any]) -> Figure:
    cases = report["songs"]
    picture = Figure(figsize=(12, 7), layout="constrained")
    panels: Any = picture.subfigures(2, 1)
    above, below = panels
    (pitch, lag), of_mixes = above.subplots(1, 2), below.subplots(1, len(MIX_METRICS))
    programs = sorted({case["program"] for case in cases})
    columns = np.array([programs.index(case["program"]) for case in cases])
    for nudge, metric, name, color in (
        (-0.12, "pitch_ceiling", "ceiling", TRUTH),
        (0.12, "pitch_agreement", "round trip", OURS),
    ):
        pitch.plot(columns + nudge, [case[metric] for case in cases], "o", alpha=0.6, color=color, label=name)
    pitch.set(ylabel="pitch agreement", ylim=(0, 1.02), title="Basses: voiced frames within 50 cents")
    lag.plot(columns, [1000 * case["onset_lag"] for case in cases], "o", alpha=0.6)
    lag.axhspan(-5, 5, color="grey", alpha=0.15, label="goal")
    lag.set(ylabel="ms", title="Basses: onset lag")
    for axis in (pitch, lag):
        axis.legend(loc="lower right")
        axis.set_xticks(range(len(programs)), [PROGRAM_NAMES.get(p, str(p)) for p in programs], rotation=30)
    for axis, (metric, name) in zip(of_mixes, MIX_METRICS.items(), strict=True):
        values = {row: [case[row][metric] for case in cases] for row in report["mixes"]}
        plot_songs(axis, values, role_colors(values, [AUTOENCODER]))
        axis.tick_params(axis="x", labelsize=7)
        axis.set(title=f"Mixes: {name}")
        axis.set_ylim(0, 1.02 if metric == "chroma_agreement" else None)
    return picture


if __name__ == "__main__":
    typer.run(main)
