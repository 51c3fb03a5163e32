"""The control of BassNet over time, and where the controls of known patterns lie."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentstem._checks import short
from latentstem.pipelines.errors import ArgumentError


@dataclass(frozen=True)
class ControlPath:
    """A control that moves: from point to point in straight lines, before the first and after the last at rest.

    Attributes:
        times: Times of the points in seconds, ascending, `(points,)`.
        points: The points, `(points, control_dim)`.

    Raises:
        ValueError: There are no points, not one a time, or numbers that are not finite or times that do not ascend.

    Example:
        >>> path = ControlPath([0.0, 4.0], [[0.0, 1.0], [2.0, 1.0]])
        >>> path.at([1.0, 9.0]).tolist()
        [[0.5, 1.0], [2.0, 1.0]]
    """

    times: Sequence[float] | np.ndarray
    points: Sequence[Sequence[float]] | np.ndarray

    def __post_init__(self):
        times, points = np.asarray(self.times, float), np.asarray(self.points, float)
        if times.ndim != 1 or points.ndim != 2 or len(times) != len(points) or not len(times):
            raise ArgumentError(
                f"got times of shape {times.shape} and points of shape {points.shape}; expected (points,) and (points, "
                "dimensions), at least one point"
            )
        if not (np.isfinite(times).all() and np.isfinite(points).all() and (np.diff(times) > 0).all()):
            raise ArgumentError("got a path with numbers that are not finite, or times that do not ascend; mend them")

    def at(self, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the points at times in seconds, `(times, control_dim)`."""
        points = np.asarray(self.points, float)
        return np.stack([np.interp(times, self.times, axis) for axis in points.T], axis=-1)


Control = Sequence[float] | np.ndarray | Tensor | str | ControlPath
"""A point, `(control_dim,)`, the name of a known pattern, or a path of points."""


@dataclass(frozen=True)
class ControlPattern:
    """Where the controls of basses that follow one pattern lie, as a normal distribution.

    Attributes:
        mean: Mean of the controls, `control_dim` numbers.
        covariance: Their covariance, as many rows.
        share: Fraction of the training windows that follow the pattern.

    Raises:
        ValueError: Mean and covariance are of different sizes, or a number is not finite.

    Example:
        >>> points = np.random.default_rng(0).normal(size=(500, 2)) + [2.0, 0.0]
        >>> pattern = ControlPattern.of(points, share=0.25)
        >>> abs(pattern.mean[0] - 2.0) < 0.2
        True
    """

    mean: Sequence[float]
    covariance: Sequence[Sequence[float]]
    share: float

    def __post_init__(self):
        mean, covariance = np.asarray(self.mean, float), np.asarray(self.covariance, float)
        finite = np.isfinite(mean).all() and np.isfinite(covariance).all() and np.isfinite(self.share)
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not finite:
            raise ValueError(
                f"got a pattern with mean {short(self.mean)} and covariance {short(self.covariance)}; expected finite "
                "numbers: one a dimension, and a row of as many for each"
            )

    @classmethod
    def of(cls, points: np.ndarray, share: float) -> "ControlPattern":
        """Fit a pattern to the controls of its windows.

        Args:
            points: The controls, `(windows, control_dim)`, at least two.
            share: Fraction of all windows that these are.
        """
        points = np.asarray(points, float)
        covariance = np.atleast_2d(np.cov(points, rowvar=False))
        return cls(points.mean(0).round(4).tolist(), covariance.round(4).tolist(), round(share, 4))

    @staticmethod
    def read(patterns: Mapping[str, Mapping[str, Any]], control_dim: int) -> dict[str, "ControlPattern"]:
        """Read patterns from what is saved of them, and check their size.

        Args:
            patterns: Names to the fields of patterns.
            control_dim: Number of dimensions of the control.

        Raises:
            ValueError: A pattern lacks a field, has another one, or is of another size, or its name is not of letters,
                digits, spaces, dots and hyphens.
        """
        try:
            read = {name: ControlPattern(**fields) for name, fields in patterns.items()}
        except TypeError as error:
            raise ValueError("got a pattern with other fields than mean, covariance and share") from error
        for name, pattern in read.items():
            if not re.fullmatch(r"[\w. -]{1,40}", name):  # names are shown on web pages
                raise ValueError(
                    f"got a pattern named {short(name)}; expected letters, digits, spaces, dots and hyphens"
                )
            if len(pattern.mean) != control_dim:
                raise ValueError(f"got {len(pattern.mean)} numbers for pattern {name!r}; expected {control_dim}")
        return read


def control_path(control: Control | None, control_dim: int, patterns: Mapping[str, ControlPattern]) -> ControlPath:
    """Return any control as a path.

    Args:
        control: Point, name, or path; None is the origin.
        control_dim: Number of dimensions of the control.
        patterns: Known patterns by name.

    Raises:
        ValueError: The name is unknown, or the numbers are not finite or not as many as the control has.

    Example:
        >>> control_path((0.5, -1.0), 2, {}).at([5.0]).tolist()
        [[0.5, -1.0]]
    """
    if isinstance(control, ControlPath):
        if (given := np.shape(control.points)[1]) != control_dim:
            raise ArgumentError(f"got a path of points of {given} numbers; expected {control_dim}")
        return control
    if isinstance(control, str):
        if control not in patterns:
            known = f"one of: {', '.join(sorted(patterns))}" if patterns else "numbers: these weights name no pattern"
            raise ArgumentError("got {control} {value}; expected {known}", value=short(control), known=known)
        return ControlPath([0.0], [patterns[control].mean])
    message = "got {control} {value}; expected {size} finite numbers, or a ControlPath"
    try:
        point = np.zeros(control_dim) if control is None else np.asarray(torch.as_tensor(control).cpu(), float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(message, value=short(control), size=control_dim) from error
    if point.shape != (control_dim,) or not np.isfinite(point).all():
        raise ArgumentError(message, value=short(control), size=control_dim)
    return ControlPath([0.0], point[None])
