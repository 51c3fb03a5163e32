"""The page and the server under load: do they hold, in order and within bounds, whatever their clients do?

First a crowd: clients that fill the queue at once, of whom some cancel, some go in the midst of an upload, of a stream
of events or of a download, and one uploads slowly. Then visitors who come and go for some time. Each server is one
process, which is watched from outside. Everything that must not happen is listed under `problems`: an answer of 500, a
run that has failed, a refusal without a message, a line in the log, a file that is left behind.

Run it as `python -m benchmarks.speed.load`; with `--minutes 30` it is the soak test. It needs Linux, whose khugepaged
reads as a leak where it joins memory that is mostly free into huge pages: by default by 16 MB every ten seconds, for
some minutes. With 0 in /sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none it joins what is in use.
"""

import random
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.common.report import RESULTS, print_table, write_report
from benchmarks.common.served import Served
from benchmarks.common.tally import Tally, at_once
from benchmarks.speed import load_page, load_rest

NAMES = {"ui": "the page", "serve": "the server"}
KEEP_MINUTES = 0.5
_CLIENTS: dict[str, ModuleType] = {"ui": load_page, "serve": load_rest}


@dataclass(frozen=True)
class Load:
    """What a server is put under.

    Attributes:
        clients: Number of clients at a time.
        jobs: Number of jobs of the crowd.
        minutes: Minutes for which visitors come and go afterwards.
        slowly: Seconds that the slow upload takes.
        within: Seconds within which jobs are cancelled and pages are left.
    """

    clients: int
    jobs: int
    minutes: float
    slowly: float
    within: float


def main(
    clients: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 8,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs of the crowd.")] = 50,
    minutes: Annotated[float, typer.Option(min=0, help="Minutes for which visitors come and go.")] = 1.0,
    slowly: Annotated[float, typer.Option(min=0, help="Seconds that the slow upload takes.")] = 10.0,
    within: Annotated[float, typer.Option(min=0, help="Seconds within which jobs are cancelled.")] = 30.0,
    weights: Annotated[str, typer.Option(help="Name of shipped weights, or folder of saved ones.")] = "bass",
    programs: Annotated[str, typer.Option(help="ui, serve, or both.")] = "ui,serve",
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    load = Load(clients, jobs, minutes, slowly, within)
    figures: dict[str, Any] = {}
    tally = Tally()

    def measure(program: str) -> None:
        figures[program] = _under(program, load, weights)

    at_once(tally, [partial(measure, program) for program in programs.split(",")])
    if tally.problems:
        raise RuntimeError("; ".join(tally.problems))
    rows = [[NAMES[program], *_row(own)] for program, own in sorted(figures.items())]
    header = ["", "accepted", "done", "cancelled", "overtaken", "problems", "memory", "at the end", "files, most"]
    print_table("Under load", header, rows, "memory after a third of the visits, and at their end")
    settings = {**vars(load), "weights": Path(weights).name, "keep_minutes": KEEP_MINUTES}
    write_report("load", settings, figures, plot(figures), results)


def _under(program: str, load: Load, weights: str) -> dict[str, Any]:
    clients, crowd, visits = _CLIENTS[program], Tally(), Tally()
    own = ("--no-open",) if program == "ui" else ("--max-jobs", str(load.jobs), "--keep-minutes", str(KEEP_MINUTES))
    every = max(0.2, load.minutes / 10)
    with tempfile.TemporaryDirectory() as name:
        with Served(program, Path(name), "--weights", weights, "--max-duration", "60", *own, every=every) as served:
            clients.crowd(served.url, crowd, load.clients, load.jobs, load.slowly, load.within)
            begin = served.seconds
            until = time.monotonic() + 60 * load.minutes
            at_once(
                visits,
                [
                    partial(clients.visit, served.url, visits, random.Random(index), until)
                    for index in range(load.clients)
                ],
            )
            visits.expect(served.alive, "the server has ended")
            end = served.seconds
        visits.expect(served.exit_code == 0, f"the server ended with exit code {served.exit_code}")
        visits.expect(not served.left, f"left behind: {', '.join(served.left)}")
        visits.expect(not served.log, f"the log: {served.log}")
        return {
            "crowd": {**crowd.describe(), "overtaken": crowd.overtaken(tolerance=0.5)},
            "visits": visits.describe(),
            "memory": _memory(served, begin, end),
            "visits_from": begin,
            "samples": served.describe(),
        }


def _memory(served: Served, begin: float, end: float) -> dict[str, float]:
    """Compare the memory after a third of the visits with that of their end, as medians over a tenth of their time."""
    span = (end - begin) / 10
    middle = begin + (end - begin) / 3

    def around(moment: float) -> float:
        own = [sample.memory for sample in served.samples if abs(sample.seconds - moment) <= span / 2]
        return float(np.median(own or [served.samples[-1].memory]))

    after_a_third, at_the_end = around(middle), around(end - span / 2)
    return {"after_a_third": after_a_third, "at_the_end": at_the_end, "ratio": at_the_end / after_a_third}


def _row(own: dict[str, Any]) -> list[str]:
    counts = own["crowd"]["counts"]
    problems = len(own["crowd"]["problems"]) + len(own["visits"]["problems"])
    most = max((sample["file_bytes"] for sample in own["samples"]), default=0)
    memory = own["memory"]
    return [
        *(str(counts.get(name, 0)) for name in ("accepted", "done", "cancelled")),
        str(own["crowd"]["overtaken"]),
        str(problems),
        f"{memory['after_a_third'] / 1e6:.0f} MB",
        f"{memory['at_the_end'] / 1e6:.0f} MB ({memory['ratio']:.3f})",
        f"{most / 1e6:.0f} MB",
    ]


def plot(figures: dict[str, Any]) -> Figure:
    picture = Figure(figsize=(11, 3.4), layout="constrained")
    memory, files, waits = picture.subplots(1, 3)
    for program, own in sorted(figures.items()):
        minutes = [sample["seconds"] / 60 for sample in own["samples"]]
        for axis, key in ((memory, "memory"), (files, "file_bytes")):
            (line,) = axis.plot(minutes, [sample[key] / 1e6 for sample in own["samples"]], label=NAMES[program])
            axis.axvline(own["visits_from"] / 60, color=line.get_color(), linestyle=":")
        waited = own["crowd"]["waits"]
        waits.plot([wait["ahead"] for wait in waited], [wait["seconds"] for wait in waited], "o", alpha=0.6)
    memory.set(xlabel="minutes; visits from the dotted line on", ylabel="resident memory in MB", ylim=(0, None))
    files.set(xlabel="minutes", ylabel="temporary files in MB", ylim=(0, None))
    waits.set(xlabel="jobs ahead in the queue", ylabel="seconds until the turn came")
    memory.legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
