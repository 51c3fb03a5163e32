"""Piecewise evaluation of a local map: overlapping tiles in, their undisturbed middles out."""

from collections.abc import Callable

import torch
from torch import Tensor


def tiled(
    function: Callable[[Tensor, int], Tensor], sequence: Tensor, tile_frames: int, reach: int, hops: tuple[int, int]
) -> Tensor:
    """Apply a local map tile by tile; equal to applying it once, if a frame sees no further than `reach` frames.

    Args:
        function: Takes a piece of the sequence and the index of its first frame; returns the mapped piece.
        sequence: `(..., frames * hops[0])`.
        tile_frames: Frames a tile, without the overlap.
        reach: Frames of overlap on each side.
        hops: Elements of the last axis a frame, before and after the map: `(4096, 1)` for an encoder.

    Returns:
        `(..., frames * hops[1])`.

    Example:
        >>> import torch
        >>> tiled(lambda piece, start: 2 * piece, torch.arange(5.0), tile_frames=2, reach=1, hops=(1, 1))
        tensor([0., 2., 4., 6., 8.])
    """
    before, after = hops
    frames = sequence.shape[-1] // before
    pieces = []
    for start in range(0, frames, tile_frames):
        stop = min(start + tile_frames, frames)
        first, last = max(start - reach, 0), min(stop + reach, frames)
        mapped = function(sequence[..., first * before : last * before], first)
        pieces.append(mapped[..., (start - first) * after : (stop - first) * after])
    return torch.cat(pieces, dim=-1)
