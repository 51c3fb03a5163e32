"""An oscillator that moves between two waveforms."""

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.filters import CONTROL_BLOCK
from latentstem.data.render.engines.wavetables import LENGTH, Waveform

_POSITIONS = 65  # between two waveforms; steps from one to the next are too small to hear


class MorphingTables:
    """Two waveforms with positions between them, in small steps.

    Args:
        first: Waveform at position 0.
        second: Waveform at position 1.

    Example:
        >>> sine, louder = Waveform(np.array([-1j])), Waveform(np.array([-3j]))
        >>> values = MorphingTables(sine, louder).read(np.full(128, 0.25), np.array([0.0, 0.5]), highest=440.0)
        >>> values[[0, 127]].round(2).tolist()
        [1.0, 2.0]
    """

    def __init__(self, first: Waveform, second: Waveform):
        self.first, self.second = first, second
        self._stacks: dict[int, np.ndarray] = {}

    def read(self, phase: np.ndarray, position: np.ndarray, highest: float) -> np.ndarray:
        """Read the waveform at the position of each block.

        Args:
            phase: Phase in periods, not negative, `(samples,)`.
            position: Position of each `CONTROL_BLOCK` samples, held to 0 to 1, `(blocks,)`.
            highest: Greatest frequency in Hz at which the phase runs.

        Returns:
            `(samples,)` float32.
        """
        octave = max(int(0.45 * SAMPLING_RATE / highest), 1).bit_length()
        if octave not in self._stacks:
            # One waveform read at its own points is its table for this octave.
            points, lowest = np.arange(LENGTH + 1) / LENGTH, 0.45 * SAMPLING_RATE / (1 << (octave - 1))
            first, second = (waveform.read(points, lowest) for waveform in (self.first, self.second))
            share = np.linspace(0.0, 1.0, _POSITIONS, dtype=np.float32)[:, None]
            self._stacks[octave] = (first + share * (second - first)).reshape(-1)
        row = np.round(np.clip(position, 0.0, 1.0) * (_POSITIONS - 1)).astype(np.int64) * (LENGTH + 1)
        place = phase * LENGTH
        left = place.astype(np.int64)
        fraction = (place - left).astype(np.float32)
        left &= LENGTH - 1
        left += np.repeat(row, CONTROL_BLOCK)[: len(left)]
        stack = self._stacks[octave]
        value = stack[left]
        left += 1
        return value + fraction * (stack[left] - value)
