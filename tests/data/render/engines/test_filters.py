"""Filters that change over time, against SciPy's filter run from block to block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt

from latentstem.data.render.engines.filters import (
    CONTROL_BLOCK,
    bandpass_sections,
    control_times,
    lowpass_sections,
    sweep,
)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1000), st.sampled_from([2, 4]), st.floats(-3, 24), st.integers(0, 99))
def test_a_sweep_is_the_filter_of_each_block_from_the_state_of_the_last(samples, poles, resonance, seed):
    noise = np.random.default_rng(seed)
    audio = noise.normal(size=samples)
    sections = lowpass_sections(100 * 2 ** noise.uniform(0, 7, len(control_times(samples))), resonance, poles)
    state, expected = np.zeros((poles // 2, 2)), []
    for block, section in enumerate(sections):
        piece, state = sosfilt(section, audio[block * CONTROL_BLOCK : (block + 1) * CONTROL_BLOCK], zi=state)
        expected.append(piece)
    np.testing.assert_allclose(sweep(audio, sections), np.concatenate(expected), atol=1e-5 * np.abs(audio).max())


@pytest.mark.parametrize("samples", [0, 1, 64, 1000])
def test_a_constant_filter_is_scipys(samples):
    audio = np.random.default_rng(0).normal(size=samples)
    ones = np.ones(len(control_times(samples)))
    sections = bandpass_sections(800 * ones, 100 * ones)
    expected = sosfilt(sections[0], audio) if samples else audio
    np.testing.assert_allclose(sweep(audio, sections), expected, atol=1e-6)
