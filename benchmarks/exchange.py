"""What a decoder makes of an exchanged style: an unseen bass decoded with the time-mean of another sound's latents.

Style grounding moves that mean, so this bounds what it can reach. Taken are the mean of the bass's twin (the same notes
on another instrument), which ought to give the twin, and that of another song's bass. Notes are held against those of
the bass, timbres against the sound whose mean was taken: 0 is where the bass's own round trip is, 1 is where that is.

Run it as `python benchmarks/exchange.py`; `--songs 4` is a quick look.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from generation import decoded_with_mean, encoded, load_autoencoder, round_tripped, weights_folder
from matplotlib.figure import Figure
from processes import processes
from report import RESULTS, interval, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, unseen_twins

from latentstem.evaluation import style_movement, timbre, track_pitch
from latentstem.evaluation.pitch import track_agreement
from latentstem.evaluation.rhythm import onset_f1, onset_times

NONE, TWIN, OTHER, CEILING = "its own mean", "its twin's mean", "another song's mean", "the twin's round trip"
MEASURES = {
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
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that hear; one a processor if absent.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    pairs = unseen_twins(songs, duration, cache)
    autoencoder = load_autoencoder(weights, device)
    basses, twins = [pair.stem for pair in pairs], [pair.mix for pair in pairs]
    others = [*basses[1:], basses[0]]
    played = {
        NONE: [round_tripped(autoencoder, bass) for bass in track(basses, description="round trips")],
        TWIN: [decoded_with_mean(autoencoder, *pair) for pair in zip(basses, twins, strict=True)],
        OTHER: [decoded_with_mean(autoencoder, *pair) for pair in zip(basses, others, strict=True)],
        CEILING: [round_tripped(autoencoder, twin) for twin in twins],
    }
    sounds = {"bass": basses, "twin": twins, **played}
    with processes(workers or os.cpu_count() or 1) as each:
        heard = {name: each(hear, f"hearing {name}", some) for name, some in sounds.items()}
    for name, some in sounds.items():
        for sound, audio in zip(heard[name], track(some, description=f"encoding {name}"), strict=True):
            sound["mean"] = encoded(autoencoder, audio).mean(axis=-1)
    bases, neighbours = heard["bass"], [*heard["bass"][1:], heard["bass"][0]]
    asked_for = {NONE: bases, TWIN: heard["twin"], OTHER: neighbours, CEILING: heard["twin"]}
    kept = {row: list(map(figures, bases, heard[NONE], heard[row], wanted)) for row, wanted in asked_for.items()}
    summary = {
        row: {measure: interval([case[measure] for case in cases]) for measure in MEASURES}
        for row, cases in kept.items()
    }
    rows = [[row, *(shown(figure[measure]) for measure in MEASURES)] for row, figure in summary.items()]
    print_table("Unseen basses decoded with exchanged means", ["played with", *MEASURES.values()], rows)
    cases = [
        {"seed": pair.song.seed, "program": pair.song.part(pair.target).program, "twin": pair.song.part("twin").program}
        | {row: kept[row][number] for row in kept}
        for number, pair in enumerate(pairs)
    ]
    settings = {"weights": weights_folder(weights).name, "songs": songs, "duration": duration}
    write_report("exchange", settings, {"means": summary, "songs": cases}, _picture(cases), results)


def hear(audio: np.ndarray) -> dict[str, Any]:
    """What there is to compare of a sound `(samples,)`."""
    return {
        "pitch": track_pitch(audio, SAMPLING_RATE),
        "onsets": onset_times(audio, SAMPLING_RATE),
        "timbre": timbre(audio, SAMPLING_RATE),
    }


def figures(bass: dict, own: dict, played: dict, wanted: dict) -> dict[str, float]:
    """What a sound keeps of a bass, and how far it has come from the bass's round trip to another."""
    return {
        "pitch": track_agreement(bass["pitch"], played["pitch"]),
        "onsets": onset_f1(bass["onsets"], played["onsets"]),
        **{part: style_movement(*(sound[part] for sound in (own, played, wanted))) for part in ("timbre", "mean")},
    }


def _picture(cases: list[dict]) -> Figure:
    """By the instrument asked for: how far the timbre came, beside what the twin's own round trip leaves."""
    picture = Figure(figsize=(10, 3.8), layout="constrained")
    axis = picture.subplots()
    programs = sorted({case["twin"] for case in cases})
    for nudge, row in ((-0.12, TWIN), (0.12, CEILING)):
        places = [programs.index(case["twin"]) + nudge for case in cases]
        axis.plot(places, [case[row]["timbre"] for case in cases], "o", alpha=0.6, label=row)
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set(ylabel="MFCCs moved to the twin's", title="basses asked for as another instrument")
    axis.set_xticks(range(len(programs)), [PROGRAM_NAMES.get(p, str(p)) for p in programs], rotation=30)
    picture.legend(loc="outside right upper")
    return picture


if __name__ == "__main__":
    typer.run(main)
