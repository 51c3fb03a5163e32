"""Plot scores of stems: a panel for each metric, a column for each kind of stem, a point for each song."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_scores(
    scores: Mapping[str, Sequence[Mapping[str, float | None]]], metrics: Mapping[str, str], rows: int = 2
) -> Figure:
    """Plot every metric by kind of stem: one point a song, and a bar at the mean.

    Args:
        scores: Kind of stem to one score a song; a score has a value or None for each metric.
        metrics: Key of a metric in the scores to the title of its panel.
        rows: Rows of panels.

    Returns:
        The figure, to save with `savefig`.

    Example:
        >>> scores = {"generated": [{"onset_f1": 0.8}, {"onset_f1": None}]}
        >>> figure = plot_scores(scores, {"onset_f1": "onset F1"}, rows=1)
        >>> figure.axes[0].get_title()
        'onset F1'
    """
    figure = Figure(figsize=(16, 3 * rows), layout="constrained")
    panels = figure.subplots(rows, -(-len(metrics) // rows), squeeze=False).flatten()
    for panel, (metric, title) in zip(panels, metrics.items(), strict=False):
        for column, kind in enumerate(scores):
            values = [value for score in scores[kind] if (value := score[metric]) is not None]
            jitter = 0.3 * (np.random.default_rng(0).random(len(values)) - 0.5)
            panel.plot(column + jitter, values, ".", alpha=0.4)
            if values:
                panel.plot([column - 0.3, column + 0.3], [np.mean(values)] * 2, color="black")
        panel.set_xticks(range(len(scores)), list(scores), rotation=30, ha="right")
        panel.set(title=title)
    for panel in panels[len(metrics) :]:
        panel.set_visible(False)
    return figure
