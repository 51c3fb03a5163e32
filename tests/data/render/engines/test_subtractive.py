"""Subtractive synthesizers: the filter, legato, glide and the pitch that falls."""

import dataclasses

import numpy as np
import pytest

from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.envelopes import Envelope
from latentstem.data.render.engines.oscillators import Oscillator
from latentstem.data.render.engines.subtractive import Subtractive
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


@pytest.fixture
def plain():
    """A sawtooth through an open filter, without anything that moves."""
    patch = Subtractive.draw(PatchDraws(SeededRandom(0)), "bass")
    flat = Envelope(attack=0.001, decay=1.0, sustain=1.0, release=0.01)
    low_pass = dataclasses.replace(
        patch.filter, cutoff=15_000.0, amount=0.0, touch=0.0, tracking=0.0, resonance=-3.0, poles=2, envelope=flat
    )
    return dataclasses.replace(
        patch,
        oscillators=(Oscillator(1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.0),),
        **dict.fromkeys(("noise", "width_depth", "glide", "fall", "vibrato", "drive_before", "drive_after"), 0.0),
        unison=1,
        filter=low_pass,
        amplifier=flat,
        legato=False,
    )


def play(patch, notes, duration=1.0):
    return patch.render(notes, duration, SeededRandom(1))


def crossings(audio):
    """Frequency in Hz by rising zero crossings."""
    rising = np.flatnonzero((audio[:-1] < 0) & (audio[1:] >= 0))
    return RATE * (len(rising) - 1) / (rising[-1] - rising[0])


def sine(plain, **fields):
    return dataclasses.replace(plain, oscillators=(Oscillator(0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.0),), **fields)


def test_the_filter_takes_from_each_harmonic_what_its_formula_says(plain):
    closed = dataclasses.replace(plain, filter=dataclasses.replace(plain.filter, cutoff=440.0))
    bright, dull = (np.abs(np.fft.rfft(play(patch, [Note(0.0, 1.0, 45, 90)]))) for patch in (plain, closed))
    # 110 Hz: bins are 1 Hz apart. The bilinear transform of 1 / (s^2 + sqrt(2) s + 1).
    for harmonic in (1, 4, 12, 30):
        warped = np.tan(np.pi * 110 * harmonic / RATE) / np.tan(np.pi * 440 / RATE)
        open_gain = (1 + (np.tan(np.pi * 110 * harmonic / RATE) / np.tan(np.pi * 15_000 / RATE)) ** 4) ** -0.5
        expected = (1 + warped**4) ** -0.5 / open_gain
        assert dull[110 * harmonic] / bright[110 * harmonic] == pytest.approx(expected, rel=0.05, abs=3e-3)


def test_legato_notes_share_an_envelope_unless_the_pitch_is_struck_again(plain):
    patch = sine(plain, legato=True, dynamics=20.0)

    def level_after(first, second, patch):
        audio = play(patch, [Note(0.0, 0.4, first, 120), Note(0.4, 0.8, second, 20)])
        return np.abs(audio[int(0.5 * RATE) : int(0.7 * RATE)]).max() / np.abs(audio[: int(0.3 * RATE)]).max()

    assert level_after(40, 45, patch) == pytest.approx(1, abs=0.01)
    for again in (level_after(40, 40, patch), level_after(40, 45, dataclasses.replace(patch, legato=False))):
        assert again == pytest.approx(10 ** (-20 * 100 / 127 / 20), rel=0.02)


def test_a_glide_passes_between_the_pitches_and_arrives(plain):
    notes = [Note(0.0, 0.5, 45, 90), Note(0.5, 1.0, 57, 90)]
    audio = play(sine(plain, glide=0.05), notes)
    assert crossings(audio[int(0.9 * RATE) : int(0.99 * RATE)]) == pytest.approx(220, rel=0.01)
    assert 115 < crossings(audio[int(0.505 * RATE) : int(0.54 * RATE)]) < 200


def test_a_falling_pitch_begins_high_and_arrives(plain):
    audio = play(sine(plain, fall=24.0, fall_time=0.02), [Note(0.0, 1.0, 33, 90)])
    assert crossings(audio[: int(0.02 * RATE)]) > 120
    assert crossings(audio[int(0.5 * RATE) : int(0.99 * RATE)]) == pytest.approx(55, rel=0.01)


def test_the_last_note_of_a_melody_does_not_jump(plain):
    """Where notes follow each other the level falls in milliseconds, not at once."""
    audio = play(sine(plain), [Note(0.0, 0.4013, 40, 120), Note(0.4013, 0.8, 41, 20)])
    assert np.abs(np.diff(audio)).max() < 0.03
