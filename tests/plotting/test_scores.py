"""Plot of scores: a panel a metric, every known value as a point, and a bar at the mean."""

import numpy as np

from latentstem.plotting.scores import plot_scores


def test_every_known_value_is_a_point_and_the_mean_a_bar():
    scores = {"true": [{"a": 0.5, "b": None}, {"a": 1.0, "b": None}], "generated": [{"a": 0.25, "b": 2.0}]}
    figure = plot_scores(scores, {"a": "first", "b": "second"}, rows=1)
    assert [panel.get_title() for panel in figure.axes] == ["first", "second"]
    points = [
        [sorted(line.get_ydata()) for line in panel.lines if line.get_linestyle() == "None"] for panel in figure.axes
    ]
    means = [[line.get_ydata()[0] for line in panel.lines if line.get_linestyle() != "None"] for panel in figure.axes]
    assert points == [[[0.5, 1.0], [0.25]], [[], [2.0]]]
    assert means == [[0.75, 0.25], [2.0]]


def test_panels_without_a_metric_are_hidden():
    figure = plot_scores({"true": [{"a": 0.5, "b": 0.1, "c": np.pi}]}, {"a": "a", "b": "b", "c": "c"}, rows=2)
    assert [panel.get_visible() for panel in figure.axes] == [True, True, True, False]
