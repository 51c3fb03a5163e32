"""Density, register and level of a part as curves at the rate of latent frames.

Each is smoothed by a Hann window of four seconds around the middle of a frame, which is as wide as two seconds of equal
weights. The part of the window before the song does not count. Each comes as two channels: the scaled value, and 1
where there is a value; where there is none, both are 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentstem.audio.level import REFERENCE_RMS

WINDOW = 4.0
"""Length of the Hann window in seconds."""
LEAST_SOUND = 1e-3
"""Weighted seconds of notes in a window from which there is a register."""
SILENCE_DB = -60.0
"""Level under which there is none."""


@dataclass(frozen=True)
class CurveScale:
    """Scale of a curve: values from `center - spread` to `center + spread` become those from -1 to 1.

    Attributes:
        center: Value that becomes 0.
        spread: Distance from it that becomes 1; nothing is clipped.

    Example:
        >>> DENSITY.features(np.array([0.0, 6.0, np.nan])).tolist()
        [[-1.0, 0.5, 0.0], [1.0, 1.0, 0.0]]
    """

    center: float
    spread: float

    def features(self, values: np.ndarray) -> Tensor:
        """Scale values, with NaN where there is none.

        Args:
            values: Values `(frames,)`.

        Returns:
            `(2, frames)`: scaled values, and 1 where there is one.
        """
        present = np.isfinite(values)
        scaled = np.where(present, (values - self.center) / self.spread, 0.0)
        return torch.from_numpy(np.stack([scaled, present])).float()


DENSITY = CurveScale(center=4.0, spread=4.0)
"""Notes a second: 0 is -1, and 8, sixteenth notes at 120 beats a minute, is 1."""
REGISTER = CurveScale(center=40.0, spread=12.0)
"""MIDI pitch: 28, the low E of a bass guitar, is -1, and 52 two octaves above is 1."""
LEVEL = CurveScale(center=0.0, spread=12.0)
"""dB over the active level of the whole part."""


@dataclass(frozen=True)
class Curve:
    """A value over time as users give it.

    Attributes:
        times: Times in seconds, ascending.
        values: Value at each time; straight lines between, and the first and last value beyond.

    Raises:
        ValueError: There are no points, times do not ascend, or a number is not finite.

    Example:
        >>> rising = Curve.points([(0.0, 2.0), (8.0, 6.0)])
        >>> rising.features(3, frames_per_second=0.25, scale=DENSITY)[0].tolist()
        [-0.25, 0.25, 0.5]
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        finite = np.isfinite([*self.times, *self.values]).all()
        if not self.times or len(self.times) != len(self.values) or not finite or (np.diff(self.times) <= 0).any():
            raise ValueError(
                f"got values {self.values} at the times {self.times}; expected finite numbers, at times that ascend"
            )

    @classmethod
    def constant(cls, value: float) -> "Curve":
        """Make a curve of one value."""
        return cls((0.0,), (float(value),))

    @classmethod
    def points(cls, points: Sequence[tuple[float, float]]) -> "Curve":
        """Make a curve of points (seconds, value)."""
        return cls(tuple(float(time) for time, _ in points), tuple(float(value) for _, value in points))

    def features(self, frames: int, frames_per_second: float, scale: CurveScale) -> Tensor:
        """Scale the values at the middle of each frame.

        Args:
            frames: Number of frames.
            frames_per_second: Rate of the frames.
            scale: `DENSITY`, `REGISTER` or `LEVEL`.

        Returns:
            `(2, frames)`: scaled values, and ones.
        """
        return scale.features(np.interp(_middles(frames, frames_per_second), self.times, self.values))


def density_curve(onsets: Sequence[float] | np.ndarray, frames: int, frames_per_second: float) -> Tensor:
    """Compute how many notes a second there are around each frame.

    Args:
        onsets: Onsets of all notes in seconds.
        frames: Number of frames.
        frames_per_second: Rate of the frames.

    Returns:
        `(2, frames)`, scaled by `DENSITY`; there is a value everywhere, that of a rest is -1.

    Example:
        >>> density_curve(np.arange(0.25, 30.0, 0.5), frames=200, frames_per_second=10.0)[:, 100].tolist()
        [-0.5, 1.0]
    """
    middles = _middles(frames, frames_per_second)
    offsets = np.asarray(onsets, dtype=np.float64)[:, None] - middles
    weights = np.where(np.abs(offsets) < WINDOW / 2, np.cos(np.pi * offsets / WINDOW) ** 2, 0.0)
    return DENSITY.features(weights.sum(axis=0) / _weight_of_song(middles))


def register_curve(
    starts: Sequence[float] | np.ndarray,
    ends: Sequence[float] | np.ndarray,
    pitches: Sequence[float] | np.ndarray,
    frames: int,
    frames_per_second: float,
) -> Tensor:
    """Compute the mean pitch of the notes around each frame, weighted by how long they sound.

    Args:
        starts: Onset of each note in seconds.
        ends: End of each note in seconds.
        pitches: MIDI pitch of each note.
        frames: Number of frames.
        frames_per_second: Rate of the frames.

    Returns:
        `(2, frames)`, scaled by `REGISTER`; there is no value where no note sounds within the window.

    Example:
        >>> register_curve([0.0], [1.0], [52], frames=50, frames_per_second=10.0)[:, [5, 45]].tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """
    middles = _middles(frames, frames_per_second)
    begins, finishes = (np.asarray(times, dtype=np.float64)[:, None] - middles for times in (starts, ends))
    weights = _weight_before(finishes) - _weight_before(begins)
    total = weights.sum(axis=0)
    mean = np.asarray(pitches, dtype=np.float64) @ weights / np.maximum(total, LEAST_SOUND)
    return REGISTER.features(np.where(total > LEAST_SOUND, mean, np.nan))


def level_curve(
    audio: Tensor, sampling_rate: int, frames: int, frames_per_second: float, reference: float = REFERENCE_RMS
) -> Tensor:
    """Compute the root mean square around each frame; after its end the audio counts as silent.

    Args:
        audio: `(channels, samples)`.
        sampling_rate: Sampling rate of `audio` in Hz.
        frames: Number of frames.
        frames_per_second: Rate of the frames.
        reference: Root mean square of 0 dB: that of audio normalized by `latentstem.audio.normalize_level`.

    Returns:
        `(2, frames)`, scaled by `LEVEL`; there is no value where the level is under -60 dB.

    Example:
        >>> level_curve(torch.full((1, 88200), 0.2), 44100, frames=1, frames_per_second=10.0).round(decimals=1).tolist()
        [[0.5], [1.0]]
    """
    reach = math.ceil(WINDOW / 2 * frames_per_second)
    edges = np.round(np.arange(frames + reach + 1) * (sampling_rate / frames_per_second)).astype(int)
    energy = np.concatenate([[0.0], audio.double().square().mean(dim=0).cumsum(dim=0).numpy()])
    power = np.diff(energy[np.minimum(edges, len(energy) - 1)]) / np.diff(edges)
    weights = np.diff(_weight_before((np.arange(-reach, reach + 2) - 0.5) / frames_per_second))
    smooth = np.correlate(np.pad(power, (reach, 0)), weights, mode="valid")
    smooth = smooth / _weight_of_song(_middles(frames, frames_per_second))
    values = 10 * np.log10(np.maximum(smooth / reference**2, 1e-12))
    return LEVEL.features(np.where(values > SILENCE_DB, values, np.nan))


def _middles(frames: int, frames_per_second: float) -> np.ndarray:
    return (np.arange(frames) + 0.5) / frames_per_second


def _weight_before(offsets: np.ndarray) -> np.ndarray:
    """Integral of the window up to an offset from its middle in seconds; half of `WINDOW` is all of it."""
    inside = np.clip(offsets, -WINDOW / 2, WINDOW / 2)
    return WINDOW / 4 + inside / 2 + WINDOW / (4 * np.pi) * np.sin(2 * np.pi * inside / WINDOW)


def _weight_of_song(middles: np.ndarray) -> np.ndarray:
    """Integral of the window without the part before the song."""
    return WINDOW / 2 - _weight_before(-middles)
