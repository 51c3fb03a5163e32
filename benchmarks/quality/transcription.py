"""Transcription of the true basses of test songs, compared with the written notes (mir_eval.transcription).

A note is found if its onset is within 50 ms and its pitch within 50 cents; with its end, if the end is also within
50 ms, or a fifth of the length of the note.

Run it as `python -m benchmarks.quality.transcription`; `--songs 8` is a quick look.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import mir_eval
import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common.plotting import plot_interval
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from benchmarks.common.songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, RenderedSong, unseen_songs
from latentstem.data.score import Note
from latentstem.evaluation import transcribe

METRICS = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "onset_f1": "F1 of onsets alone",
    "offset_f1": "F1 with ends",
}
KINDS = {"style": "bass style", "instrument": "instrument"}


def main(
    songs: Annotated[int, typer.Option(min=2, help="Number of test songs.")] = 48,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that analyze; by default one a core.")] = None,
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = [song for song in unseen_songs(0, songs, duration, cache) if song.song.part(song.target).notes]
    with processes(workers or os.cpu_count() or 1) as each:
        transcriptions = each(transcribe_bass, "transcribing", [song.stem for song in unseen])
    cases = [_case(song, notes) for song, notes in zip(unseen, transcriptions, strict=True)]
    figures = _summary(cases)
    groups = {kind: _grouped(cases, kind) for kind in KINDS}
    _print(figures, groups)
    settings = {"songs": songs, "duration": duration}
    report = {"all": figures, "groups": groups, "songs": cases}
    write_report(
        "transcription",
        settings,
        report,
        plot(report),
        results,
    )


def transcribe_bass(audio: np.ndarray) -> list[Note]:
    """Transcribe mono audio `(samples,)` at the benchmarks' sampling rate."""
    return transcribe(audio, SAMPLING_RATE)


def _case(song: RenderedSong, notes: Sequence[Note]) -> dict[str, Any]:
    bass = song.song.part(song.target)
    true, found = _columns(bass.notes), _columns(notes)
    precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(*true, *found, offset_ratio=None)
    matched = mir_eval.transcription.match_notes(*true, *found, offset_ratio=None)
    lags = [found[0][index, 0] - true[0][true_index, 0] for true_index, index in matched]
    return {
        "seed": song.song.seed,
        "style": song.song.bass_style or "none",
        "instrument": PROGRAM_NAMES.get(bass.program, str(bass.program)),
        "notes": len(bass.notes),
        "found": len(notes),
        "lag": float(np.median(lags)) if lags else None,
        "f1": f1,
        "precision": precision,
        "recall": recall,
        "onset_f1": mir_eval.transcription.onset_precision_recall_f1(true[0], found[0])[2],
        "offset_f1": mir_eval.transcription.precision_recall_f1_overlap(*true, *found)[2],
    }


def _columns(notes: Sequence[Note]) -> tuple[np.ndarray, np.ndarray]:
    """Convert notes to starts and ends `(notes, 2)`, and pitches in Hz `(notes,)`, for mir_eval."""
    times = np.array([(note.start, note.end) for note in notes], dtype=float).reshape(-1, 2)
    return times, 440.0 * 2.0 ** ((np.array([note.pitch for note in notes], dtype=float) - 69.0) / 12.0)


def _summary(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lags = [1000.0 * case["lag"] for case in cases if case["lag"] is not None]
    return {metric: interval([case[metric] for case in cases]) for metric in METRICS} | {
        "lag_ms": interval(lags) if lags else None
    }


def _grouped(cases: Sequence[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    members = defaultdict(list)
    for case in cases:
        members[case[kind]].append(case)
    return {name: _summary(members[name]) for name in sorted(members)}


def _print(figures: dict[str, Any], groups: dict[str, dict[str, Any]]) -> None:
    header = ["songs", "number", *METRICS.values(), "lag, ms"]
    rows = [_row("all", figures)]
    for members in groups.values():
        rows += [_row(name, group) for name, group in members.items()]
    print_table("Notes of true basses", header, rows)


def _row(name: str, figures: dict[str, Any]) -> list[str]:
    measured = [format_interval(figures[metric], digits=2) for metric in METRICS]
    lag = format_interval(figures["lag_ms"], digits=0) if figures["lag_ms"] else "-"
    return [name, str(figures["f1"]["songs"]), *measured, lag]


def plot(report: dict[str, Any]) -> Figure:
    rows = [("all songs", report["all"])]
    for kind, members in report["groups"].items():
        rows += [
            (KINDS[kind].upper(), None),
            *((f"{name} ({group['f1']['songs']})", group) for name, group in members.items()),
        ]
    picture = Figure(figsize=(9, 1.2 + 0.24 * len(rows)), layout="constrained")
    picture.suptitle("Notes found in true basses, by style and by instrument")
    for axis, metric in zip(picture.subplots(1, 2, sharey=True), ("f1", "offset_f1"), strict=True):
        for index, (_, group) in enumerate(rows):
            plot_interval(axis, index, group and group[metric])
        axis.set_yticks(range(len(rows)), [name for name, _ in rows])
        axis.set(title=METRICS[metric], xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5))
        axis.grid(axis="x", alpha=0.3)
    return picture


if __name__ == "__main__":
    typer.run(main)
