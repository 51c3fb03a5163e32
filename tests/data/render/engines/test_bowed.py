"""Bowed strings: notches of the bow position, and sections."""

import dataclasses

import numpy as np

from latentstem.data.render.engines.bowed import BowedString
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


def plain(**changes):
    patch = BowedString.draw(PatchDraws(SeededRandom(0)), "bass")
    still = dataclasses.replace(patch.articulation, vibrato_depth=0.0, drift=0.0, scoop=0.0, unsteadiness=0.0)
    return dataclasses.replace(patch, articulation=still, **changes)


def harmonics(audio, frequency, count):
    """Amplitudes of the first harmonics, measured over the end of a second."""
    spectrum = np.abs(np.fft.rfft(audio[-22050:] * np.hanning(22050)))
    places = np.round(np.arange(1, count + 1) * frequency / 2).astype(int)
    return np.array([spectrum[place - 2 : place + 3].max() for place in places])


def test_a_bow_at_a_fifth_of_the_string_takes_every_fifth_harmonic():
    still = {"players": 1, "noise": 0.0, "body_gains": (0.0,) * 9, "softness": 0.0}
    bowed = plain(bow=0.2, bow_depth=1.0, slope=1.0, **still)
    level = harmonics(bowed.render([Note(0.0, 1.5, 45, 127)], 1.0, SeededRandom(0)), 110.0, 12)
    expected = np.abs(np.sin(np.pi * 0.2 * np.arange(1, 13))) / np.arange(1, 13)
    np.testing.assert_allclose(level[1:] / level[1], expected[1:] / expected[1], atol=0.03)


def test_a_section_is_wider_than_a_player():
    notes = [Note(0.0, 1.5, 57, 110)]
    solo, section = (
        plain(players=players, spread=20.0, noise=0.0).render(notes, 1.5, SeededRandom(0)) for players in (1, 3)
    )

    def width(audio):
        power = np.abs(np.fft.rfft(audio[8820:52920] * np.hanning(44100))) ** 2
        near = power[200:240]
        return np.sqrt(
            np.average((np.arange(200, 240) - np.average(np.arange(200, 240), weights=near)) ** 2, weights=near)
        )

    assert width(section) > 1.3 * width(solo)
