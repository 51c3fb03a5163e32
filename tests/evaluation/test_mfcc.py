"""Timbre vectors: they depend on the instrument, and neither on the level nor on the notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import program_classifier, timbre

LINES = [[(0.5 * n, 0.5 * n + 0.45, pitch) for n, pitch in enumerate(line)] for line in ((28, 35, 40), (33, 31, 38))]


@given(gain=st.floats(0.01, 10.0))
def test_the_level_does_not_matter(gain):
    rng = np.random.default_rng(0)
    audio = np.sin(np.arange(22050) * 0.05) + 0.01 * rng.standard_normal(22050)
    assert np.allclose(timbre(gain * audio, 22050), timbre(audio, 22050), atol=0.05)


def test_silence_between_notes_does_not_matter(synthesize):
    line = synthesize([(0.0, 0.9, 33)], 1.0)
    apart = np.concatenate([line, np.zeros(3 * len(line), np.float32)])
    near, far = timbre(line, 44100), timbre(synthesize([(0.0, 0.9, 33)], 1.0, partials=20), 44100)
    assert np.abs(timbre(apart, 44100) - near).max() < 0.2 * np.abs(far - near).max()


def test_instruments_are_further_apart_than_lines(synthesize):
    (dull, other), (bright, _) = ([timbre(synthesize(line, 1.5, partials=n), 44100) for line in LINES] for n in (2, 20))
    assert np.linalg.norm(dull - bright) > 3 * np.linalg.norm(dull - other)


def test_the_classifier_names_the_instrument_of_another_line(synthesize):
    kinds = {"dull": 2, "round": 6, "bright": 20}
    first, second = (
        {kind: timbre(synthesize(line, 1.5, partials=n), 44100) for kind, n in kinds.items()} for line in LINES
    )
    classifier = program_classifier(list(first.values()), list(first))
    assert classifier.predict(np.stack(list(second.values()))).tolist() == list(second)


def test_silence_is_nothing_and_stereo_is_refused():
    assert not timbre(np.zeros(4410), 44100).any()
    with pytest.raises(ValueError, match="mean of the channels"):
        timbre(np.zeros((2, 4410)), 44100)


def test_one_instrument_cannot_be_told_apart():
    with pytest.raises(ValueError, match="at least two"):
        program_classifier([np.zeros(2)] * 3, [32, 32, 32])
