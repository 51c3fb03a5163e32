"""Chunks of a sequence that a net takes one by one, overlapping by whole frames."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Chunks:
    """Cut a sequence into overlapping chunks, and join what a net makes of them.

    Where two chunks overlap, frames are taken from one of them, each from the chunk in which it lies further from the
    end, and audio is cross-faded.

    Attributes:
        frames: Length of a chunk in frames; None takes everything as one.
        overlap: Frames that a chunk shares with the next, at most half of it.

    Example:
        >>> chunks = Chunks(frames=5, overlap=2)
        >>> [chunk.tolist() for chunk in chunks.split(torch.arange(9))]
        [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [6, 7, 8]]
        >>> chunks.join_frames(chunks.split(torch.arange(9)))
        tensor([0, 1, 2, 3, 4, 5, 6, 7, 8])
    """

    frames: int | None = None
    overlap: int = 0

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Read the chunks of a model's settings, with an overlap that is rounded up to whole frames.

        Args:
            settings: A `transformers.EncodecConfig`.

        Raises:
            ValueError: A chunk is not a whole number of frames, or shorter than two overlaps.
        """
        if settings.chunk_length is None:
            return cls()
        frames, rest = divmod(settings.chunk_length, settings.hop_length)
        shared = settings.chunk_length - (settings.chunk_stride or settings.chunk_length)
        overlap = -(-shared // settings.hop_length)
        if rest or 2 * overlap > frames:
            raise ValueError(
                f"got an EnCodec with chunks of {settings.chunk_length} samples that overlap by {shared}, expected a "
                f"multiple of a frame's {settings.hop_length} samples, at least twice the overlap"
            )
        return cls(frames, overlap)

    def split(self, sequence: Tensor, hop_length: int = 1) -> list[Tensor]:
        """Cut a sequence `(..., frames * hop_length)` into chunks, the last of which may be shorter."""
        total = sequence.shape[-1] // hop_length
        length = total if self.frames is None else self.frames
        return [sequence[..., start * hop_length : (start + length) * hop_length] for start in self._starts(total)]

    def own_frames(self, total: int) -> list[slice]:
        """Return, for each chunk of a sequence of frames, which of its frames are taken from it."""
        starts, before = self._starts(total), self.overlap // 2
        after = self.overlap - before
        return [
            slice(before if start else 0, None if start == starts[-1] else (self.frames or total) - after)
            for start in starts
        ]

    def join_frames(self, chunks: list[Tensor]) -> Tensor:
        """Join frames `(..., frames)` of consecutive chunks."""
        total = sum(chunk.shape[-1] for chunk in chunks) - self.overlap * (len(chunks) - 1)
        return torch.cat([chunk[..., own] for chunk, own in zip(chunks, self.own_frames(total), strict=True)], dim=-1)

    def cross_fade(self, chunks: list[Tensor], hop_length: int) -> Tensor:
        """Join audio `(..., frames * hop_length)` of consecutive chunks, fading linearly where they overlap."""
        shared = self.overlap * hop_length
        rise = (torch.arange(shared, device=chunks[0].device, dtype=chunks[0].dtype) + 0.5) / max(shared, 1)
        joined = [chunks[0]]
        for chunk in chunks[1:]:
            before = joined.pop()
            split = before.shape[-1] - shared
            faded = before[..., split:] * (1 - rise) + chunk[..., :shared] * rise
            joined += [before[..., :split], faded, chunk[..., shared:]]
        return torch.cat(joined, dim=-1)

    def _starts(self, total: int) -> list[int]:
        """Return the first frame of each chunk, so many as hold frames of their own."""
        if self.frames is None:
            return [0]
        return list(range(0, max(total - self.overlap, 1), self.frames - self.overlap))
