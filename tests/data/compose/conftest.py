"""Random chords, grooves and bass players for the tests of the parts, and which notes lie in which chord."""

from itertools import product

import numpy as np
import pytest

from latentstem.data.compose.bass import Bassist
from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.comping import Comper
from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.groove import Groove
from latentstem.data.compose.harmony import SCALES, SYMBOLS, ChordType, diatonic
from latentstem.data.compose.programs import STYLES
from latentstem.data.compose.timing import TIME_SIGNATURES
from latentstem.data.rng import SeededRandom


def _draw_chords(seed, metre, count=24, foreign=True):
    """Chords of every kind and length; the last one ends anywhere, as a song cut at its duration does."""
    draw = np.random.default_rng((9, seed))
    tonic, mode = int(draw.integers(12)), str(draw.choice(list(SCALES)))
    chords, position = [], 0.0
    for _ in range(count):
        length = float(draw.choice([1, 1, 2, metre.beats, metre.beats, 2 * metre.beats]))
        harmony = diatonic(tonic, mode, int(draw.integers(7)), bool(draw.random() < 0.3))
        if foreign and draw.random() < 0.2:
            harmony = ChordType(int(draw.integers(12)), list(SYMBOLS)[draw.integers(len(SYMBOLS))])
        if foreign and draw.random() < 0.2:
            harmony = harmony.over(int(draw.choice([*harmony.pitch_classes, tonic])))
        chords.append(BeatChord(harmony, position, position + length, tonic, mode))
        position += length
    cut = chords[-1].end - float(draw.uniform(0, 0.5))
    return [*chords[:-1], BeatChord(harmony, chords[-1].start, cut, tonic, mode)]


def _draw_groove(seed, metre):
    return Groove.of(
        metre, Drummer(SeededRandom(seed), metre, False), [Comper(SeededRandom(seed), metre, complete=False)]
    )


def _draw_bassist(seed, metre):
    return Bassist(SeededRandom(seed), _draw_groove(seed, metre), swung=seed % 5 == 0)


def _notes_of(notes, chord):
    return [note for note in notes if chord.start <= note.start < chord.end]


def _assert_in_chords(notes, chords):
    for note in notes:
        (chord,) = [chord for chord in chords if chord.start <= note.start < chord.end]
        assert note.start < note.end <= chord.end + 1e-6
        assert 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127


# Functions as fixtures, since test modules cannot import each other; of the session, since hypothesis wants that.
@pytest.fixture(scope="session")
def draw_chords():
    """Draw chords of every kind and length from `(seed, metre, count=24, foreign=True)`."""
    return _draw_chords


@pytest.fixture(scope="session")
def draw_groove():
    """Draw the groove of a drummer and a comping player from `(seed, metre)`."""
    return _draw_groove


@pytest.fixture(scope="session")
def draw_bassist():
    """Draw a bass player from `(seed, metre)`."""
    return _draw_bassist


@pytest.fixture(scope="session")
def players_by_style():
    """Bass style to the seeds and metres of `draw_bassist` that draw it."""
    found = {style: [] for style in STYLES}
    for seed, metre in product(range(400), TIME_SIGNATURES):
        found[_draw_bassist(seed, metre).style].append((seed, metre))
    return found


@pytest.fixture(scope="session")
def notes_of():
    """Select the notes that start in a chord, from `(notes, chord)`."""
    return _notes_of


@pytest.fixture(scope="session")
def assert_in_chords():
    """Assert that every note lies within one chord and in the range of MIDI, from `(notes, chords)`."""
    return _assert_in_chords
