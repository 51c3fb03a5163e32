"""How much does a program that holds a part of a core slow a generation down, and which OpenMP policy helps?

Threads of OpenMP wait for each other at the end of every operation. By default they spin while they wait, and where
another program holds a core, the one that is waited for does not get its turn. With `OMP_WAIT_POLICY=PASSIVE` they
sleep. Each run is a process of its own, since the policy is read when PyTorch is loaded; the load is a process that
computes and sleeps in turns of 5 ms.

Run it as `python -m benchmarks.speed.under_load`, on a machine that does nothing else: four minutes of two cores.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.plotting import role_colors
from benchmarks.common.report import RESULTS, print_table, write_report
from latentstem import StemAccompanimentPipeline

LOADS = {"quiet": 0.0, "half a core": 0.5, "a core": 1.0}
POLICIES = {"default": None, "passive": "PASSIVE"}
SECONDS = 12.0
TURN = 0.01


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each case; the median counts.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 8,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    times: dict[str, dict[str, list[float]]] = {load: {policy: [] for policy in POLICIES} for load in LOADS}
    for _ in track(range(rounds), "rounds"):
        for load, share in LOADS.items():
            for policy in POLICIES:
                with _busy(share):
                    times[load][policy].append(_run(POLICIES[policy], steps))
    figures = {
        load: {policy: float(np.median(seconds)) for policy, seconds in own.items()} for load, own in times.items()
    }
    quiet = min(figures["quiet"].values())
    rows = [
        [load, *(f"{own[policy]:.2f} s ({own[policy] / quiet:.1f})" for policy in POLICIES)]
        for load, own in figures.items()
    ]
    print_table("A stem of 12 s beside another program", ["it holds", *POLICIES], rows, "times the quiet one")
    settings = {"rounds": rounds, "steps": steps, "seconds": SECONDS, "threads": torch.get_num_threads()}
    report = {"median_seconds": figures, "seconds": times}
    write_report("under_load", settings, report, plot(report), results)


def measure(steps: int) -> float:
    """Generate a stem twice in this process, and return the seconds of the second time.

    Args:
        steps: Denoising steps.
    """
    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    mix = 0.1 * torch.randn(1, round(SECONDS * pipe.sampling_rate), generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        before = time.perf_counter()
        pipe(mix, sampling_rate=pipe.sampling_rate, num_inference_steps=steps, generator=0)
    return time.perf_counter() - before


def _run(policy: str | None, steps: int) -> float:
    code = "import sys; from benchmarks.speed.under_load import measure; print(measure(int(sys.argv[1])))"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy is not None:
        environment["OMP_WAIT_POLICY"] = policy
    words = [sys.executable, "-c", code, str(steps)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout)


@contextmanager
def _busy(share: float) -> Iterator[None]:
    """Hold a share of a core by another process."""
    if not share:
        yield
        return
    code = f"""
import time
while True:
    until = time.perf_counter() + {share * TURN}
    while time.perf_counter() < until:
        pass
    if {share} < 1:
        time.sleep({(1 - share) * TURN})
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.kill()


def plot(report: dict[str, Any]) -> Figure:
    figures, colors = report["median_seconds"], role_colors(POLICIES, ["passive"])
    picture = Figure(figsize=(7, 3), layout="constrained")
    axis = picture.subplots()
    for index, policy in enumerate(POLICIES):
        places = np.arange(len(figures)) + (index - 0.5) * 0.35
        axis.barh(places, [own[policy] for own in figures.values()], 0.33, color=colors[policy], label=policy)
    axis.set_yticks(range(len(figures)), list(figures))
    axis.invert_yaxis()
    axis.set(xlabel="seconds for a stem of 12 s", ylabel="another program holds", title="Beside another program")
    axis.legend(title="OMP_WAIT_POLICY")
    return picture


if __name__ == "__main__":
    typer.run(main)
