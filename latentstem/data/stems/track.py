"""One track of stems: parts of its files, read at any sampling rate in one channel or two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.audio.resampling import resample, resampled_length
from latentstem.data.stems.layouts import StemError

SILENCE = 1e-4
"""Peak, -80 dB, up to which a stem is silent: what is left is dither."""
RESAMPLING_MARGIN = 4096
"""Samples read beyond both ends of a part that is resampled, so that the filter reaches no cut."""


@dataclass(frozen=True)
class StemTrack:
    """One track: its stems' files, all at one sampling rate, of one or two channels each.

    Attributes:
        name: Name of the track's folder.
        files: Names of the stems to the files whose sum each of them is.
        sampling_rate: Sampling rate of the files, in Hz.
        file_samples: Length of the longest stem in samples of the files.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "bass.wav"
        >>> soundfile.write(file, np.ones(48000) / 4, 48000)
        >>> track = StemTrack.of("song", {"bass": (file,)})
        >>> track.length(), track.read("bass", start=0, samples=441, channels=2).shape
        (44100, torch.Size([2, 441]))
    """

    name: str
    files: dict[str, tuple[Path, ...]]
    sampling_rate: int
    file_samples: int

    @classmethod
    def of(cls, name: str, files: dict[str, tuple[Path, ...]]) -> "StemTrack":
        """Open the files of a track.

        Args:
            name: Name of the track's folder.
            files: Names of the stems to the files whose sum each of them is.

        Returns:
            The track.

        Raises:
            StemError: If a file is not audio or has more than two channels, all are empty, or they differ in sampling
                rate.
        """
        infos = {}
        for path in (path for paths in files.values() for path in paths):
            try:
                infos[path] = soundfile.info(path)
            except soundfile.SoundFileError as error:
                raise StemError(f"{path} is not a readable audio file: replace or remove it") from error
        rates = {info.samplerate for info in infos.values()}
        if len(rates) > 1:
            found = ", ".join(f"{path.name} {info.samplerate} Hz" for path, info in infos.items())
            raise StemError(f"the stems of track {name} differ in sampling rate ({found}): bring them to one rate")
        for path, info in infos.items():
            if info.channels > 2:
                raise StemError(f"{path} has {info.channels} channels, expected 1 or 2: mix it down")
        samples = max(info.frames for info in infos.values())
        if samples == 0:
            raise StemError(f"the stems of track {name} are empty: replace or remove the track")
        return cls(name, files, rates.pop(), samples)

    def length(self, sampling_rate: int = SAMPLING_RATE) -> int:
        """Count the samples of the longest stem at a sampling rate in Hz."""
        return resampled_length(self.file_samples, self.sampling_rate, sampling_rate)

    def read(
        self,
        stem: str,
        start: int = 0,
        samples: int | None = None,
        channels: int = 1,
        sampling_rate: int = SAMPLING_RATE,
    ) -> Tensor:
        """Read a part of one stem.

        A part read at another rate than the files' is, to 1e-5 of full scale, that part of the whole resampled file.

        Args:
            stem: Name of the stem.
            start: First sample, counted at `sampling_rate`.
            samples: Number of samples; None reads up to the end of the track.
            channels: 1 for the mean of the files' channels, or 2 for stereo; a mono file fills both channels.
            sampling_rate: Sampling rate of the result, in Hz.

        Returns:
            float32 of shape `(channels, samples)`, with zeros where the file has ended.
        """
        samples = self.length(sampling_rate) - start if samples is None else samples
        if self.sampling_rate == sampling_rate:
            return self._read(stem, start, samples, channels)
        # The part that is resampled begins where a sample of either clock falls on one of the other.
        divisor = gcd(self.sampling_rate, sampling_rate)
        own, other = self.sampling_rate // divisor, sampling_rate // divisor
        first = max(0, start * own // other - RESAMPLING_MARGIN) // own * own
        stop = -(-(start + samples) * own // other) + RESAMPLING_MARGIN
        audio = resample(self._read(stem, first, stop - first, channels), self.sampling_rate, sampling_rate)
        audio = audio[:, start - first // own * other :][:, :samples]
        return pad(audio, (0, samples - audio.shape[1]))

    def _read(self, stem: str, start: int, samples: int, channels: int) -> Tensor:
        first, *others = (_read(path, start, samples, channels) for path in self.files[stem])
        return torch.from_numpy(np.ascontiguousarray(sum(others, first).T))


def _read(path: Path, start: int, samples: int, channels: int) -> np.ndarray:
    """Samples `[start, start + samples)` of a file, `(samples, channels)`, with zeros after the end."""
    with soundfile.SoundFile(path) as file:
        file.seek(min(start, file.frames))
        audio = file.read(min(samples, max(file.frames - start, 0)), dtype="float32", always_2d=True)
    return np.pad(_with_channels(audio, channels), ((0, samples - len(audio)), (0, 0)))


def _with_channels(audio: np.ndarray, channels: int) -> np.ndarray:
    """Audio `(samples, channels of the file)` as the mean of the channels, or one channel repeated."""
    if audio.shape[1] == channels:
        return audio
    return audio.mean(axis=1, keepdims=True) if channels == 1 else audio.repeat(channels, axis=1)


def read_blocks(paths: Sequence[Path], size: int, channels: int) -> Iterator[np.ndarray]:
    """Read the sum of several files by blocks; shorter files are continued with silence.

    Args:
        paths: Audio files of one sampling rate.
        size: Samples of a block; the last block may be shorter.
        channels: Number of channels, 1 or 2.

    Yields:
        float32 blocks `(size, channels)`.

    Raises:
        StemError: If a file holds NaN or Inf.
    """
    files = {path: soundfile.blocks(path, blocksize=size, dtype="float32", always_2d=True) for path in paths}
    nothing = np.zeros((0, channels), dtype=np.float32)
    while True:
        total = nothing
        for path, blocks in files.items():
            audio = _with_channels(next(blocks, nothing), channels)
            if not np.isfinite(audio).all():
                raise StemError(f"{path} holds NaN or Inf: replace it")
            total, audio = (
                np.pad(part, ((0, max(len(total), len(audio)) - len(part)), (0, 0))) for part in (total, audio)
            )
            total = total + audio
        if not len(total):
            return
        yield total


def is_silent(paths: Sequence[Path], channels: int) -> bool:
    """Tell whether the sum of several files is silent from end to end; reads up to the first sound."""
    return all(np.abs(audio).max() <= SILENCE for audio in read_blocks(paths, 1 << 16, channels))


def block_powers(paths: Sequence[Path], block: int, channels: int) -> np.ndarray:
    """Compute the mean square of the sum of several files, block by block.

    Args:
        paths: Audio files of one sampling rate.
        block: Samples of a block; the rest after the last whole block is left out, unless there is no whole block.
        channels: Number of channels, 1 or 2, that the files are read in.

    Returns:
        float32 `(blocks,)`.
    """
    size = min(block, max(soundfile.info(path).frames for path in paths))
    powers = [np.zeros(0 if size else 1, dtype=np.float32)]
    for audio in read_blocks(paths, 64 * max(size, 1), channels):
        whole = audio[: len(audio) // size * size]
        powers.append(np.square(whole).reshape(-1, size * channels).mean(axis=1))
    return np.concatenate(powers)
