"""A monophonic line on a grid of time, and its notes: pitch, level and onsets as BassNet generates them.

Grachten, Lattner and Deruty 2020, section 4.2, describe a bass by these three, 100 times a second.
"""

from dataclasses import dataclass

import numpy as np

from latentstem.data.score import Note

HOP = 0.01
"""Seconds between two frames of a line."""
LOWEST_LEVEL = -80.0
"""Level in dB at which, and below, a line is silent."""
BEND_RANGE = 2.0
"""Semitones by which a pitch bend may depart from its note: what MIDI instruments take unless told otherwise."""

_SHORTEST = 3  # frames of a note, and between two onsets
_LEAST_BEND = 0.08  # semitones: bends that stay below are the tracker's
_RANGE_DB = 40.0  # levels below the loudest frame that velocities cover
_AROUND_MEDIAN = 2  # frames to each side of the median that smooths a pitch


@dataclass(frozen=True)
class BentNote:
    """A note whose pitch may move.

    Attributes:
        note: The note, at the semitone nearest to its median pitch.
        bends: Times in seconds and departures from the note in semitones, from the note's start on; empty if it stays.

    Example:
        >>> BentNote(Note(0.0, 0.5, 33, 90), ((0.0, -0.5), (0.1, 0.0))).note.pitch
        33
    """

    note: Note
    bends: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class PitchLine:
    """A monophonic line in frames of 10 ms.

    Attributes:
        frequency: Fundamental frequency in Hz of each frame, 0 where there is none, `(frames,)`.
        level: Level of each frame in dB, where a full-scale sinusoid has 0, `(frames,)`.
        onset: Probability that a note begins in the frame, `(frames,)`.

    Raises:
        ValueError: The three are not one-dimensional, of one length and finite, or a frequency is negative.

    Example:
        >>> line = PitchLine(np.full(100, 55.0), np.full(100, -12.0), np.eye(1, 100)[0])
        >>> [(bent.note.start, bent.note.end, bent.note.pitch) for bent in line.notes()]
        [(0.0, 1.0, 33)]
    """

    frequency: np.ndarray
    level: np.ndarray
    onset: np.ndarray

    def __post_init__(self) -> None:
        for name in ("frequency", "level", "onset"):
            values = getattr(self, name)
            if values.shape != self.frequency.shape or values.ndim != 1 or not np.isfinite(values).all():
                raise ValueError(
                    f"got {name} of shape {values.shape} beside {self.frequency.shape} frequencies; expected finite "
                    "numbers, one a frame"
                )
        if (self.frequency < 0).any():
            raise ValueError(f"got a frequency of {self.frequency.min():.4g} Hz; expected 0 where there is no pitch")

    def __len__(self) -> int:
        return len(self.frequency)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self) * HOP

    def notes(self, threshold: float | None = None, silence: float = -40.0, jump: float = 0.7) -> list[BentNote]:
        """Divide the line into notes.

        A note begins at a peak of the onsets, where sound begins after silence, and where the pitch jumps; it ends with
        the next one, or where the sound ends.

        Args:
            threshold: Least onset probability of a note's beginning; None takes the highest peaks, as many as the
                probabilities add up to: of uncertain onsets each may be improbable.
            silence: Level in dB below the loudest frame, under which a frame is silent.
            jump: Semitones by which the pitch has to change for at least three frames to be another note.

        Returns:
            Notes in order, none shorter than three frames; velocities from 1 to 127 over the loudest 40 dB.
        """
        if not len(self) or self.level.max() <= LOWEST_LEVEL:
            return []
        sounds = (self.frequency > 0) & (self.level > max(self.level.max() + silence, LOWEST_LEVEL))
        pitch = _median_filter(69 + 12 * np.log2(np.maximum(self.frequency, 1e-3) / 440))
        begins = _peaks(self.onset, threshold) | (sounds & ~np.r_[False, sounds[:-1]])
        notes: list[BentNote] = []
        first = None
        for frame in range(len(self) + 1):
            ends = frame == len(self) or not sounds[frame]
            if first is not None and (ends or begins[frame] or self._jumps(pitch, first, frame, jump)):
                if frame - first >= _SHORTEST:
                    notes.append(self._note(first, frame, pitch))
                first = None
            if first is None and not ends:
                first = frame
        return notes

    def _jumps(self, pitch: np.ndarray, first: int, frame: int, jump: float) -> bool:
        """Whether the pitch leaves that of the note so far at a frame, at once and for some frames."""
        ahead = pitch[frame : frame + _SHORTEST]
        steps = np.abs(ahead - pitch[max(first, frame - _SHORTEST)])
        return frame - first >= _SHORTEST and len(ahead) == _SHORTEST and bool((steps > jump).all())

    def _note(self, first: int, end: int, pitch: np.ndarray) -> BentNote:
        own = pitch[first:end]
        nearest = int(np.clip(np.round(np.median(own)), 0, 127))
        above = self.level[first:end].max() - (self.level.max() - _RANGE_DB)
        velocity = int(np.clip(np.round(127 * above / _RANGE_DB), 1, 127))
        departures = np.clip(own - nearest, -BEND_RANGE, BEND_RANGE)
        bends: tuple[tuple[float, float], ...] = ()
        if np.abs(departures).max() > _LEAST_BEND:
            # A frame that repeats the one before says nothing.
            new = np.r_[True, np.abs(np.diff(departures)) > 1e-3]
            times = np.arange(first, end)[new] * HOP
            bends = tuple(zip(times.round(4).tolist(), departures[new].round(4).tolist(), strict=True))
        return BentNote(Note(round(first * HOP, 4), round(end * HOP, 4), nearest, velocity), bends)


def _peaks(onset: np.ndarray, threshold: float | None) -> np.ndarray:
    """Frames that are the greatest of their neighbourhood and reach a threshold, or the expected number of them."""
    padded = np.pad(onset, _SHORTEST, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _SHORTEST + 1)
    earlier = around[:, :_SHORTEST].max(1)
    peaks = (onset > 0) & (onset == around.max(1)) & (onset > earlier)  # of equal neighbours the first
    if threshold is None:
        highest = np.sort(onset[peaks])[::-1][: round(onset.sum())]
        threshold = highest[-1] if len(highest) else np.inf
    return peaks & (onset >= threshold)


def _median_filter(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, _AROUND_MEDIAN, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND_MEDIAN + 1), axis=-1)
