"""Audio laid aside on the disk until something about the whole of it is known, such as its peak."""

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
        folder: Where there is room for it, such as the folder of the file that is to be written in the end.
        channels: Of the audio.

    Attributes:
        samples: How many a channel were appended.
        peak: Greatest magnitude among them.

    Example:
        >>> import torch
        >>> with TemporaryAudio(".", channels=1) as spool:
        ...     spool.append(torch.full((1, 3), 0.5))
        ...     spool.append(torch.full((1, 2), -2.0))
        ...     spool.samples, spool.peak, [block / spool.peak for block in spool.blocks()]
        (5, 2.0, [tensor([[ 0.2500,  0.2500,  0.2500, -1.0000, -1.0000]])])
    """

    def __init__(self, folder: str | os.PathLike[str], channels: int):
        self.channels = channels
        self.samples = 0
        self.peak = 0.0
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".latentstem-")  # noqa: SIM115  (`__exit__` closes it)

    def __enter__(self) -> Self:
        """Nothing to be done: the file is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes and with that removes the file."""
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
        """Yields all samples from the first on, `(channels, samples)` a block."""
        for first in range(0, self.samples, _BLOCK_FRAMES):
            yield self.read(first, min(_BLOCK_FRAMES, self.samples - first))

    def read(self, first: int, count: int) -> Tensor:
        """Samples `first` to `first + count - 1`, `(channels, count)`, zeros before the first and after the last."""
        start, stop = max(first, 0), min(max(first + count, 0), self.samples)
        width = 4 * self.channels
        self._file.seek(start * width)
        frames = np.frombuffer(self._file.read(max(0, stop - start) * width), dtype=np.float32).copy()
        audio = torch.from_numpy(frames).reshape(-1, self.channels).T
        return torch.nn.functional.pad(audio, (start - first, count - (start - first) - audio.shape[1]))
