"""Sound of a monophonic line: partials that run through its pitch without a break, and are brightest at its onsets."""

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.line import HOP, LOWEST_LEVEL, PitchLine

_ONSET = 0.3  # least onset probability that makes a sound bright


class LineSynthesizer:
    """Play lines by additive synthesis, piece after piece as one.

    Partial k of a frame at frequency f has the amplitude `g r^(k-1) exp(-d (k-1) t)`, t seconds after the last onset
    and g such that all together have the level of the frame at an onset, up to half the sampling rate. All partials
    follow one phase that never jumps, so that a change of pitch clicks as little as a slide; frequencies are held over
    a frame, and amplitudes run in lines between frames.

    Args:
        sampling_rate: Sampling rate of the sound in Hz, a multiple of 100.
        partials: Greatest number of partials.
        roll_off: Ratio r of each partial's amplitude to that of the one below, right after an onset.
        damping: Rate d in nepers a second at which each partial fades against the one below.

    Raises:
        ValueError: The sampling rate is no multiple of 100, or there is no partial.

    Example:
        >>> line = PitchLine(np.full(50, 55.0), np.full(50, -12.0), np.eye(1, 50)[0])
        >>> synthesizer = LineSynthesizer()
        >>> synthesizer(line).shape
        (22050,)
    """

    def __init__(
        self, sampling_rate: int = SAMPLING_RATE, partials: int = 16, roll_off: float = 0.75, damping: float = 1.5
    ):
        hop = round(HOP * sampling_rate)
        if hop != HOP * sampling_rate or partials < 1:
            raise ValueError(
                f"got sampling_rate={sampling_rate} and partials={partials}; expected a multiple of 100 Hz and at "
                "least one partial"
            )
        self.sampling_rate, self.partials, self.roll_off, self.damping = sampling_rate, partials, roll_off, damping
        self.hop = hop
        self._gain = float(np.sum(roll_off ** (2.0 * np.arange(partials)))) ** -0.5  # the level is that of all partials
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next line does not continue the last one."""
        self._phase, self._age, self._amplitude, self._frequency, self._onset = 0.0, 0.0, 0.0, 0.0, 0.0

    def __call__(self, line: PitchLine) -> np.ndarray:
        """Play a line, as the continuation of the one before.

        Args:
            line: The line.

        Returns:
            `(frames * hop,)` float32 at `sampling_rate`.
        """
        frames, hop = len(line), self.hop
        if frames == 0:
            return np.zeros(0, np.float32)
        frequency, ages = self._hold(line.frequency), self._ages(line.onset)
        phase = self._phase + np.cumsum(np.repeat(frequency, hop)) / self.sampling_rate
        audible = (line.frequency > 0) & (line.level > LOWEST_LEVEL)
        amplitude = np.where(audible, self._gain * 10 ** (line.level / 20), 0.0)
        audio = np.zeros(frames * hop)
        for partial in range(1, self.partials + 1):
            fade = self.roll_off ** (partial - 1) * np.exp(-self.damping * (partial - 1) * ages)
            heard = amplitude * fade * (partial * frequency < self.sampling_rate / 2)
            audio += self._lines(heard, partial) * np.sin(2 * np.pi * partial * phase)
        self._phase, self._age = float(phase[-1] % 1.0), float(ages[-1])
        self._amplitude, self._frequency, self._onset = amplitude[-1], frequency[-1], line.onset[-1]
        return audio.astype(np.float32)

    def _hold(self, frequency: np.ndarray) -> np.ndarray:
        """Frequencies of all frames: one without a pitch keeps the last one, so that a note fades at its pitch."""
        known = np.r_[self._frequency, frequency]
        last = np.maximum.accumulate(np.where(known > 0, np.arange(len(known)), 0))
        return known[last][1:]

    def _ages(self, onset: np.ndarray) -> np.ndarray:
        """Seconds since the last onset."""
        before = np.r_[self._onset, onset[:-1]]
        begins = (onset >= _ONSET) & (before < _ONSET)
        frames = np.arange(len(onset))
        last = np.maximum.accumulate(np.where(begins, frames, -1))
        return np.where(last >= 0, (frames - last) * HOP, self._age + (frames + 1) * HOP)

    def _lines(self, heard: np.ndarray, partial: int) -> np.ndarray:
        """Amplitudes of all samples: from that of the frame before, in a line to that of each frame at its end."""
        fade = self.roll_off ** (partial - 1) * np.exp(-self.damping * (partial - 1) * self._age)
        edges = np.r_[self._amplitude * fade * (partial * self._frequency < self.sampling_rate / 2), heard]
        within = np.arange(1, self.hop + 1) / self.hop
        return (edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * within).ravel()
