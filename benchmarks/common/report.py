"""Reports of the benchmarks: bootstrap intervals over songs (Efron 1979), tables, JSON and pictures."""

import datetime
import io
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

matplotlib.use("Agg")
from cycler import cycler
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.common.plotting import SERIES
from latentstem.training.card import commit, processor

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
matplotlib.rcParams["axes.prop_cycle"] = cycler(color=SERIES)
PACKAGES = ("torch", "diffusers", "numpy", "librosa", "mir_eval", "soxr")


def mean(values: np.ndarray) -> np.ndarray:
    """Average over songs, the last axis."""
    return np.mean(values, axis=-1)


def interval(
    *columns: Sequence[float] | np.ndarray,
    statistic: Callable[..., np.ndarray] = mean,
    resamples: int = 10_000,
    coverage: float = 0.95,
) -> dict[str, float]:
    """Compute the bootstrap interval of a statistic over songs, by percentiles (Efron 1979).

    Args:
        *columns: Columns of one value a song; songs are resampled jointly, which keeps pairs together.
        statistic: Function of the columns, `(..., songs)` each, that reduces the last axis.
        resamples: Number of resamples.
        coverage: Fraction of the resamples between the ends of the interval.

    Returns:
        `{"mean", "low", "high", "songs"}`; "mean" is the statistic on the songs themselves.
    """
    values = [np.asarray(column, dtype=float) for column in columns]
    songs = len(values[0])
    draws = np.random.default_rng(0).integers(songs, size=(resamples, songs))
    resampled = statistic(*(column[draws] for column in values))
    low, high = np.quantile(resampled, [(1 - coverage) / 2, (1 + coverage) / 2])
    return {"mean": float(statistic(*values)), "low": float(low), "high": float(high), "songs": songs}


def format_interval(figure: Mapping[str, float], unit: float = 1.0, digits: int = 3) -> str:
    """Format an interval as `0.812 [0.790, 0.833]`, in units of `unit`."""
    middle, low, high = (figure[key] / unit for key in ("mean", "low", "high"))
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


short_interval = partial(format_interval, digits=2)
"""Format an interval as `0.81 [0.79, 0.83]`, for the documents."""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table of the documents.

    Args:
        header: Cells of the first row.
        rows: Cells of the other rows.
    """
    lines = (header, ["---"] * len(header), *rows)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def print_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "mean and bootstrap 95 % interval over songs",
) -> None:
    """Print a table whose first column is text and whose other columns are numbers."""
    table = Table(title=title, caption=caption)
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def write_report(
    name: str, settings: Mapping[str, Any], figures: Mapping[str, Any], picture: Figure, folder: Path = RESULTS
) -> None:
    """Write `<folder>/<name>.json` and `<folder>/<name>.png`.

    Args:
        name: Name of the benchmark.
        settings: Options of the run; of folders the last part of the path only.
        figures: Results, ready for JSON.
        picture: Picture of the results.
        folder: Folder of the reports, created if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = {"benchmark": name, **_environment(), "settings": dict(settings), "figures": dict(figures)}
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    save_picture(picture, folder / f"{name}.png")
    Console().print(f"wrote {name}.json and {name}.png in {folder}")


def save_picture(picture: Figure, path: Path) -> None:
    """Write a picture as a PNG with a palette of 256 colors, a third as large as one of all colors.

    Args:
        picture: Picture to write.
        path: Path of the PNG.
    """
    drawn = io.BytesIO()
    picture.savefig(drawn, format="png", dpi=150, bbox_inches="tight")
    shrink_picture(drawn).save(path, optimize=True)


def shrink_picture(source: Any) -> Image.Image:
    """Read a PNG, and return it on white and with a palette of 256 colors.

    Args:
        source: Path of the PNG, or a file with it.
    """
    # No dithering: it would speckle the plain areas of plots, and the file would be larger.
    return Image.open(source).convert("RGB").quantize(256, dither=Image.Dither.NONE)


def _environment() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(REPOSITORY),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }
