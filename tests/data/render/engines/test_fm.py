"""Frequency modulation against Bessel functions and Kepler's equation."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import jv

from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.fm import FrequencyModulation, Operator
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100
CARRIER = Operator(-1, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)


def play(*operators, pitch=57):
    patch = FrequencyModulation.draw(PatchDraws(SeededRandom(0)), "chords")
    patch = dataclasses.replace(
        patch, operators=operators, release=0.01, vibrato=0.0, cutoff=18_000.0, dynamics=0.0, monophonic=False
    )
    return patch.render([Note(0.0, 1.0, pitch, 127)], 1.0, SeededRandom(1))


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 4.0))
def test_sidebands_are_bessel_functions_of_the_index(index):
    modulator = dataclasses.replace(CARRIER, target=0, ratio=7.0, level=index)
    spectrum = np.abs(np.fft.rfft(play(CARRIER, modulator))) * 2 / RATE
    for order in range(-2, 3):
        # At 220 Hz, the sideband of each order lies 1540 Hz from the last; bins are 1 Hz apart.
        assert spectrum[abs(220 + 1540 * order)] == pytest.approx(abs(jv(order, index)), abs=0.02)


@given(st.floats(0.05, 0.9))
def test_feedback_solves_keplers_equation(feedback):
    wave = FrequencyModulation._wave(dataclasses.replace(CARRIER, feedback=feedback))
    phase = np.arange(1000) / 1000
    value = wave.read(phase, 20.0)
    np.testing.assert_allclose(value, np.sin(2 * np.pi * phase + feedback * value), atol=0.02)


def test_an_index_that_falls_makes_the_sound_duller():
    audio = play(CARRIER, dataclasses.replace(CARRIER, target=0, level=4.0, decay=0.1, sustain=0.0))
    frequency = np.fft.rfftfreq(4410, 1 / RATE)
    early, late = (np.abs(np.fft.rfft(piece)) ** 2 for piece in (audio[:4410], audio[-8820:-4410]))
    assert (frequency * early).sum() / early.sum() > 1.5 * (frequency * late).sum() / late.sum()


def test_sidebands_do_not_come_back_from_beyond_the_band():
    audio = play(CARRIER, dataclasses.replace(CARRIER, target=0, ratio=5.0, level=8.0), pitch=96)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(RATE))) ** 2
    harmonic = np.zeros(len(spectrum), bool)
    for order in range(1, 11):
        place = round(2093.0045 * order)
        harmonic[place - 40 : place + 40] = True
    assert spectrum[~harmonic].sum() < 1e-3 * spectrum.sum()
