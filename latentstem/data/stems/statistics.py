"""Streaming statistics of audio files: clipping, damage, active fraction and cross-correlation, in constant memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from latentstem.audio.level import ACTIVITY_RANGE_DB

REACH = 1 << 14
"""Greatest lag of a `Correlator` in samples, 0.37 s at 44.1 kHz."""
BLOCK_FRAMES = (1 << 17) - 2 * REACH  # a block, the tail before it and the reach beyond fill one transform
FULL_SCALE = 0.9999
CLIPPED_RUN = 3
"""Samples in a row at full scale that count as clipped."""


class FileMeter:
    """Reads a file by blocks and counts clipped, damaged and non-finite samples.

    Args:
        path: Audio file that can be opened.

    Attributes:
        clipped: Runs of at least three samples at full scale, over all channels.
        first_clipped: First frame of the first clipped run, or None.
        first_not_finite: Frame of the first NaN or Inf, or None.
        damaged: Whether the file could not be decoded to the end that its header states.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "bass.wav"
        >>> soundfile.write(path, np.array([0.1, 1.0, 1.0, 1.0, 1.0, 0.2]), 44100)
        >>> meter = FileMeter(path)
        >>> meter.read(6).shape, meter.clipped, meter.first_clipped
        ((6,), 1, 1)
    """

    def __init__(self, path: Path):
        self.file = soundfile.SoundFile(path)
        self.clipped = 0
        self.first_clipped: int | None = None
        self.first_not_finite: int | None = None
        self.damaged = False
        self._frames = 0
        self._full = np.zeros((CLIPPED_RUN, self.file.channels), dtype=bool)

    def read(self, frames: int) -> np.ndarray:
        """Read and measure the next frames.

        Args:
            frames: Number of frames; fewer are left at the end of the file.

        Returns:
            float32 mean of the channels, `(frames,)`, with zeros in place of NaN and Inf.
        """
        expected = min(frames, self.file.frames - self._frames)
        if self.damaged or expected <= 0:
            return np.zeros(0, dtype=np.float32)
        try:
            audio = self.file.read(expected, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            audio = np.zeros((0, 1), dtype=np.float32)
        self.damaged = len(audio) < expected
        if not len(audio):
            return audio[:, 0]
        finite = np.isfinite(audio)
        if self.first_not_finite is None and not finite.all():
            self.first_not_finite = self._frames + int(np.argmin(finite.all(axis=1)))
        audio = np.where(finite, audio, 0)
        self._count_clipped(audio)
        self._frames += len(audio)
        return audio.mean(axis=1)

    def _count_clipped(self, audio: np.ndarray) -> None:
        # A run is counted where it reaches its length, so that one over the edge of a block counts once.
        full = np.concatenate([self._full, np.abs(audio) >= FULL_SCALE])
        reached = full[3:] & full[2:-1] & full[1:-2] & ~full[:-3]
        if self.first_clipped is None and reached.any():
            self.first_clipped = self._frames + int(np.argmax(reached.any(axis=1))) - CLIPPED_RUN + 1
        self.clipped += int(reached.sum())
        self._full = full[-CLIPPED_RUN:]


class LevelMeter:
    """Measures the fraction of blocks within 40 dB of the loudest, the blocks that the loudness measure counts.

    Args:
        block: Samples of a block; the rest after the last whole block is left out.

    Example:
        >>> meter = LevelMeter(100)
        >>> meter.add(np.concatenate([np.full(300, 0.5), np.zeros(700)]))
        >>> meter.peak, meter.sounding_share
        (0.5, 0.3)
    """

    _LOWEST, _BINS_PER_DB = -160, 4

    def __init__(self, block: int):
        self.block = block
        self.peak = 0.0
        # Levels in steps of a quarter of a decibel stand for the levels of all blocks.
        self._counts = np.zeros((20 - self._LOWEST) * self._BINS_PER_DB, dtype=np.int64)
        self._rest = np.zeros(0, dtype=np.float32)

    def add(self, audio: np.ndarray) -> None:
        """Add the next samples, `(samples,)`."""
        self.peak = max(self.peak, float(np.abs(audio).max(initial=0.0)))
        audio = np.concatenate([self._rest, audio])
        whole = len(audio) // self.block * self.block
        self._rest = audio[whole:]
        power = np.square(audio[:whole].reshape(-1, self.block)).mean(axis=1)
        bins = (10 * np.log10(power + 1e-30) - self._LOWEST) * self._BINS_PER_DB
        np.add.at(self._counts, np.clip(bins, 0, len(self._counts) - 1).astype(int), 1)

    @property
    def sounding_share(self) -> float:
        """Fraction of the time in which the signal sounds, from 0 to 1; 0 for a silent signal."""
        loud = np.flatnonzero(self._counts[1:])
        if not len(loud):
            return 0.0
        lowest = max(1, loud[-1] + 1 - round(ACTIVITY_RANGE_DB * self._BINS_PER_DB))
        return float(self._counts[lowest:].sum() / self._counts.sum())


class Correlator:
    """Exact cross-correlation of long signals at short lags: `values[k, REACH + lag]` is `sum_n x_k[n] y_k[n + lag]`.

    Args:
        rows: Number of pairs of signals.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.standard_normal((1, BLOCK_FRAMES))
        >>> correlator = Correlator(1)
        >>> correlator.add(noise, np.roll(noise, 5, axis=1))
        >>> int(correlator.values[0].argmax()) - REACH
        5
    """

    def __init__(self, rows: int):
        self.values = np.zeros((rows, 2 * REACH + 1))
        self._x, self._y = np.zeros((rows, REACH)), np.zeros((rows, REACH))

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add the next samples of all pairs.

        Args:
            x: First signal of every pair, `(rows, samples)` with at most `BLOCK_FRAMES` samples.
            y: Second signal of every pair, `(rows, samples)`.
        """
        longer_x, longer_y = np.concatenate([self._x, x], axis=1), np.concatenate([self._y, y], axis=1)
        # The pairs of samples that both lie in the tails have been counted before.
        self.values += _correlation(longer_x, longer_y) - _correlation(self._x, self._y)
        self._x, self._y = longer_x[:, -REACH:], longer_y[:, -REACH:]


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size = 1 << (x.shape[1] + REACH - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(x, size).conj() * np.fft.rfft(y, size), size)
    return np.concatenate([products[:, -REACH:], products[:, : REACH + 1]], axis=1)


def read_together(stems: Sequence[Sequence[FileMeter]]) -> Iterator[np.ndarray]:
    """Read the files of all stems side by side.

    Args:
        stems: Meters of the files of each stem, whose sum is the stem.

    Yields:
        float64 blocks `(stems, up to BLOCK_FRAMES)`, zeros where a file has ended, until all files have.
    """
    while True:
        rows, longest = np.zeros((len(stems), BLOCK_FRAMES)), 0
        for row, meters in zip(rows, stems, strict=True):
            for meter in meters:
                audio = meter.read(BLOCK_FRAMES)
                row[: len(audio)] += audio
                longest = max(longest, len(audio))
        if not longest:
            return
        yield rows[:, :longest]
