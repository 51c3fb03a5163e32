"""Time and memory of `latentstem bassnet`'s work against the length of the mix: file in, line, sound and MIDI out.

Every length has a process of its own, whose peak memory counts; the smallest of several times counts. The weights are
loaded before the clock starts.

Run it as `python -m benchmarks.speed.bassnet`, on a machine that does nothing else: five minutes of two cores.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem import BassNetPipeline
from latentstem.pipelines import generate_line_file, write_line_audio, write_line_midi

LENGTHS = (60, 240, 960, 3600)
RATE = 44100


def main(
    weights: Annotated[str, typer.Option(help="Name of shipped weights of BassNet, or folder.")] = "bassnet-gm",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each length.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    figures: dict[str, Any] = {}
    for length in LENGTHS:
        runs = [
            _run(weights, length, threads)
            for _ in track(range(1 if length > 1000 else rounds), description=f"{length} s")
        ]
        seconds = min(run["seconds"] for run in runs)
        memory = max(run["mebibytes"] for run in runs)
        figures[str(length)] = {"seconds": seconds, "times_real_time": length / seconds, "mebibytes": memory}
    rows = [
        [length, f"{own['seconds']:.1f}", f"{own['times_real_time']:.0f}", f"{own['mebibytes']:.0f}"]
        for length, own in figures.items()
    ]
    print_table("BassNet, from file to file", ["seconds of music", "seconds", "times real time", "MiB"], rows, "")
    settings = {"weights": Path(weights).name, "rounds": rounds, "threads": threads}
    write_report("bassnet_speed", settings, figures, plot(figures), results)


def _run(folder: str, length: int, threads: int) -> dict[str, float]:
    """Time and peak memory of one run in a process of its own."""
    code = "import json, sys; from benchmarks.speed.bassnet import measure; folder, length, threads = sys.argv[1:]; "
    code += "print(json.dumps(measure(folder, int(length), int(threads))))"
    words = [sys.executable, "-c", code, folder, str(length), str(threads)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def measure(folder: str, length: int, threads: int) -> dict[str, float]:
    """Make a line for noise of a length in this process, and measure it.

    Args:
        folder: Folder of the weights.
        length: Seconds of the mix.
        threads: Threads of torch.

    Returns:
        Seconds from file to files, and the peak memory of the process in MiB.
    """
    torch.set_num_threads(threads)
    pipe: Any = BassNetPipeline.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as name:
        mix, line = Path(name, "mix.wav"), Path(name, "line.wav")
        rng = np.random.default_rng(0)
        with soundfile.SoundFile(mix, "w", RATE, 2) as file:
            for _ in range(length):
                file.write(0.1 * rng.standard_normal((RATE, 2)).astype(np.float32))
        before = time.perf_counter()
        made = generate_line_file(pipe, mix, (0.5, -0.5))
        write_line_audio(made, line)
        write_line_midi(made.line, line.with_suffix(".mid"))
        seconds = time.perf_counter() - before
    return {"seconds": seconds, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(9, 3.5), layout="constrained")
    picture.suptitle("Lines and their sound from file to file, by length")
    for axis, (name, label) in zip(
        picture.subplots(1, 2),
        {"times_real_time": "times real time", "mebibytes": "peak memory, MiB"}.items(),
        strict=True,
    ):
        axis.plot([int(length) for length in figures], [own[name] for own in figures.values()], "o-")
        axis.set(xscale="log", xlabel="seconds of music", ylabel=label)
        axis.set_ylim(bottom=0)
    return picture


if __name__ == "__main__":
    typer.run(main)
