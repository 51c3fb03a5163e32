"""Keys of lines in known keys."""

from types import SimpleNamespace

import numpy as np
import pytest

from latentstem.data.compose.harmony import SCALES
from latentstem.evaluation import PitchTrack, key_agreement, line_key, prevailing_key, track_pitch
from latentstem.evaluation.key import MINOR_MODES, TONICS


def lasting(tonic: int, mode: str, end: float = 20.0) -> SimpleNamespace:
    return SimpleNamespace(start=0.0, end=end, tonic=tonic, mode=mode)


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_over_its_scale_is_in_its_key(tonic, mode):
    degrees = [0, 1, 2, 3, 4, 5, 6, 0, 3, 4, 0, 0]
    pitches = np.array([36 + (tonic + SCALES[mode][degree]) % 12 for degree in degrees])
    track = PitchTrack(np.arange(12.0), 440.0 * 2.0 ** ((pitches - 69) / 12), np.ones(12, bool))
    assert line_key(track) == f"{TONICS[tonic]} {mode}"
    assert key_agreement([lasting(tonic, mode)], track) == 1.0
    assert key_agreement([lasting((tonic + 6) % 12, mode)], track) == 0.0
    assert key_agreement([lasting((tonic + 5) % 12, mode)], track) == 0.5


def test_the_key_of_a_synthesised_bass_is_found_from_its_sound(synthesize):
    notes = [(0.5 * n, 0.5 * n + 0.45, 33 + step) for n, step in enumerate([0, 3, 7, 0, 5, 8, 7, 10, 0, 0])]
    assert line_key(track_pitch(synthesize(notes, 5.0), 44100)) == "A minor"


def test_every_scale_of_the_composer_counts_as_what_its_third_is():
    assert {mode for mode, scale in SCALES.items() if scale[2] == 3} == set(MINOR_MODES)


def test_the_key_that_sounds_longest_prevails():
    keys = [lasting(0, "major", 4.0), lasting(7, "major", 3.0), lasting(7, "lydian", 2.0)]
    assert prevailing_key(keys) == "G major"


def test_no_keys_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        prevailing_key([])
