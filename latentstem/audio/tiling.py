"""Piecewise evaluation of a local map: overlapping tiles in, their undisturbed middles out, as a stream."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def tile_stream(
    function: Callable[[Tensor, int], Tensor],
    pieces: Iterable[Tensor],
    tile_frames: int,
    context_frames: int,
    hops: tuple[int, int],
) -> Iterator[Tensor]:
    """Apply a local map, tile by tile, to a sequence that comes and leaves in pieces.

    The result equals that of applying the map once, if a frame depends on no frame further away than
    `context_frames`. The same tiles are mapped however the sequence was divided, so the result is the same to the bit.
    No more than a tile with its overlaps, and the piece that completes it, is held.

    Args:
        function: Local map, called with a piece of the sequence and the index of its first frame; returns the mapped
            piece.
        pieces: Pieces of the sequence, `(..., any length)`, together `(..., frames * hops[0])`.
        tile_frames: Frames of a tile, without the overlap.
        context_frames: Frames of overlap on each side.
        hops: Elements of the last axis in a frame, before and after the map: `(4096, 1)` for an encoder.

    Yields:
        Tiles of the mapped sequence, in order, `(..., tile_frames * hops[1])` but for the last, which may be shorter.

    Raises:
        ValueError: The pieces end within a frame.

    Example:
        >>> import torch
        >>> pieces = torch.arange(5.0).split([1, 3, 1])
        >>> for tile in tile_stream(
        ...     lambda piece, start: 2 * piece, pieces, tile_frames=2, context_frames=1, hops=(1, 1)
        ... ):
        ...     print(tile)
        tensor([0., 2.])
        tensor([4., 6.])
        tensor([8.])
    """
    before, after = hops
    start = first = 0  # frames: of the next tile, and the first one that is held

    def tile(held: Tensor, stop: int, last: int) -> Tensor:
        mapped = function(held[..., : (last - first) * before], first)
        return mapped[..., (start - first) * after : (stop - first) * after]

    waiting: list[Tensor] = []
    elements = 0
    for piece in pieces:
        waiting.append(piece)
        elements += piece.shape[-1]
        if elements < (start + tile_frames + context_frames - first) * before:
            continue
        held = _joined(waiting)
        while held.shape[-1] >= (start + tile_frames + context_frames - first) * before:
            yield tile(held, start + tile_frames, start + tile_frames + context_frames)
            start += tile_frames
            keep = max(start - context_frames, 0)
            held, first = held[..., (keep - first) * before :], keep
        # A copy: a view would keep all of a long piece alive.
        waiting, elements = [held.clone()], held.shape[-1]
    held = _joined(waiting)
    if held.shape[-1] % before:
        raise ValueError(
            f"got pieces that end {held.shape[-1] % before} elements into a frame; expected whole frames of {before}"
        )
    frames = first + held.shape[-1] // before
    while start < frames:
        stop = min(start + tile_frames, frames)
        yield tile(held, stop, min(stop + context_frames, frames))
        start = stop
        keep = max(start - context_frames, 0)
        held, first = held[..., (keep - first) * before :], keep


def whole_frames(pieces: Iterable[Tensor], hop_length: int) -> Iterator[Tensor]:
    """Yield pieces of a sequence, and after the last one zeros up to a whole frame, as `tile_stream` wants them.

    Args:
        pieces: Pieces of the sequence, `(..., any length)`.
        hop_length: Elements of a frame.

    Yields:
        The pieces, and at most one piece of zeros.

    Example:
        >>> import torch
        >>> [len(piece) for piece in whole_frames(torch.ones(5).split(3), hop_length=4)]
        [3, 2, 3]
    """
    length = 0
    for piece in pieces:
        length += piece.shape[-1]
        yield piece
    if length % hop_length:
        yield piece.new_zeros(*piece.shape[:-1], -length % hop_length)


def _joined(pieces: list[Tensor]) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)
