"""Test basses decoded with the time-mean of other latents: the upper bound of style grounding, which moves that mean.

The means are those of the timbre pair (the same notes on another instrument), whose sound is then known, and of another
song's bass. Notes are compared with those of the bass, timbres with the sound whose mean was taken: 0 is the round trip
of the bass, 1 is that sound.

Run it as `python -m benchmarks.quality.style_swap`; `--songs 4` is a quick look.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import decode_with_mean, encode, load_autoencoder, reconstruct, weights_folder
from benchmarks.common.plotting import OURS, TRUTH
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, unseen_timbre_pairs
from latentstem.data.compose.timbre_pairs import PAIRED_PART
from latentstem.evaluation import style_movement, timbre, track_pitch
from latentstem.evaluation.pitch import track_agreement
from latentstem.evaluation.rhythm import onset_f1, onset_times

NONE, PARTNER, OTHER = "its own mean", "its partner's mean", "another song's mean"
CEILING = "the partner's round trip"
METRICS = {
    "pitch": "pitch kept",
    "onsets": "onset F1",
    "timbre": "MFCCs moved",
    "mean": "mean latent moved",
}


def main(
    weights: Annotated[
        Path | None, typer.Option(help="Saved pipeline or autoencoder; the shipped pipeline if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    device: str = "cpu",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pairs = unseen_timbre_pairs(songs, duration, cache)
    autoencoder = load_autoencoder(weights, device)
    basses, partners = [pair.stem for pair in pairs], [pair.mix for pair in pairs]
    others = [*basses[1:], basses[0]]
    decoded = {
        NONE: [reconstruct(autoencoder, bass) for bass in track(basses, description="round trips")],
        PARTNER: [decode_with_mean(autoencoder, *pair) for pair in zip(basses, partners, strict=True)],
        OTHER: [decode_with_mean(autoencoder, *pair) for pair in zip(basses, others, strict=True)],
        CEILING: [reconstruct(autoencoder, partner) for partner in partners],
    }
    sounds = {"bass": basses, "partner": partners, **decoded}
    with processes(workers or os.cpu_count() or 1) as each:
        analyses = {name: each(analyze, f"analyzing {name}", audios) for name, audios in sounds.items()}
    for name, audios in sounds.items():
        for sound, audio in zip(analyses[name], track(audios, description=f"encoding {name}"), strict=True):
            sound["mean"] = encode(autoencoder, audio).mean(axis=-1)
    bases, neighbours = analyses["bass"], [*analyses["bass"][1:], analyses["bass"][0]]
    targets = {NONE: bases, PARTNER: analyses["partner"], OTHER: neighbours, CEILING: analyses["partner"]}
    values = {row: list(map(compare, bases, analyses[NONE], analyses[row], of_row)) for row, of_row in targets.items()}
    summary = {
        row: {metric: interval([case[metric] for case in cases]) for metric in METRICS} for row, cases in values.items()
    }
    rows = [[row, *(format_interval(figure[metric]) for metric in METRICS)] for row, figure in summary.items()]
    print_table("Test basses decoded with swapped means", ["decoded with", *METRICS.values()], rows)
    cases = [
        {
            "seed": pair.song.seed,
            "program": pair.song.part(pair.target).program,
            "partner": pair.song.part(PAIRED_PART).program,
        }
        | {row: values[row][index] for row in values}
        for index, pair in enumerate(pairs)
    ]
    settings = {"weights": weights_folder(weights).name, "songs": songs, "duration": duration}
    report = {"means": summary, "songs": cases}
    write_report("style_swap", settings, report, plot(report), results)


def analyze(audio: np.ndarray) -> dict[str, Any]:
    """Analyze pitch, onsets and timbre of a sound `(samples,)`."""
    return {
        "pitch": track_pitch(audio, SAMPLING_RATE),
        "onsets": onset_times(audio, SAMPLING_RATE),
        "timbre": timbre(audio, SAMPLING_RATE),
    }


def compare(bass: dict, own: dict, decoded: dict, target: dict) -> dict[str, float]:
    """Compare the notes of a decoded sound with those of the bass, and measure its movement towards a target."""
    return {
        "pitch": track_agreement(bass["pitch"], decoded["pitch"]),
        "onsets": onset_f1(bass["onsets"], decoded["onsets"]),
        **{part: style_movement(*(sound[part] for sound in (own, decoded, target))) for part in ("timbre", "mean")},
    }


def plot(report: dict[str, Any]) -> Figure:
    """Draw the movement of the timbre by target instrument, beside that of the round trip of the pair."""
    cases = report["songs"]
    picture = Figure(figsize=(10, 3.8), layout="constrained")
    axis = picture.subplots()
    programs = sorted({case["partner"] for case in cases})
    for nudge, row, color in ((-0.12, PARTNER, OURS), (0.12, CEILING, TRUTH)):
        columns = [programs.index(case["partner"]) + nudge for case in cases]
        axis.plot(columns, [case[row]["timbre"] for case in cases], "o", alpha=0.6, color=color, label=row)
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set(ylabel="MFCCs moved", title="Basses decoded with the mean of another instrument")
    axis.set_xticks(range(len(programs)), [PROGRAM_NAMES.get(p, str(p)) for p in programs], rotation=30)
    picture.legend(loc="outside right upper")
    return picture


if __name__ == "__main__":
    typer.run(main)
