"""The STFT frames on the latent grid, inverts exactly, and neighbouring tiles agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.fourier import istft, overlap_add, stft
from latentstem.audio.tiling import tile_stream, tiled

framings = st.sampled_from([(1024, 256), (2048, 512), (4096, 1024), (512, 256)])


@given(framings, st.integers(1, 40))
def test_round_trip_is_exact_for_every_length(framing, frames):
    window_length, hop_length = framing
    audio = torch.randn(2, frames * hop_length)
    spectrum = stft(audio, window_length, hop_length)
    assert spectrum.shape == (2, window_length // 2 + 1, frames)
    # Where a single frame covers a sample its window weight is small; float32 loses digits there.
    assert (istft(spectrum, window_length, hop_length) - audio).abs().max() < 1e-4


def test_frames_equal_a_naive_transform():
    audio = torch.randn(4096)
    window_length, hop_length = 1024, 256
    padded = np.pad(audio.double().numpy(), (window_length - hop_length) // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_length) / window_length)
    spectrum = stft(audio, window_length, hop_length)
    for frame in (0, 5, 15):
        piece = padded[frame * hop_length : frame * hop_length + window_length]
        expected = 4 / window_length * np.fft.rfft(piece * window)
        assert np.abs(spectrum[:, frame].numpy() - expected).max() < 1e-6


def test_a_full_scale_sinusoid_has_magnitude_one():
    time = torch.arange(16 * 512)
    spectrum = stft(torch.cos(2 * torch.pi * 100 / 2048 * time), 2048, 512)
    assert spectrum[100, 4:12].abs().sub(1).abs().max() < 1e-3


def test_a_frame_depends_on_its_neighbourhood_only():
    audio = torch.randn(1, 64 * 512)
    changed = audio.clone()
    changed[:, : 20 * 512] += 1
    difference = (stft(audio, 2048, 512) - stft(changed, 2048, 512)).abs().amax((0, 1))
    assert difference[22:].max() == 0 and difference[:19].min() > 0


def test_stays_in_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        audio = torch.randn(1, 4096)
        assert (istft(stft(audio, 1024, 256), 1024, 256) - audio).abs().max() < 1e-4


@given(st.integers(1, 9), st.integers(1, 6), st.integers(2, 17))
def test_overlap_add_equals_a_loop(frames, hop_length, window_length):
    pieces = torch.randn(2, frames, window_length, dtype=torch.float64)
    expected = torch.zeros(2, (frames - 1) * hop_length + max(window_length, 1), dtype=torch.float64)
    for frame in range(frames):
        expected[:, frame * hop_length : frame * hop_length + window_length] += pieces[:, frame]
    assert torch.allclose(overlap_add(pieces, hop_length), expected)


@pytest.mark.parametrize(
    ("samples", "window", "hop"), [(1000, 1024, 256), (0, 1024, 256), (1024, 1023, 256), (512, 256, 256)]
)
def test_bad_framings_are_named(samples, window, hop):
    with pytest.raises(ValueError, match="expected"):
        stft(torch.zeros(samples), window, hop)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(3, 6))
def test_tiles_equal_the_whole_for_a_local_map(frames, tile_frames, context_frames):
    kernel = torch.randn(1, 1, 7)  # sees three frames to each side

    def blur(piece, start):
        return torch.nn.functional.conv1d(piece, kernel, padding=3).repeat_interleave(2, dim=-1)

    sequence = torch.randn(1, 1, frames)
    assert torch.allclose(tiled(blur, sequence, tile_frames, context_frames, (1, 2)), blur(sequence, 0), atol=1e-6)


def test_tiles_tell_where_they_start():
    starts = []
    tiled(
        lambda piece, start: starts.append(start) or piece,
        torch.zeros(10),
        tile_frames=4,
        context_frames=1,
        hops=(1, 1),
    )
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
        assert torch.equal(torch.cat(streamed, dim=-1), tiled(blur, sequence, tile_frames, context_frames, (2, 1)))


def test_a_stream_that_ends_within_a_frame_is_refused():
    with pytest.raises(ValueError, match="1 elements into a frame"):
        list(tile_stream(lambda piece, start: piece, [torch.zeros(4), torch.zeros(3)], 1, 1, (2, 2)))
