"""A stem sounds in the blocks that the loudness measure counts, and in a crop that touches one of them."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import BLOCK, active_rms
from latentstem.data.stems.activity import active_blocks, is_active

LEVELS = st.lists(st.sampled_from([0.0, 1e-4, 3e-3, 0.2, 1.0]), min_size=1, max_size=12)


@given(LEVELS)
def test_the_active_blocks_are_those_of_the_loudness_measure(levels):
    powers = np.square(np.array(levels))
    audio = torch.tensor(levels).repeat_interleave(BLOCK)[None, None]
    active = active_blocks(powers)
    expected = math.sqrt(powers[active].mean()) if active.any() else 0.0
    assert math.isclose(float(active_rms(audio)), expected, rel_tol=1e-4)


@given(LEVELS, st.integers(0, 12 * BLOCK), st.integers(1, 3 * BLOCK))
def test_a_crop_is_active_where_a_sample_of_it_lies_in_an_active_block(levels, start, samples):
    powers = np.square(np.array(levels))
    expected = active_blocks(powers).repeat(BLOCK)[start : start + samples].any()
    assert is_active(powers, start / BLOCK, (start + samples) / BLOCK) == expected
