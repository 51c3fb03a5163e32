"""Beats and bars as phases at the rate of latent frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 0.05
"""Seconds by which a downbeat may be away from its beat."""
SILENCE_BETWEEN = 0.05
"""Seconds of silence after which a sound of a click track is another click."""
CLICK_THRESHOLD = 0.1
"""Amplitude, as a fraction of the peak of a click track, from which a click sounds."""
CLICK_LENGTH = 0.03
"""Seconds of a click that its loudness and its pitch are measured in."""
LOUDER, HIGHER = 2.0, 1 / 6
"""Least distance of two kinds of clicks, in dB and in octaves."""


@dataclass(frozen=True)
class BeatGrid:
    """Times of beats, and which of them are downbeats.

    Attributes:
        beats: Times in seconds, ascending, two or more.
        downbeats: Indices into `beats`, ascending. With fewer than two the length of a bar is not known.

    Raises:
        ValueError: There are fewer than two beats, or the numbers do not ascend.

    Example:
        >>> grid = BeatGrid.from_tempo(bpm=120.0, duration=8.0)
        >>> grid.beats[:3], grid.downbeats[:3]
        ((0.0, 0.5, 1.0), (0, 4, 8))
        >>> grid.phases(frames=86, frames_per_second=44100 / 4096).shape
        torch.Size([4, 86])
    """

    beats: tuple[float, ...]
    downbeats: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.beats) < 2 or not np.isfinite(self.beats).all() or (np.diff(self.beats) <= 0).any():
            raise ValueError(f"got the beats {_shorten(self.beats)}, expected two or more finite times that ascend")
        indices = (-1, *self.downbeats, len(self.beats))
        if (np.diff(indices) <= 0).any():
            raise ValueError(
                f"got the downbeats {_shorten(self.downbeats)}, expected ascending indices of {len(self.beats)} beats"
            )

    @classmethod
    def from_tempo(cls, bpm: float, duration: float, downbeat: float = 0.0, beats_per_bar: int = 4) -> "BeatGrid":
        """Make a grid of one tempo.

        Args:
            bpm: Beats a minute.
            duration: Seconds that the grid covers from 0 on, in whole bars.
            downbeat: Time in seconds of any downbeat.
            beats_per_bar: Number of beats in a bar.

        Raises:
            ValueError: A number is out of range.
        """
        if not (math.isfinite(bpm) and bpm > 0 and beats_per_bar >= 1):
            raise ValueError(f"got {bpm} beats a minute, {beats_per_bar} a bar; expected positive numbers")
        if not (math.isfinite(downbeat) and math.isfinite(duration) and duration >= 0):
            raise ValueError(f"got a downbeat at {downbeat} s in {duration} s; expected finite times")
        bar = 60.0 / bpm * beats_per_bar
        downbeat = math.fmod(downbeat, bar)
        first, end = math.floor(-downbeat / bar), math.ceil((duration - downbeat) / bar)
        numbers = np.arange(first * beats_per_bar, max(end, first + 1) * beats_per_bar + 1)
        beats = downbeat + numbers * (60.0 / bpm)
        return cls(tuple(beats.tolist()), tuple(range(0, len(beats), beats_per_bar)))

    @classmethod
    def from_times(cls, beats: Sequence[float], downbeats: Sequence[float] | None = None) -> "BeatGrid":
        """Make a grid of the times of beats and of those that are downbeats.

        Args:
            beats: Times of all beats in seconds, ascending.
            downbeats: Times of the downbeats in seconds, each within 50 ms of a beat; None if they are not known.

        Raises:
            ValueError: There are fewer than two beats, times do not ascend, or a downbeat is not on a beat.

        Example:
            >>> BeatGrid.from_times([0.1, 0.6, 1.2, 1.7], [0.6]).downbeats
            (1,)
        """
        grid = cls(tuple(map(float, beats)))
        indices = [int(np.abs(np.subtract(grid.beats, time)).argmin()) for time in downbeats or ()]
        for time, index in zip(downbeats or (), indices, strict=True):
            if abs(grid.beats[index] - time) > TOLERANCE:
                raise ValueError(
                    f"got a downbeat at {time:g} s, and the nearest beat is at {grid.beats[index]:g} s; expected every "
                    f"downbeat within {TOLERANCE} s of a beat"
                )
        return cls(grid.beats, tuple(indices))

    @classmethod
    def from_clicks(cls, audio: Tensor | np.ndarray, sampling_rate: int) -> "BeatGrid":
        """Find the beats of a click track.

        A click begins where the amplitude passes a tenth of the peak after 50 ms below it. If there are two kinds of
        clicks, the higher ones are the downbeats or, at equal pitch, the louder ones.

        Args:
            audio: Click track, `(samples,)` or `(channels, samples)`.
            sampling_rate: Sampling rate of `audio` in Hz.

        Raises:
            ValueError: There are fewer than two clicks.

        Example:
            >>> clicks = np.zeros(44100)
            >>> clicks[[4410, 15435, 26460, 37485]] = 1.0, 0.5, 1.0, 0.5
            >>> BeatGrid.from_clicks(clicks, 44100)
            BeatGrid(beats=(0.1, 0.35, 0.6, 0.85), downbeats=(0, 2))
        """
        channels = np.atleast_2d(np.asarray(audio, dtype=np.float64))
        amplitude = np.abs(channels).max(axis=0, initial=0.0)
        loud = np.flatnonzero(amplitude > CLICK_THRESHOLD * amplitude.max(initial=0.0))
        begins = loud[np.diff(loud, prepend=-sampling_rate) > SILENCE_BETWEEN * sampling_rate]
        if len(begins) < 2:
            raise ValueError(
                f"found {len(begins)} clicks in the click track, expected two or more, with silence between"
            )
        length = round(CLICK_LENGTH * sampling_rate)
        clicks = np.stack([np.pad(channels, ((0, 0), (0, length)))[:, begin : begin + length] for begin in begins])
        power = (np.abs(np.fft.rfft(clicks)) ** 2).sum(axis=1)
        pitch = np.log2((power * np.arange(1, power.shape[1] + 1)).sum(axis=1) / power.sum(axis=1))
        level = 20 * np.log10(np.abs(clicks).max(axis=(1, 2)))
        upper = _upper_kind(pitch, HIGHER)
        upper = _upper_kind(level, LOUDER) if upper is None else upper
        downbeats = () if upper is None else tuple(np.flatnonzero(upper).tolist())
        return cls(tuple((begins / sampling_rate).tolist()), downbeats)

    def phases(self, frames: int, frames_per_second: float) -> Tensor:
        """Compute the phases of beat and bar at the middle of each frame.

        The phase is linear in time from beat to beat; a bar is divided by its beats. Before the first beat and after
        the last one the neighbouring tempo goes on, and so does the number of beats in a bar.

        Args:
            frames: Number of frames.
            frames_per_second: Rate of the frames; frame k lasts from `k / frames_per_second` until the next.

        Returns:
            `(4, frames)`: sine and cosine of the phase of the beat, and of the bar; the latter two are 0 where the
            length of a bar is not known.
        """
        beat = self._beat_positions(frames, frames_per_second)
        rows = [np.sin(2 * np.pi * beat), np.cos(2 * np.pi * beat), np.zeros(frames), np.zeros(frames)]
        if len(self.downbeats) > 1:
            bar = _positions(self.downbeats, beat)
            rows[2:] = np.sin(2 * np.pi * bar), np.cos(2 * np.pi * bar)
        return torch.from_numpy(np.stack(rows)).float()

    def sawtooth(self, frames: int, frames_per_second: float) -> Tensor:
        """Compute the saw-tooth of the beat at the middle of each frame, the rhythm condition of LADMG.

        It rises from 0 to 1 from each beat to the next, once more at the last tempo after the last beat, and is 0
        outside. The authors' code (github.com/AlfredPichard/LADMG, branch `bpm_conditioning`) rounds beats down to
        whole frames, 75 a second; here a beat may fall within a frame, so that slower frames still tell it exactly.

        Args:
            frames: Number of frames.
            frames_per_second: Rate of the frames; frame k lasts from `k / frames_per_second` until the next.

        Returns:
            `(1, frames)`, in [0, 1).

        Example:
            >>> BeatGrid.from_times([0.5, 1.0, 2.0]).sawtooth(frames=14, frames_per_second=4.0)
            tensor([[0.0000, 0.0000, 0.2500, 0.7500, 0.1250, 0.3750, 0.6250, 0.8750, 0.1250, 0.3750, 0.6250, 0.8750,
                     0.0000, 0.0000]])
        """
        beat = self._beat_positions(frames, frames_per_second)
        inside = (beat >= 0) & (beat < len(self.beats))
        # Rounded to float32 first, or a phase just below 1 would become 1.
        phase = torch.from_numpy(np.where(inside, beat % 1, 0)).float()
        return (phase % 1)[None]

    def _beat_positions(self, frames: int, frames_per_second: float) -> np.ndarray:
        """Place the middles of frames among the beats, counted from the first."""
        return _positions(self.beats, (np.arange(frames) + 0.5) / frames_per_second)


def _positions(points: Sequence[float], values: np.ndarray) -> np.ndarray:
    """Place values among points, counted from the first: linear between two points, and on beyond the last pair."""
    own = np.asarray(points, dtype=np.float64)
    before = np.clip(np.searchsorted(own, values, side="right") - 1, 0, len(own) - 2)
    return before + (values - own[before]) / np.diff(own)[before]


def _upper_kind(values: np.ndarray, least_gap: float) -> np.ndarray | None:
    """Divide values at their widest gap; return which lie above it, or None if they are of one kind."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    split = int(gaps.argmax())
    spread = max(ordered[split] - ordered[0], ordered[-1] - ordered[split + 1])
    return values > ordered[split] + gaps[split] / 2 if gaps[split] > max(least_gap, spread) else None


def _shorten(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:8])
    return f"({shown}, ...)" if len(numbers) > 8 else f"({shown})"
