"""Synthesised basses whose notes are known exactly."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

RATE = 44100
Notes = Sequence[tuple[float, float, float]]  # start and end in seconds, MIDI pitch


@pytest.fixture
def synthesize() -> Callable[..., np.ndarray]:
    def line(notes: Notes, duration: float, *, partials: int = 4, decay: float = 3.0, rate: int = RATE):
        """Decaying notes of `partials` harmonics, each released within 10 ms before its end."""
        audio = np.zeros(round(duration * rate))
        for start, end, pitch in notes:
            time = np.arange(len(audio)) / rate - start
            frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
            gate = (time >= 0) * np.clip((end - start - time) / 0.01, 0.0, 1.0)
            for partial in range(1, partials + 1):
                sine = np.sin(2 * np.pi * partial * frequency * time)
                audio += 0.1 / partial * sine * gate * np.exp(-decay * np.maximum(time, 0.0))
        return audio.astype(np.float32)

    return line
