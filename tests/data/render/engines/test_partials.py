"""Sums of damped sinusoids against their definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.partials import damped_partials


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 5), st.integers(0, 99))
def test_each_sample_is_the_sum(samples, partials, seed):
    noise = np.random.default_rng(seed)
    frequency, decay = noise.uniform(20, 30_000, partials), noise.uniform(0, 50, partials)
    amplitude, phase = noise.normal(size=partials), noise.uniform(0, 6, partials)
    time = np.arange(samples)[:, None] / 44100
    terms = amplitude * np.exp(-decay * time) * np.sin(2 * np.pi * frequency * time + phase)
    expected = terms[:, frequency < 22050].sum(1)
    np.testing.assert_allclose(damped_partials(frequency, decay, amplitude, phase, samples), expected, atol=1e-5)
