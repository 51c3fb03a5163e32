"""Windows: they cover a sequence, agree with the whole where a net is local, and are the whole where one covers it."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from latentstem.sampling.overlapping import OverlappingWindows

shapes = st.integers(1, 40).flatmap(lambda frames: st.tuples(st.just(frames), st.integers(0, frames // 2)))


@given(shapes, st.integers(1, 300))
def test_windows_cover_every_frame_and_meet_in_their_overlap(shape, length):
    windows = OverlappingWindows(*shape)
    spans = windows.spans(length)
    assert spans[0].start == 0 and spans[-1].stop == length
    assert all(span.stop - span.start == windows.frames for span in spans[:-1])
    assert all(one.stop - other.start == windows.overlap for one, other in pairwise(spans))


@example(shape=(2, 1), length=5)
@given(shapes, st.integers(1, 300))
def test_a_map_of_single_frames_is_not_changed(shape, length):
    sequence = torch.randn(2, 3, length)
    blended = OverlappingWindows(*shape).blend(lambda span: 2 * sequence[..., span], length)
    torch.testing.assert_close(blended, 2 * sequence)


@given(shapes, st.integers(0, 40))
def test_a_window_that_covers_the_sequence_gives_its_very_prediction(shape, shorter):
    length = max(1, shape[0] - shorter)
    prediction = torch.randn(1, 2, length)
    assert torch.equal(OverlappingWindows(*shape).blend(lambda span: prediction[..., span], length), prediction)


def test_one_window_fades_into_the_next():
    values = iter((0.0, 1.0))
    blended = OverlappingWindows(8, 4).blend(lambda span: torch.full((1, span.stop - span.start), next(values)), 12)
    assert blended[0].tolist() == [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1]


@pytest.mark.parametrize(("frames", "overlap"), [(0, 0), (8, 5), (8, -1)])
def test_windows_that_cannot_be_are_refused(frames, overlap):
    with pytest.raises(ValueError, match="overlap of 0 to half"):
        OverlappingWindows(frames, overlap)


def test_windows_are_a_value_and_long_enough_for_a_sequence_of_training():
    assert OverlappingWindows().spans(1025) == [slice(0, 1024), slice(896, 1025)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        OverlappingWindows().frames = 2


def test_as_many_windows_are_evaluated_as_are_needed():
    asked = []
    OverlappingWindows(4, 2).blend(lambda span: asked.append(span) or torch.ones(1, span.stop - span.start), 9)
    assert asked == [slice(0, 4), slice(2, 6), slice(4, 8), slice(6, 9)]
