"""Tiles equal the whole for a local map, however the sequence comes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.tiling import tile_stream


@given(st.integers(1, 60), st.integers(1, 20), st.integers(3, 6))
def test_tiles_equal_the_whole_for_a_local_map(frames, tile_frames, context_frames):
    kernel = torch.randn(1, 1, 7)  # sees three frames to each side

    def blur(piece, start):
        return torch.nn.functional.conv1d(piece, kernel, padding=3).repeat_interleave(2, dim=-1)

    sequence = torch.randn(1, 1, frames)
    tiles = list(tile_stream(blur, [sequence], tile_frames, context_frames, (1, 2)))
    assert torch.allclose(torch.cat(tiles, dim=-1), blur(sequence, 0), atol=1e-6)


def test_tiles_tell_where_they_start():
    starts = []
    list(tile_stream(lambda piece, start: starts.append(start) or piece, [torch.zeros(10)], 4, 1, (1, 1)))
    assert starts == [0, 3, 7]


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 6), st.lists(st.integers(0, 100), max_size=6))
def test_a_stream_is_the_same_tiles_to_the_bit_however_it_is_divided(frames, tile_frames, context_frames, places):
    kernel = torch.randn(1, 1, 7)

    def blur(piece, start):
        assert piece.shape[-1] <= 2 * (tile_frames + 2 * context_frames)
        halves = torch.nn.functional.conv1d(piece, kernel, padding=3)
        return halves.unflatten(-1, (-1, 2)).sum(-1) + start

    sequence = torch.randn(1, 1, 2 * frames)
    pieces = torch.tensor_split(sequence, sorted(min(place, 2 * frames) for place in places), dim=-1)
    streamed = list(tile_stream(blur, pieces, tile_frames, context_frames, (2, 1)))
    assert all(tile.shape[-1] == tile_frames for tile in streamed[:-1])
    if frames:
        whole = list(tile_stream(blur, [sequence], tile_frames, context_frames, (2, 1)))
        assert torch.equal(torch.cat(streamed, dim=-1), torch.cat(whole, dim=-1))


def test_a_stream_that_ends_within_a_frame_is_refused():
    with pytest.raises(ValueError, match="1 elements into a frame"):
        list(tile_stream(lambda piece, start: piece, [torch.zeros(4), torch.zeros(3)], 1, 1, (2, 2)))
