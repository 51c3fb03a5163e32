"""Organs: the stops are harmonics, and the rotating speaker swings level and pitch."""

import dataclasses

import numpy as np
import pytest

from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.organ import STOPS, Organ, _delayed
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100
PLAIN = {"slope": 40.0, "odd": 1.0, "celeste": 0.0, "percussion": 0.0, "click": 0.0, "drive": 0.0, "rotor_depth": 0.0}


def organ(**changes):
    return dataclasses.replace(Organ.draw(PatchDraws(SeededRandom(0)), "chords"), **{**PLAIN, **changes})


@pytest.mark.parametrize("pulled", range(9))
def test_a_stop_alone_is_a_sine_at_its_harmonic_of_the_16_foot_stop(pulled):
    stops = tuple(float(stop == pulled) for stop in range(9))
    audio = organ(stops=stops).render([Note(0.0, 2.0, 69, 127)], 1.0, SeededRandom(0))
    power = np.abs(np.fft.rfft(audio[-22050:] * np.hanning(22050))) ** 2
    place = 220 * STOPS[pulled] // 2
    assert power.argmax() == place and power[place - 2 : place + 3].sum() > 0.999 * power.sum()


def test_the_percussion_fades_and_the_stops_stay():
    notes = [Note(0.0, 2.0, 60, 100)]
    alone = organ().render(notes, 1.5, SeededRandom(0))
    struck = organ(percussion=1.0, percussion_decay=0.05).render(notes, 1.5, SeededRandom(0)) - alone
    assert np.abs(struck[:4000]).max() > 0.3 and np.abs(struck[40000:]).max() < 1e-3


def test_the_rotating_speaker_swings_the_level_and_delays_by_less_than_two_milliseconds():
    notes = [Note(0.1, 2.0, 84, 100)]
    still, turning = (
        organ(rotor_depth=depth, rotor_speeds=(6.0, 6.0)).render(notes, 2.0, SeededRandom(0)) for depth in (0.0, 1.0)
    )
    levels = [np.sqrt((audio[8820:79380].reshape(-1, 882) ** 2).mean(1)) for audio in (still, turning)]
    assert levels[0].std() / levels[0].mean() < 0.02 < 0.1 < levels[1].std() / levels[1].mean()
    assert not turning[:4410].any() and turning[4410 : 4410 + 88].any()


def test_a_whole_delay_shifts():
    audio = np.random.default_rng(0).normal(size=100).astype(np.float32)
    np.testing.assert_array_equal(_delayed(audio, np.full(100, 7.0, np.float32))[7:], audio[:-7])
    halves = _delayed(audio, np.full(100, 0.5, np.float32))[1:]
    np.testing.assert_allclose(halves, (audio[1:] + audio[:-1]) / 2, atol=1e-6)
