"""Oscillators against the waves that they should draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.oscillators import Oscillator, OscillatorBank
from latentstem.data.rng import SeededRandom

PHASE = (np.arange(500) + 0.5) / 500


def oscillator(**fields):
    silent = {"saw": 0.0, "pulse": 0.0, "triangle": 0.0, "sine": 0.0, "width": 0.5, "sync": 1.0}
    return Oscillator(**{**silent, "semitones": 0.0, "cents": 0.0, **fields})


def wave(one):
    harmonics = one.harmonics()
    order = np.arange(1, len(harmonics) + 1)
    return (harmonics[:, None] * np.exp(2j * np.pi * order[:, None] * PHASE)).sum(0).real


def error(found, expected):
    """Mean deviation from a wave of the same mean; the ripple at jumps counts little."""
    return np.abs(found - (expected - expected.mean())).mean()


@settings(max_examples=10, deadline=None)
@given(st.floats(1.01, 6.0))
def test_a_synced_sawtooth_restarts_with_the_period(ratio):
    assert error(wave(oscillator(saw=1.0, sync=ratio)), np.pi * (0.5 - ratio * PHASE % 1.0)) < 0.05


@settings(max_examples=10, deadline=None)
@given(st.floats(0.05, 0.95))
def test_a_pulse_is_high_for_its_width(width):
    assert error(wave(oscillator(pulse=1.0, width=width)), 2.0 * (width > PHASE)) < 0.02


def test_a_triangle_has_no_jumps():
    found = wave(oscillator(triangle=1.0))
    assert error(found, np.pi**2 / 8 * (1 - np.abs((4 * PHASE + 1) % 4 - 2))) < 0.01


def test_a_pulse_whose_width_hardly_moves_is_the_static_pulse():
    pulse = oscillator(pulse=1.0, width=0.3)
    static, moving = (
        OscillatorBank([pulse], 1, 0.0, depth, 0.1, SeededRandom(0)).run(np.full(4000, 110.0), [(0, 4000)])
        for depth in (0.0, 1e-6)
    )
    np.testing.assert_allclose(moving, static, atol=1e-2)


@pytest.mark.parametrize("unison", [2, 5])
def test_unison_sets_voices_around_the_pitch(unison):
    bank = OscillatorBank([oscillator(sine=1.0)], unison, 60.0, 0.0, 0.1, SeededRandom(0))
    audio = bank.run(np.full(88200, 440.0), [(0, 88200)])
    power = np.abs(np.fft.rfft(audio * np.hanning(88200))) ** 2
    cents = 1200 * np.log2(np.maximum(np.arange(len(power)) / 2, 1) / 440)
    assert power[np.abs(cents) < 36].sum() > 0.99 * power.sum()
    assert power[np.abs(cents - 30) < 4].sum() > 0.5 / unison * power.sum() / 2
    assert power[np.abs(cents + 30) < 4].sum() > 0.5 / unison * power.sum() / 2
