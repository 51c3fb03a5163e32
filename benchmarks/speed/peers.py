"""Speed and memory compared with other libraries: autoencoders, denoisers, whole sampling, attention, and length.

Every case runs in a process of its own (`peer_case.py`), once a round, in several rounds, of which the fastest counts:
on a shared machine another load can slow a single run more than tenfold, and rounds spread it over all cases. Ratios
hold within one run of this benchmark only. Each process measures the rate of a matrix product before its case, which
tells a disturbed round from a slow net. A case whose package is missing is listed with the reason.

Install `peers_requirements.txt` as it says, and run `python -m benchmarks.speed.peers`, on a machine that does nothing
else: most of an hour on two cores.
"""

import fnmatch
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullFormatter
from rich.progress import track

from benchmarks.common.plotting import role_colors
from benchmarks.common.report import RESULTS, print_table, write_report
from benchmarks.speed.peer_case import BFLOAT16, cases
from benchmarks.speed.targets import as_figures, goals

CHILD = "benchmarks.speed.peer_case"
GROUPS = {
    "encode": "Autoencoders: encode",
    "decode": "Autoencoders: decode",
    "forward": "Denoisers: one forward",
    "sampling": "Whole sampling, 64 steps",
    "attention": "Attention",
    "length": "Lengths, autoencoder of latentstem as a stream",
    "files": "From file to file, fast",
}


def main(
    seconds: Annotated[float, typer.Option(min=0.5, help="Seconds of audio, if a case names none.")] = 60.0,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds over all cases; the fastest counts.")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Cases to run, such as encode/* or */latentstem*.")] = None,
    heavy: Annotated[bool, typer.Option(help="Also x-transformers at 4096 frames, which takes 20 GB.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every process.")] = 2,
    timeout: Annotated[float, typer.Option(help="Seconds after which a case is stopped.")] = 1800.0,
    python: Annotated[Path, typer.Option(help="Interpreter with the other libraries; it runs all cases.")] = Path(
        sys.executable
    ),
    name: Annotated[str, typer.Option(help="Name of the report.")] = "peers",
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    patterns = only or ["*"]
    chosen = [case for case in cases(heavy) if any(fnmatch.fnmatch(case, pattern) for pattern in patterns)]
    if not chosen:
        raise typer.BadParameter(f"got --only {' '.join(patterns)}; expected patterns of {', '.join(cases(heavy))}")
    runs: dict[str, list[dict[str, Any]]] = {case: [] for case in chosen}
    for index in range(repeats):
        for case in track(chosen, description=f"round {index + 1} of {repeats}"):
            if not any("missing" in run for run in runs[case]):
                runs[case].append(_run(python, case, seconds, threads, timeout))

    rows = {case: _row(of_case) for case, of_case in runs.items()}
    for case, row in rows.items():
        reference = rows.get(_reference(case), {})
        if "seconds" in row and "seconds" in reference:
            row["times_as_slow"] = row["seconds"] / reference["seconds"]
    found = goals(rows)
    _print(rows, found)
    settings = {
        "seconds": seconds,
        "repeats": repeats,
        "threads": threads,
        "only": patterns,
        "packages": sorted({row["package"] for row in rows.values() if "package" in row}),
    }
    figures = {"cases": rows, "goals": as_figures(found)}
    write_report(name, settings, figures, plot(figures), results)


def _run(python: Path, case: str, seconds: float, threads: int, timeout: float) -> dict[str, Any]:
    """Run a case in a process and return its results, or why there are none."""
    command = [str(python), "-m", CHILD, case, "--seconds", str(seconds), "--threads", str(threads)]
    # Weights are random or shipped; offline, a library that would download some fails at once.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    # Plain tracebacks, whose last line names the error, instead of typer's boxes.
    environment["TYPER_STANDARD_TRACEBACK"] = "1"
    try:
        child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"missing": f"gave up after {timeout:g} s"}
    if child.returncode < 0:
        return {"missing": f"killed by signal {-child.returncode}; 9 is mostly for lack of memory"}
    if child.returncode:
        return {"missing": (child.stderr.strip().splitlines() or ["failed without a message"])[-1]}
    return json.loads(child.stdout.splitlines()[-1])


def _row(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fastest round of a case, with the times of all and the peak memory; or why it is missing."""
    missing = [run for run in runs if "missing" in run]
    if missing:
        return missing[0]
    best = min(runs, key=lambda run: run["seconds"])
    row = {
        **best,
        **{key: min(run[key] for run in runs) for key in ("first_seconds", "load_seconds")},
        "peak_memory": max(run["peak_memory"] for run in runs),
        "times_real_time": best["audio_seconds"] / best["seconds"],
        "all_seconds": [run["seconds"] for run in runs],
    }
    if "flops" in row:
        # The rate of square matrices is the highest of all rounds.
        kind = "bf16" if row["bfloat16"] else "fp32"
        own = row["linear_flops"] / min(run["linear_seconds"] for run in runs)
        square = max(run["gemm_rates"][kind] for run in runs)
        row["rate"] = row["flops"] / row["seconds"]
        row["share_of_square"], row["share_of_own_shapes"] = row["rate"] / square, row["rate"] / own
    return row


def _reference(case: str) -> str:
    """Name the case to compare with: latentstem in the same dtype, or the same attention without a bias."""
    name, suffix = case.removesuffix(BFLOAT16), case[len(case.removesuffix(BFLOAT16)) :]
    group = name.partition("/")[0]
    return name.replace("biased", "plain") if group == "attention" else f"{group}/latentstem{suffix}"


def _print(rows: dict[str, dict[str, Any]], found: list) -> None:
    for group, title in GROUPS.items():
        lines = [_cells(case, row) for case, row in rows.items() if case.startswith(f"{group}/")]
        if lines:
            against = "without bias" if group == "attention" else "latentstem"
            header = ["case", "seconds", "x real time", f"x as slow as {against}", "peak MB", "M parameters", "GFLOP/s"]
            caption = "fastest round; GFLOP/s: a 1024 x 1024 float32 product, just before"
            print_table(title, header, lines, caption)
    for case, row in rows.items():
        if "rate" in row:
            print(
                f"{case}: {row['rate'] / 1e9:.0f} GFLOP/s, {row['share_of_square']:.0%} of square products, "
                f"{row['share_of_own_shapes']:.0%} of products of its own shapes"
            )
        if case == "sampling/latentstem-audio" and "seconds" in row:
            print(f"cold start: {row['load_seconds']:.1f} s to load, {row['first_seconds']:.1f} s for the first stem")
        if "missing" in row:
            print(f"{case} is missing: {row['missing']}")
    lines = [
        [
            goal.name,
            "not measured" if math.isnan(goal.reached) else _short(goal.reached),
            f"{'>=' if goal.at_least else '<='} {goal.asked:.3g}",
            "yes" if goal.met else "no",
        ]
        for goal in found
    ]
    print_table("Goals", ["goal", "reached", "asked", "met"], lines, caption="")


def _cells(case: str, row: dict[str, Any]) -> list[str]:
    if "missing" in row:
        return [case, "missing", *[""] * 5]
    return [
        case,
        f"{row['seconds']:.4g}",
        _short(row["times_real_time"]),
        _short(row["times_as_slow"]) if "times_as_slow" in row else "",
        f"{row['peak_memory'] / 1e6:.0f}",
        f"{row['parameters'] / 1e6:.1f}",
        f"{row['gemm_rates']['fp32'] / 1e9:.0f}",
    ]


def _short(figure: float) -> str:
    """Format with three digits, or all before the point."""
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"


def plot(figures: dict[str, Any]) -> Figure:
    """Draw bars of speed and memory, and time and memory against length, as far as they were measured."""
    measured = {case: row for case, row in figures["cases"].items() if "seconds" in row}
    bars = {
        group: {case.partition("/")[2]: row for case, row in measured.items() if case.startswith(f"{group}/")}
        for group in ("encode", "decode", "forward", "sampling")
    }
    bars = {group: of_group for group, of_group in bars.items() if of_group}
    lengths = {case: row for case, row in measured.items() if case.startswith(("length/", "files/"))}
    heights = [1 + sum(0.8 + 0.3 * len(of_group) for of_group in bars.values())] * bool(bars) + [4] * bool(lengths)
    picture = Figure(figsize=(11, sum(heights, 0.5)), layout="constrained")
    parts = iter(picture.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat if heights else ())
    if bars:
        _draw_bars(next(parts), bars)
    if lengths:
        _draw_lengths(next(parts), lengths)
    return picture


def _draw_bars(figure: SubFigure, bars: dict[str, dict[str, dict[str, Any]]]) -> None:
    seconds = max(row["audio_seconds"] for of_group in bars.values() for row in of_group.values())
    figure.suptitle(f"latentstem beside other libraries: {seconds:g} s of audio, the fastest round")
    heights = [len(of_group) + 1 for of_group in bars.values()]
    axes = figure.subplots(len(bars), 2, squeeze=False, gridspec_kw={"height_ratios": heights}, sharex="col")
    for (speed, memory), (group, cases_of) in zip(axes, bars.items(), strict=True):
        names = sorted(cases_of, key=lambda name: cases_of[name]["times_real_time"])
        colors = list(role_colors(names, [name for name in names if name.startswith("latentstem")]).values())
        for axis, figures, label in (
            (speed, [cases_of[name]["times_real_time"] for name in names], "times real time"),
            (memory, [cases_of[name]["peak_memory"] / 1e9 for name in names], "peak resident memory, GB"),
        ):
            drawn = axis.barh(names, figures, color=colors)
            axis.bar_label(drawn, [_short(figure) for figure in figures], padding=3, fontsize="small")
            axis.set(xscale="log", xlabel=label if group == list(bars)[-1] else "")
            axis.xaxis.set_minor_formatter(NullFormatter())  # between powers of ten they would overlap
            axis.margins(x=0.2)
        speed.set_title(GROUPS[group], loc="left")
        memory.set_yticklabels([])


def _draw_lengths(figure: SubFigure, rows: dict[str, dict[str, Any]]) -> None:
    time, memory = figure.subplots(1, 2)
    for prefix, label in (
        ("length/encode", "encode"),
        ("length/decode", "decode"),
        ("files/", "file to file, fast"),
    ):
        of_prefix = [row for case, row in rows.items() if case.startswith(prefix)]
        minutes = [row["audio_seconds"] / 60 for row in of_prefix]
        time.plot(minutes, [row["seconds"] for row in of_prefix], "o-", label=label)
        memory.plot(minutes, [row["peak_memory"] / 1e9 for row in of_prefix], "o-", label=label)
    for axis, label in ((time, "seconds"), (memory, "peak resident memory, GB")):
        axis.set(xscale="log", xlabel="minutes of audio", ylabel=label)
    time.set(yscale="log", title="Time against length")
    memory.set(title="Memory against length")
    memory.set_ylim(bottom=0)
    time.legend()


if __name__ == "__main__":
    typer.run(main)
