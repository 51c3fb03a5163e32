"""Lines of a player: voices, controls that approach their targets, and oscillators that follow."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.filters import CONTROL_BLOCK
from latentstem.data.render.engines.lines import STEP, Line, split_voices
from latentstem.data.render.engines.wavetables import Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

notes = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30), st.integers(30, 90)), min_size=1, max_size=30).map(
    lambda rows: [Note(start / 10, (start + length) / 10, pitch, 90) for start, length, pitch in sorted(rows)]
)


@given(notes, st.integers(1, 6))
def test_voices_have_one_note_at_a_time_and_lose_none_without_need(played, count):
    voices = split_voices(played, count)
    assert len(voices) <= count
    for voice in voices:
        assert all(first.end <= second.start for first, second in pairwise(voice))
    kept = sorted((note.start, note.pitch) for voice in voices for note in voice)
    given_ = sorted((note.start, note.pitch) for note in played)
    most = max(sum(other.start <= note.start < other.end for other in played) for note in played)
    assert set(kept) <= set(given_)
    if most <= count:
        assert kept == given_


@given(st.floats(0, 1), st.floats(0.001, 0.3), st.floats(-2, 2))
def test_an_approach_is_the_solution_of_its_equation(start, constant, target):
    line = Line([Note(start, 2.0, 60, 90)], samples=88200)
    track = line.approach([start], [target], [constant], initial=0.5)
    first = line.block_of(start)
    time = np.maximum(np.arange(line.blocks) - first, 0) * STEP
    np.testing.assert_allclose(track, target + (0.5 - target) * np.exp(-time / constant), atol=1e-9)
    assert 0 <= first * CONTROL_BLOCK - round(start * 44100) < CONTROL_BLOCK


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3000), st.floats(50, 2000), st.floats(0, 1))
def test_an_oscillator_at_a_constant_pitch_is_a_sine(samples, frequency, begin):
    line = Line([Note(0.0, 1.0, 60, 90)], samples)
    audio = line.oscillate(Waveform(np.array([-1j])), np.full(samples, frequency), begin)
    time = np.arange(samples) / 44100
    np.testing.assert_allclose(audio, np.sin(2 * np.pi * (frequency * time + begin)), atol=1e-3)


def test_low_notes_keep_their_harmonics_beside_high_ones():
    """A note two octaves under its neighbour has harmonics that the neighbour has no room for."""
    line = Line([Note(0.0, 0.5, 36, 90), Note(0.5, 1.0, 72, 90)], 44100)
    pitch = line.hold([36.0, 72.0])
    audio = line.oscillate(Waveform(-1j * np.ones(512)), line.frequency(pitch), 0.0)
    spectrum = np.abs(np.fft.rfft(audio[:20000] * np.hanning(20000)))
    assert spectrum[round(8000 / 44100 * 20000) :].max() > 0.5 * spectrum.max()


def test_wandering_stays_in_bounds_and_moves():
    curve = Line([Note(0.0, 1.0, 60, 90)], 441000).wander(5.0, SeededRandom(0))
    assert np.abs(curve).max() <= 1 and curve.std() > 0.2
