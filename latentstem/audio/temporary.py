"""Temporary audio file, for what has to be measured whole, such as its peak, before it is written."""

import os
import tempfile
from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor

_BLOCK_FRAMES = 1 << 18


class TemporaryAudio:
    """A nameless temporary file of float32 audio, gone when it is closed or the process ends.

    Args:
        folder: Folder with room for it, such as that of the file to be written in the end.
        channels: Number of channels of the audio.

    Attributes:
        samples: Number of samples that were appended, in each channel.
        peak: Greatest magnitude of the samples that were appended.

    Example:
        >>> import torch
        >>> with TemporaryAudio(".", channels=1) as audio:
        ...     audio.append(torch.full((1, 3), 0.5))
        ...     audio.append(torch.full((1, 2), -2.0))
        ...     audio.samples, audio.peak, [block / audio.peak for block in audio.blocks()]
        (5, 2.0, [tensor([[ 0.2500,  0.2500,  0.2500, -1.0000, -1.0000]])])
    """

    def __init__(self, folder: str | os.PathLike[str], channels: int):
        self.channels = channels
        self.samples = 0
        self.peak = 0.0
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".latentstem-")  # noqa: SIM115  (`__exit__` closes it)

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def append(self, audio: Tensor) -> None:
        """Append samples, `(channels, samples)`."""
        frames = audio.detach().to("cpu", torch.float32).T.contiguous()
        self._file.seek(0, os.SEEK_END)
        self._file.write(frames.numpy().tobytes())
        self.samples += len(frames)
        if frames.numel():
            self.peak = max(self.peak, frames.abs().max().item())

    def blocks(self) -> Iterator[Tensor]:
        """Yield all samples from the first on, in blocks `(channels, samples)`."""
        for first in range(0, self.samples, _BLOCK_FRAMES):
            yield self.read(first, min(_BLOCK_FRAMES, self.samples - first))

    def read(self, first: int, count: int) -> Tensor:
        """Samples `first` to `first + count - 1`, `(channels, count)`, zeros before the first and after the last."""
        start, stop = max(first, 0), min(first + count, self.samples)
        width = 4 * self.channels
        self._file.seek(start * width)
        frames = np.frombuffer(self._file.read(max(0, stop - start) * width), dtype=np.float32).copy()
        audio = torch.from_numpy(frames).reshape(-1, self.channels).T
        before = min(start - first, count)
        return torch.nn.functional.pad(audio, (before, count - before - audio.shape[1]))
