"""Time of encoding and decoding against the length of the audio.

`peers.py` runs every length in a process of its own, to measure memory; times of two processes differ by several per
cent, and a slope is a difference of two times. Here all lengths run in turn in one process, in many rounds, of which
the fastest counts for each length.

Run it as `python -m benchmarks.speed.length_scaling`, on a machine that does nothing else: four minutes on two cores.
"""

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.report import RESULTS, print_table, write_report
from benchmarks.speed.peer_models import ours_stream
from benchmarks.speed.targets import WAYS

LENGTHS = (30, 60, 120, 240)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds over all lengths; the fastest counts.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    torch.set_num_threads(threads)
    figures = {way: _measured(way, rounds) for way in WAYS}
    rows = [
        [
            way,
            *(f"{1000 * seconds / length:.2f}" for length, seconds in zip(LENGTHS, found["seconds"], strict=True)),
            f"{found['slope_ratio']:.3f}",
            f"{found['exponent']:.3f}",
        ]
        for way, found in figures.items()
    ]
    header = ["ms a second of audio", *(f"{length} s" for length in LENGTHS), "slope ratio", "exponent"]
    caption = "slope ratio: from 120 to 240 s over from 30 to 60 s; exponent: of time over length, by least squares"
    print_table("Time against length", header, rows, caption)
    settings = {"lengths": LENGTHS, "rounds": rounds, "threads": threads}
    write_report("length_scaling", settings, figures, plot(figures), results)


@torch.no_grad()
def _measured(way: str, rounds: int) -> dict[str, Any]:
    cases = [ours_stream(way, float(length)) for length in LENGTHS]
    times = np.full((rounds + 1, len(cases)), np.inf)
    order = np.random.default_rng(0)
    for index in track(range(rounds + 1), description=way):
        for case in order.permutation(len(cases)):
            before = time.perf_counter()
            cases[case].run()
            times[index, case] = time.perf_counter() - before
    seconds = times[1:].min(axis=0)  # the first round warms up
    slopes = np.diff(seconds) / np.diff(LENGTHS)
    return {
        "seconds": seconds.tolist(),
        "slope_ratio": float(slopes[-1] / slopes[0]),
        "exponent": float(np.polyfit(np.log(LENGTHS), np.log(seconds), 1)[0]),
    }


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(6, 3.5), layout="constrained")
    axis = picture.subplots()
    for way, found in figures.items():
        axis.plot(
            LENGTHS, [1000 * s / length for length, s in zip(LENGTHS, found["seconds"], strict=True)], "o-", label=way
        )
    axis.set(
        xscale="log", xticks=LENGTHS, xticklabels=LENGTHS, xlabel="seconds of audio", ylabel="ms a second of audio"
    )
    axis.set_title("Time for a second of audio, by length")
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
