"""Picture of the accompaniment benchmark: chord share by song, every metric by row, and the groups of songs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.plotting import OURS, TRUTH, plot_interval, plot_songs, role_colors
from latentstem.evaluation.scores import METRICS

GROUPED = ("chord_share", "root_on_downbeat", "onset_f1")
KINDS = {
    "style": "bass style",
    "metre": "time signature",
    "stems": "stems in the mix",
    "mix": "parts of the mix",
    "set": "BassNet's sets",
}


def plot(report: dict[str, Any]) -> Figure:
    """Draw the three panels; the first two rows of the report are the bounds."""
    figures, groups, growth = report["rows"], report["groups"], report["history"]
    rows = list(figures)
    colors = role_colors(rows, ["generated"], rows[:2])
    lines = sum(len(members) for members in groups.values()) + len(groups)
    heights = (3.4, 5.2, 0.6 + 0.24 * lines)
    picture = Figure(figsize=(13, sum(heights)), layout="constrained")
    panels: Any = picture.subfigures(3, 1, height_ratios=heights)
    top, middle, bottom = panels

    by_song, *rest = np.ravel(top.subplots(1, 2 if growth else 1, width_ratios=[2, 1] if growth else None))
    shares = {row: [song[row]["chord_share"] or 0.0 for song in report["songs"]] for row in rows}
    plot_songs(by_song, shares, colors)
    by_song.set(ylabel="chord share", ylim=(0, 1.02), title="Chord share, one dot a song, line: mean")
    for axis in rest:
        minutes = [point["seconds"] / 60 for point in growth]
        axis.plot(minutes, [point["chord_share"] for point in growth], "o-", markersize=3)
        axis.set(xlabel="minutes of training", ylabel="chord share", ylim=(0, 1.02), title="validation songs")

    middle.suptitle("By bass: mean and 95 % interval over songs")
    axes = middle.subplots(2, -(-len(METRICS) // 2), sharey=True).flatten()
    for axis in axes[len(METRICS) :]:
        axis.set_visible(False)
    for axis, (metric, name) in zip(axes, METRICS.items(), strict=False):
        for index, row in enumerate(rows):
            plot_interval(axis, index, figures[row][metric], colors[row])
        axis.set_yticks(range(len(rows)), rows)
        axis.set(title=name, ylim=(len(rows) - 0.5, -0.5))
        if metric.endswith("ratio"):
            axis.axvline(1.0, color="grey", linestyle=":")
        elif not metric.startswith("register"):
            axis.set_xlim(-0.02, 1.02)
        axis.grid(axis="x", alpha=0.3)

    bottom.suptitle("By kind of song and mix: generated (filled) and true bass (hollow)")
    for axis, metric in zip(bottom.subplots(1, len(GROUPED), sharey=True), GROUPED, strict=True):
        _by_group(axis, groups, metric)
    return picture


def _by_group(axis: Axes, groups: Mapping[str, Any], metric: str) -> None:
    names: list[str] = []
    for kind, members in groups.items():
        names.append(KINDS[kind].upper())
        for name, group in members.items():
            row = len(names)
            plot_interval(axis, row, group["generated"][metric], OURS)
            true = group["true bass"][metric]
            if true:
                axis.plot(true["mean"], row, "o", markersize=6, color=TRUTH, fillstyle="none")
            names.append(f"{name} ({group['songs']})")
    axis.set_yticks(range(len(names)), names)
    axis.set(title=METRICS[metric], xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axis.grid(axis="x", alpha=0.3)
