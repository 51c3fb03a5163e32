"""Windows of several resolutions keep their centre, constants and means, and join to a track of the same length."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.audio.tiling import tile_stream

sizes = st.builds(
    lambda half, octaves: MultiResolutionWindows(2 * half, 2 * half << octaves), st.integers(1, 8), st.integers(0, 4)
)
PAPER = [(10, 10), (20, 20), (40, 40), (10, 20), (10, 40), (20, 40), (10, 640), (20, 640), (40, 640)]


def there_and_back(windows, track):
    return windows.overlap_add(windows.expand(windows.compress(windows.cut(track))), track.shape[-1])


def naive(windows, track):
    """The same, step by step: crops, means, nearest values and a sum under Hann windows."""
    a, b = windows.compressed, windows.expanded
    steps = len(track)
    joined = [0.0] * steps
    for start in range(-b // 2, steps, b // 2):
        window = [float(track[min(max(start + i, 0), steps - 1)]) for i in range(b)]
        expanded = [0.0] * b
        width = b // a
        while width >= 1:
            first = (b - a * width) // 2
            for group in range(a):
                places = range(first + group * width, first + (group + 1) * width)
                mean = sum(window[place] for place in places) / width
                for place in places:
                    expanded[place] = mean
            width //= 2
        for i in range(b):
            if 0 <= start + i < steps:
                weight = float(torch.hann_window(b, periodic=True, dtype=torch.float64)[i])
                joined[start + i] += weight * expanded[i]
    return torch.tensor(joined, dtype=torch.float64)


@pytest.mark.parametrize(("compressed", "expanded"), PAPER)
def test_sizes_of_the_paper(compressed, expanded):
    windows = MultiResolutionWindows(compressed, expanded)
    channels = {1: 1, 2: 2, 4: 3, 64: 7, 32: 6, 16: 5}[expanded // compressed]
    track = torch.randn(2, 3, 1001)
    assert windows.channels == channels
    assert windows.compress(windows.cut(track)).shape == (2, windows.count(1001), channels, 3, compressed)
    assert there_and_back(windows, track).shape == track.shape


@given(sizes, st.integers(1, 200))
def test_a_track_goes_there_and_back_as_a_naive_loop_has_it(windows, steps):
    track = torch.randn(1, steps, dtype=torch.float64)
    assert torch.allclose(there_and_back(windows, track)[0], naive(windows, track[0]))


@given(sizes, st.integers(1, 300), st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
def test_constants_stay_exactly_what_they_are(windows, steps, dtype):
    track = torch.randn(2, 5, 1).expand(2, 5, steps).to(dtype)
    assert torch.equal(there_and_back(windows, track), track)


@given(sizes, st.integers(1, 300))
def test_windows_that_are_not_compressed_give_the_track_itself(windows, steps):
    track = torch.randn(3, steps)
    cut = windows.cut(track)
    assert cut.shape == (windows.count(steps), 3, windows.expanded)
    assert torch.equal(windows.overlap_add(cut, steps), track)
    identity = MultiResolutionWindows(windows.expanded, windows.expanded)
    assert torch.equal(there_and_back(identity, track), track)
    assert torch.equal(identity.compress(cut)[..., 0, :, :], cut)


@given(sizes)
def test_the_centre_is_untouched_and_the_mean_kept(windows):
    window = torch.randn(4, 3, windows.expanded, dtype=torch.float64)
    expanded = windows.expand(windows.compress(window))
    margin = (windows.expanded - windows.compressed) // 2
    centre = slice(margin, margin + windows.compressed)
    assert torch.equal(expanded[..., centre], window[..., centre])
    if windows.compressed % 4 == 0:  # the edges of each resolution lie between two values of the next coarser one
        assert torch.allclose(expanded.mean(-1), window.mean(-1))
        assert torch.allclose(windows.compress(expanded), windows.compress(window))


@given(sizes, st.integers(1, 200), st.integers(1, 3))
def test_pieces_equal_the_whole(windows, steps, hops):
    track = torch.randn(2, steps)
    tiles = tile_stream(
        lambda tile, _: there_and_back(windows, tile), track.split(7, dim=-1), hops * windows.hop, windows.hop, (1, 1)
    )
    assert torch.allclose(torch.cat(list(tiles), dim=-1), there_and_back(windows, track), atol=1e-6)


def test_what_a_net_changes_reaches_the_track_where_its_window_lies():
    windows = MultiResolutionWindows(4, 16)
    compressed = windows.compress(windows.cut(torch.zeros(1, 64)))
    assert len(compressed) == 9  # and no window that the track does not reach
    compressed[3] = 1.0  # from step 16 on
    track = windows.overlap_add(windows.expand(compressed), 64)[0]
    assert torch.allclose(track[16:32], torch.hann_window(16, periodic=True))
    assert not track[:16].any() and not track[32:].any()


@pytest.mark.parametrize(("compressed", "expanded"), [(3, 12), (0, 0), (4, 24), (8, 4), (4, 18), (-4, 16)])
def test_lengths_that_do_not_fit_are_named(compressed, expanded):
    with pytest.raises(ValueError, match=f"windows of {expanded} steps compressed to {compressed}; expected"):
        MultiResolutionWindows(compressed, expanded)


@pytest.mark.parametrize("method", ["cut", "compress", "expand"])
def test_an_axis_too_few_is_named(method):
    windows = MultiResolutionWindows(4, 16)
    axes = {"cut": (5,), "compress": (16,), "expand": (3, 4)}[method]
    with pytest.raises(ValueError, match=r"of shape .*; expected \(\.\.\."):
        getattr(windows, method)(torch.zeros(axes))
    getattr(windows, method)(torch.zeros(*axes[:-1], 1, axes[-1]))


def test_windows_are_a_value_and_those_of_the_paper_unless_told_otherwise():
    windows = MultiResolutionWindows()
    assert (windows.channels, windows.hop, windows.count(1), windows.count(320), windows.count(321)) == (
        5,
        320,
        2,
        2,
        3,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        windows.compressed = 2
    assert MultiResolutionWindows(2, 2).channels == 1


def test_wrong_shapes_are_named():
    windows = MultiResolutionWindows(4, 16)
    for call, shape in (
        (lambda: windows.cut(torch.zeros(3, 0)), r"\(3, 0\)"),
        (lambda: windows.cut(torch.zeros(16)), r"\(16,\)"),
        (lambda: windows.compress(torch.zeros(3, 15)), r"\(3, 15\)"),
        (lambda: windows.expand(torch.zeros(2, 5, 4)), r"\(2, 5, 4\)"),
        (lambda: windows.overlap_add(torch.zeros(3, 5, 16), 64), r"\(3, 5, 16\)"),
    ):
        with pytest.raises(ValueError, match=f"shape {shape}; expected"):
            call()
