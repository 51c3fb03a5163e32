"""How every benchmark reports: means with bootstrap intervals, a table on the screen, JSON and a picture in a file."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

matplotlib.use("Agg")
from matplotlib.figure import Figure

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
PACKAGES = ("torch", "diffusers", "numpy", "librosa", "mir_eval", "soxr")


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over songs, the last axis."""
    return np.mean(values, axis=-1)


def interval(
    *columns: Sequence[float] | np.ndarray,
    statistic: Callable[..., np.ndarray] = mean,
    resamples: int = 10_000,
    share: float = 0.95,
) -> dict[str, float]:
    """Bootstrap interval of a statistic over songs (Efron 1979), by percentiles.

    Args:
        columns: one value a song each; songs are resampled jointly, which keeps pairs together.
        statistic: of the columns, `(..., songs)` each; reduces the last axis.
        resamples: number of resamples.
        share: of the resamples between the interval's ends.

    Returns:
        `{"mean", "low", "high", "songs"}`; "mean" is the statistic on the songs themselves.
    """
    values = [np.asarray(column, dtype=float) for column in columns]
    songs = len(values[0])
    draws = np.random.default_rng(0).integers(songs, size=(resamples, songs))
    resampled = statistic(*(column[draws] for column in values))
    low, high = np.quantile(resampled, [(1 - share) / 2, (1 + share) / 2])
    return {"mean": float(statistic(*values)), "low": float(low), "high": float(high), "songs": songs}


def format_interval(figure: Mapping[str, float], unit: float = 1.0, digits: int = 3) -> str:
    """Writes an interval as `0.812 [0.790, 0.833]`, in units of `unit`."""
    middle, low, high = (figure[key] / unit for key in ("mean", "low", "high"))
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def print_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "mean and bootstrap 95 % interval over songs",
) -> None:
    """Prints a table whose first column is text and whose others are figures."""
    table = Table(title=title, caption=caption)
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def write_report(
    name: str, settings: Mapping[str, Any], figures: Mapping[str, Any], picture: Figure, folder: Path = RESULTS
) -> None:
    """Writes `<folder>/<name>.json` and `<folder>/<name>.png`.

    Args:
        name: of the benchmark.
        settings: what it was run with; folders by their last name only.
        figures: what it found, ready for JSON.
        picture: of the figures.
        folder: where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = {"benchmark": name, **_environment(), "settings": dict(settings), "figures": dict(figures)}
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    picture.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
    Console().print(f"wrote {name}.json and {name}.png in {folder}")


def _environment() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def _commit() -> str | None:
    """The commit, with `+` where the working tree differs from it; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
