"""Struck strings and bars: their modes, dampers and the bark of a pickup."""

import dataclasses

import numpy as np
import pytest

from latentstem.data.render.engines.engine import PatchDraws, frequency_of
from latentstem.data.render.engines.struck import StruckString
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


@pytest.fixture
def bars():
    """Bars that are free at both ends, struck hard, heard directly."""
    patch = StruckString.draw(PatchDraws(SeededRandom(0)), "chords")
    modes = dataclasses.replace(
        patch.modes, ratios=(1.0, 2.756, 5.404), strings=1, octave=0.0, aftersound=0.0, damping=2.0, treble_damping=0.1
    )
    hammer = dataclasses.replace(
        patch.hammer, position=0.0, slope=0.5, cutoff=9000.0, noise=0.0, lift=0.0, release=0.02, undamped=80.0
    )
    outlet = dataclasses.replace(patch.outlet, bark=0.0, body=(), tremolo=0.0, cutoff=18_000.0)
    return dataclasses.replace(patch, modes=modes, hammer=hammer, outlet=outlet)


def play(patch, notes, duration=1.0):
    return patch.render(notes, duration, SeededRandom(1))


def levels(audio, frequencies):
    """Amplitudes of sines of the given frequencies in Hz, by projection."""
    time = np.arange(len(audio)) / RATE
    window = np.hanning(len(audio))
    return np.array([abs((audio * window) @ np.exp(-2j * np.pi * frequency * time)) for frequency in frequencies])


def test_a_bar_sounds_at_its_ratios_and_nowhere_else(bars):
    audio = play(bars, [Note(0.0, 1.0, 57, 110)])
    modes = levels(audio, 220 * np.array([1.0, 2.756, 5.404]))
    between = levels(audio, 220 * np.array([1.5, 2.0, 3.5, 4.0, 6.5]))
    assert modes.min() > 20 * between.max()


def test_dampers_end_notes_and_high_keys_have_none(bars):
    def left(pitch):
        audio = play(bars, [Note(0.0, 0.3, pitch, 90)])
        return np.abs(audio[int(0.45 * RATE) : int(0.5 * RATE)]).max() / np.abs(audio).max()

    assert left(79) < 0.01 < 0.05 < left(80)


def test_bark_adds_harmonics_to_hard_notes(bars):
    tine = dataclasses.replace(bars, modes=dataclasses.replace(bars.modes, ratios=(1.0,)))
    barking = dataclasses.replace(tine, outlet=dataclasses.replace(tine.outlet, bark=2.0, bias=0.6))

    def second(patch, velocity):
        first, octave = levels(play(patch, [Note(0.0, 1.0, 45, velocity)]), 110 * np.array([1.0, 2.0]))
        return octave / first

    assert second(tine, 120) < 1e-3 < second(barking, 30) < 0.5 * second(barking, 120)


def test_detuned_strings_beat(bars):
    modes = dataclasses.replace(bars.modes, ratios=(1.0,), strings=2, spread=20.0, damping=0.01, treble_damping=0.0)
    audio = play(dataclasses.replace(bars, modes=modes), [Note(0.0, 2.0, 69, 100)], 2.0)
    # Two tones 20 cents apart at 440 Hz cancel first after half a period of their difference.
    difference = 440 * (2 ** (10 / 1200) - 2 ** (-10 / 1200))
    dip = int(0.5 / difference * RATE)
    assert np.abs(audio[dip - 100 : dip + 100]).max() < 0.1 * np.abs(audio[:2000]).max()
    assert frequency_of(69) == 440
