"""Winds: cylinders, and brass that gets brighter with its level."""

import dataclasses

import numpy as np

from latentstem.data.render.engines.blown import BlownPipe
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


def plain(**changes):
    patch = BlownPipe.draw(PatchDraws(SeededRandom(0)), "bass")
    still = dataclasses.replace(patch.articulation, vibrato_depth=0.0, drift=0.0, scoop=0.0, unsteadiness=0.0)
    return dataclasses.replace(patch, articulation=still, **changes)


def harmonics(audio, frequency, count):
    """Amplitudes of the first harmonics, measured over the end of a second."""
    spectrum = np.abs(np.fft.rfft(audio[-22050:] * np.hanning(22050)))
    places = np.round(np.arange(1, count + 1) * frequency / 2).astype(int)
    return np.array([spectrum[place - 2 : place + 3].max() for place in places])


def test_a_cylinder_has_few_even_harmonics():
    still = {"breath": 0.0, "formant_gains": (0.0, 0.0), "steepening": 0.0, "growl": 0.0, "softness": 0.0}
    notes = [Note(0.0, 1.5, 45, 127)]
    odd, all_ = (plain(even=even, slope=1.0, **still).render(notes, 1.0, SeededRandom(0)) for even in (0.02, 1))
    assert harmonics(odd, 110.0, 4)[1] < 0.05 * harmonics(odd, 110.0, 4)[0]
    assert harmonics(all_, 110.0, 4)[1] > 0.2 * harmonics(all_, 110.0, 4)[0]


def test_a_softness_and_a_low_corner_make_soft_notes_dull():
    still = {"breath": 0.0, "formant_gains": (0.0, 0.0), "steepening": 0.0, "growl": 0.0, "slope": 1.0, "even": 1.0}
    brass = plain(corner=1.5, poles=2, softness=3.0, **still)
    soft, loud = (harmonics(brass.render([Note(0.0, 1.5, 45, v)], 1.0, SeededRandom(0)), 110.0, 12) for v in (40, 127))
    fall = 20 * np.log10((soft / soft[0]) / (loud / loud[0]))
    assert fall[5] < fall[2] < -1 and fall[11] < -8


def test_steepening_adds_harmonics_to_loud_notes():
    still = {"breath": 0.0, "formant_gains": (0.0, 0.0), "growl": 0.0, "slope": 6.0, "softness": 0.0}
    notes = [Note(0.0, 1.5, 45, 127)]
    plain_one, steep = (
        harmonics(plain(steepening=gain, **still).render(notes, 1.0, SeededRandom(0)), 110.0, 7) for gain in (0.0, 3.0)
    )
    assert steep[2] / steep[0] > 5 * plain_one[2] / plain_one[0]
