"""Bends of the pitch against tones of the bent frequency."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.render.engines.bends import bend


@given(st.integers(0, 400), st.floats(-1200, 1200), st.integers(1, 800))
def test_no_bend_changes_nothing_and_any_length_works(length, cents, bent):
    sound = np.sin(0.1 * np.arange(length)).astype(np.float32)
    np.testing.assert_array_equal(bend(sound, np.zeros(min(bent, length))), sound)
    assert np.isfinite(bend(sound, np.full(bent, cents))).all()


def test_a_moving_bend_integrates_the_frequency():
    cents = 200 * np.sin(np.arange(4000) / 700)
    phase = np.concatenate([[0], np.cumsum(2 ** (cents / 1200))])[:-1]
    sound = np.sin(0.05 * np.arange(10_000))
    np.testing.assert_allclose(bend(sound, cents)[:4000], np.sin(0.05 * phase), atol=0.03)


def test_the_rest_goes_on_without_a_jump():
    sound = np.sin(0.05 * np.arange(4000)).astype(np.float32)
    bent = bend(sound, np.linspace(40, 0, 1000))
    assert np.abs(np.diff(bent)).max() < 0.055
    np.testing.assert_array_equal(bent[1000:1200], sound[4000 - len(bent) + 1000 :][:200])
