"""The picture of the harmony benchmark: chord share by song, every measure by row, and the groups of songs."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.groups import Groups
from benchmarks.common.scores import summary
from latentstem.evaluation.scores import METRICS, Score

SHOWN_BY_GROUP = ("chord_share", "root_on_downbeat", "onset_f1")
TRUTH, MODEL, OTHER = "#2e7d32", "#1565c0", "#757575"
KINDS = {
    "style": "bass style",
    "metre": "metre",
    "stems": "stems in the mix",
    "mix": "heard of the mix",
    "set": "BassNet's sets",
}


def harmony_picture(
    scores: dict[str, list[Score]], figures: dict[str, dict], groups: Groups, made: str, growth: list[dict]
) -> Figure:
    """Draws the three panels.

    Args:
        scores: row -> scores by song; the first two rows are the bounds.
        figures: row -> measure -> interval.
        groups: of songs.
        made: name of the row of the generated basses.
        growth: records of a training with `seconds` and `chord_share`; may be empty.
    """
    rows = list(scores)
    colours = {row: MODEL if row == made else TRUTH if row in rows[:2] else OTHER for row in rows}
    lines = sum(len(members) for members in groups.values()) + len(groups)
    heights = (3.4, 5.2, 0.6 + 0.24 * lines)
    picture = Figure(figsize=(13, sum(heights)), layout="constrained")
    panels: Any = picture.subfigures(3, 1, height_ratios=heights)
    top, middle, bottom = panels

    by_song, *rest = np.ravel(top.subplots(1, 2 if growth else 1, width_ratios=[2, 1] if growth else None))
    _by_song(by_song, scores, colours)
    for axis in rest:
        minutes = [point["seconds"] / 60 for point in growth]
        axis.plot(minutes, [point["chord_share"] for point in growth], "o-", markersize=3)
        axis.set(xlabel="minutes of training", ylabel="chord share", ylim=(0, 1.02), title="validation songs")

    middle.suptitle("by bass: mean and 95 % interval over songs")
    axes = middle.subplots(2, -(-len(METRICS) // 2), sharey=True).flatten()
    for axis in axes[len(METRICS) :]:
        axis.set_visible(False)
    for axis, (measure, name) in zip(axes, METRICS.items(), strict=False):
        for place, row in enumerate(rows):
            _interval(axis, place, figures[row][measure], colours[row])
        axis.set_yticks(range(len(rows)), rows)
        axis.set(title=name, ylim=(len(rows) - 0.5, -0.5))
        if measure.endswith("ratio"):
            axis.axvline(1.0, color="grey", linestyle=":")
        elif not measure.startswith("register"):
            axis.set_xlim(-0.02, 1.02)
        axis.grid(axis="x", alpha=0.3)

    bottom.suptitle("by kind of song and mix: generated (filled) and true bass (hollow)")
    for axis, measure in zip(bottom.subplots(1, len(SHOWN_BY_GROUP), sharey=True), SHOWN_BY_GROUP, strict=True):
        _by_group(axis, groups, measure)
    return picture


def _by_song(axis: Axes, scores: dict[str, list[Score]], colours: dict[str, str]) -> None:
    for place, (row, cases) in enumerate(scores.items()):
        shares = [case["chord_share"] or 0.0 for case in cases]
        spread = np.linspace(-0.18, 0.18, len(shares))
        axis.plot(place + spread, shares, "o", alpha=0.5, markersize=4, color=colours[row])
        axis.plot([place - 0.28, place + 0.28], [np.mean(shares)] * 2, color="black")
    axis.set_xticks(range(len(scores)), [_broken(row) for row in scores])
    axis.set(ylabel="chord share", ylim=(0, 1.02), title="one dot a song, line: mean")


def _by_group(axis: Axes, groups: Groups, measure: str) -> None:
    places, names, place = [], [], 0
    for kind, members in groups.items():
        places.append(place)
        names.append(KINDS[kind].upper())
        place += 1
        for name, group in members.items():
            _interval(axis, place, summary(group.generated)[measure], MODEL)
            true = summary(group.true)[measure]
            if true:
                axis.plot(true["mean"], place, "o", markersize=6, color=TRUTH, fillstyle="none")
            places.append(place)
            names.append(f"{name} ({len(group.generated)})")
            place += 1
    axis.set_yticks(places, names)
    axis.set(title=METRICS[measure], xlim=(-0.02, 1.02), ylim=(place - 0.5, -0.5))
    axis.grid(axis="x", alpha=0.3)


def _interval(axis: Axes, place: int, figure: dict[str, float] | None, colour: str) -> None:
    if figure:
        axis.plot([figure["low"], figure["high"]], [place, place], color=colour, linewidth=2, alpha=0.6)
        axis.plot(figure["mean"], place, "o", markersize=5, color=colour)


def _broken(row: str) -> str:
    """The name on two lines, broken at the blank nearest its middle."""
    blanks = [number for number, letter in enumerate(row) if letter == " "]
    middle = min(blanks, key=lambda number: abs(number - len(row) / 2), default=None)
    return row if middle is None else f"{row[:middle]}\n{row[middle + 1 :]}"
