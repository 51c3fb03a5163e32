"""Envelopes over time: attack, decay, sustain and release, and tracks of held values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.score import Note


@dataclass(frozen=True)
class Envelope:
    """An envelope of a linear attack and exponential decay and release.

    Attributes:
        attack: Seconds from 0 to 1.
        decay: Time constant in seconds of the fall from 1 to the sustained level.
        sustain: Level while the note is held, 0 to 1.
        release: Time constant in seconds of the fall to 0 after the note's end.

    Example:
        >>> envelope = Envelope(0.01, 0.1, 0.5, 0.05).over(held=1.0)
        >>> round(float(envelope.max()), 2), round(float(envelope[44099]), 2), bool(envelope[-1] < 0.002)
        (1.0, 0.5, True)
    """

    attack: float
    decay: float
    sustain: float
    release: float

    def over(self, held: float) -> np.ndarray:
        """Return the envelope of a note, `(samples,)` float32, from its start to 60 dB down its release.

        Args:
            held: Seconds from the note's start to its end.
        """
        on = max(1, round(held * SAMPLING_RATE))
        time = np.arange(on, dtype=np.float32) / np.float32(SAMPLING_RATE)
        rise = np.minimum(time / self.attack, 1.0) if self.attack else np.ones(on, np.float32)
        fall = self.sustain + (1 - self.sustain) * np.exp(-np.maximum(time - self.attack, 0) / max(self.decay, 1e-4))
        level = rise * fall
        tail = np.arange(1, round(6.9 * self.release * SAMPLING_RATE) + 1, dtype=np.float32) / np.float32(SAMPLING_RATE)
        release = level[-1] * np.exp(-tail / max(self.release, 1e-4))
        return np.concatenate([level, release]).astype(np.float32)


def hold(notes: Sequence[Note], values: Sequence[float], samples: int) -> np.ndarray:
    """Hold each note's value from its start to the next note's, and the first one's before.

    Args:
        notes: Notes of one voice in order of their start, at least one.
        values: A value for each note.
        samples: Length of the result.

    Returns:
        `(samples,)` float64.
    """
    starts = [round(note.start * SAMPLING_RATE) for note in notes]
    edges = np.clip([0, *starts[1:], samples], 0, samples)
    return np.repeat(np.asarray(values, dtype=np.float64), np.diff(edges))


def glide(target: np.ndarray, time_constant: float) -> np.ndarray:
    """Follow a piecewise constant target exponentially, as the pitch of a synthesizer with portamento.

    Args:
        target: Values, `(samples,)`; changes at a few places.
        time_constant: Seconds in which the distance falls to 1 / e; 0 returns the target.

    Returns:
        `(samples,)` float64, equal to the target at the first sample.
    """
    if time_constant <= 0 or len(target) == 0:
        return target
    changes = np.flatnonzero(np.diff(target)) + 1
    value, followed = target[0], np.empty(len(target))
    for first, last in zip([0, *changes], [*changes, len(target)], strict=True):
        distance = (value - target[first]) * np.exp(-np.arange(last - first) / (time_constant * SAMPLING_RATE))
        followed[first:last] = target[first] + distance
        # What the next piece begins from: one more step of this fall.
        value = target[first] + distance[-1] * np.exp(-1 / (time_constant * SAMPLING_RATE))
    return followed
