"""What the pictures of the benchmarks share: colors, intervals, means with error bars, and one dot a song.

What the library made, with its default settings where these vary, is blue in every picture; the truth is green, and
what both are compared with is grey.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

OURS, TRUTH, OTHER = "#1565c0", "#2e7d32", "#757575"
SERIES = (OURS, "#ef6c00", "#8e24aa", "#00838f", "#ad1457", "#9e9d24", "#5d4037", "#f9a825", "#7e57c2", "#455a64")
"""Colors of lines that are all the library's, such as several solvers; matplotlib takes them in turn."""


def role_colors(cases: Iterable[str], ours: Collection[str], truth: Collection[str] = ()) -> dict[str, str]:
    """Color cases by what they are.

    Args:
        cases: Names of all cases.
        ours: Names of those that the library made.
        truth: Names of those that are true: they are the ceiling.

    Returns:
        Color of each case.

    Example:
        >>> role_colors(["generated", "true bass", "another mix"], ["generated"], ["true bass"])
        {'generated': '#1565c0', 'true bass': '#2e7d32', 'another mix': '#757575'}
    """
    return {case: OURS if case in ours else TRUTH if case in truth else OTHER for case in cases}


def series_colors(cases: Iterable[str], default: str) -> dict[str, str]:
    """Color cases that are all the library's: blue for the default, and the other colors in turn.

    Args:
        cases: Names of at most ten cases.
        default: Name of the case that the library takes by default.

    Returns:
        Color of each case.

    Example:
        >>> series_colors(["UniPC", "DDIM"], "DDIM")
        {'UniPC': '#ef6c00', 'DDIM': '#1565c0'}
    """
    others = iter(SERIES[1:])
    return {case: OURS if case == default else next(others) for case in cases}


def error_bars(cells: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Take means and error bars from intervals, as matplotlib's `errorbar` takes them.

    Args:
        cells: Intervals with "mean", "low" and "high"; see `benchmarks.common.report.interval`.

    Returns:
        Means `(cells,)`, and their distances from the lower and upper ends `(2, cells)`.

    Example:
        >>> means, bars = error_bars([{"mean": 0.5, "low": 0.25, "high": 1.0}])
        >>> means.tolist(), bars.tolist()
        ([0.5], [[0.25], [0.5]])
    """
    low, means, high = (np.array([cell[end] for cell in cells]) for end in ("low", "mean", "high"))
    return means, np.stack([means - low, high - means])


def plot_means(axis: Axes, positions: Sequence[float], cells: Sequence[Mapping[str, float]], **style: Any) -> None:
    """Draw the means of intervals as a line of dots with vertical error bars.

    Args:
        axis: Axes to draw on.
        positions: Horizontal position of each interval.
        cells: Intervals with "mean", "low" and "high".
        **style: Further arguments of `errorbar`.
    """
    means, bars = error_bars(cells)
    axis.errorbar(positions, means, yerr=bars, **{"marker": "o", "capsize": 3, **style})


def plot_interval(axis: Axes, row: float, cell: Mapping[str, float] | None, color: str = OURS) -> None:
    """Draw an interval as a horizontal bar with a dot at its mean; nothing for None.

    Args:
        axis: Axes to draw on.
        row: Vertical position.
        cell: Interval with "mean", "low" and "high".
        color: Color of bar and dot.
    """
    if cell:
        axis.plot([cell["low"], cell["high"]], [row, row], color=color, linewidth=2, alpha=0.6)
        axis.plot(cell["mean"], row, "o", markersize=5, color=color)


def plot_songs(axis: Axes, values: Mapping[str, Sequence[float]], colors: Mapping[str, str] | None = None) -> None:
    """Draw a column for each case: one dot a song, and a line at their mean.

    Args:
        axis: Axes to draw on.
        values: One value a song, by case.
        colors: Color of each case; None takes matplotlib's in turn.
    """
    for column, (case, of_songs) in enumerate(values.items()):
        positions = column + np.linspace(-0.18, 0.18, len(of_songs))
        color = None if colors is None else colors[case]
        axis.plot(positions, of_songs, "o", alpha=0.5, markersize=4, color=color)
        axis.plot([column - 0.28, column + 0.28], [np.mean(of_songs)] * 2, color="black")
    axis.set_xticks(range(len(values)), [break_label(case) for case in values])


def break_label(label: str) -> str:
    r"""Break a label into two lines at the blank nearest its middle.

    Args:
        label: Text of one line.

    Example:
        >>> break_label("nearest training bass")
        'nearest\ntraining bass'
    """
    blanks = [index for index, letter in enumerate(label) if letter == " "]
    middle = min(blanks, key=lambda index: abs(index - len(label) / 2), default=None)
    return label if middle is None else f"{label[:middle]}\n{label[middle + 1 :]}"
