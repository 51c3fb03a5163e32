"""The classifier tells instruments apart that differ, and guesses between equal ones; the measures follow from it."""

import numpy as np
import pytest
import scipy.signal
import torch

from benchmarks.common.instrument_classifier import BANDS
from benchmarks.quality.timbre import ITSELF, KEPT, MOVED, PLAIN, STYLED, TRIP, Judgement, bass_lines, named_by_latents
from latentstem import AutoencoderSpectral

RATE = 44_100


def play(waveform, line):
    """Two seconds of a line, four notes a second."""
    time = np.arange(RATE // 4) / RATE
    pitches = [33 + (5 * note + 3 * line) % 12 for note in range(8)]
    frequencies = [440 * 2 ** ((pitch - 69) / 12) for pitch in pitches]
    sound = [waveform(2 * np.pi * hertz * time) * np.exp(-6 * time) for hertz in frequencies]
    return np.concatenate(sound).astype(np.float32)


def lines(waveform, first, count):
    return [play(waveform, line) for line in range(first, first + count)]


def sounds(waveforms, first=6, count=3):
    return {name: lines(waveform, first, count) for name, waveform in waveforms.items()}


SAW, SQUARE = scipy.signal.sawtooth, scipy.signal.square
DIFFERENT, EQUAL = {"saw": SAW, "square": SQUARE}, {"saw": SAW, "other saw": SAW}


@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS)
def test_different_instruments_are_told_apart_and_equal_ones_by_chance(band):
    for waveforms, expected in ((DIFFERENT, 1.0), (EQUAL, 0.5)):
        asked = sounds(waveforms)
        judgement = Judgement.of(band, sounds(waveforms, 0, 6), dict.fromkeys((ITSELF, TRIP, STYLED, PLAIN), asked))
        measured = judgement.by_song()
        np.testing.assert_array_equal(measured[ITSELF], [expected] * 3)
        # The round trip of these is the sound itself, and their style changes nothing.
        np.testing.assert_array_equal(measured[KEPT], [1.0] * 3)
        np.testing.assert_array_equal(measured[MOVED], [0.0] * 3)


def test_another_instrument_is_named_by_its_sound_and_is_further_away():
    """The round trip makes a square of everything; the style takes the saw half of the way back."""
    band = BANDS["up to 4.4 kHz"]
    square = lines(SQUARE, 6, 3)
    between = [0.5 * (one + two) for one, two in zip(lines(SAW, 6, 3), square, strict=True)]
    asked = {
        ITSELF: sounds(DIFFERENT),
        TRIP: {"saw": square, "square": square},
        STYLED: {"saw": between, "square": square},
        PLAIN: {"saw": square, "square": square},
    }
    judgement = Judgement.of(band, sounds(DIFFERENT, 0, 6), asked)
    measured = judgement.by_song()
    np.testing.assert_array_equal(measured[TRIP], [0.5] * 3)
    assert (measured[KEPT] > 1.5).all() and ((measured[MOVED] > 0.1) & (measured[MOVED] < 1.0)).all()
    by_instrument = judgement.by_instrument()
    assert (by_instrument["saw"][TRIP], by_instrument["square"][TRIP]) == (0.0, 1.0)
    # Without a style the answer is right for one instrument of each song.
    assert by_instrument["saw"][PLAIN] + by_instrument["square"][PLAIN] == 1.0


@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS)
def test_features_depend_neither_on_the_level_nor_on_rests(band):
    sound = play(SAW, 0)
    features = band.features(sound)
    assert np.isfinite(features).all() and len(features) == 3  # of a second each, every half second of two
    np.testing.assert_allclose(band.features(0.01 * sound), features, rtol=0.02, atol=0.05)
    rests = band.features(np.concatenate([sound, np.zeros(5 * RATE, np.float32)]))
    assert len(rests) == len(features)


@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS)
def test_silence_and_short_sounds_have_features(band):
    for seconds in (0.3, 2.0):
        assert np.isfinite(band.features(np.zeros(round(seconds * RATE), np.float32))).all()
    assert len(band.features(play(SAW, 0)[: RATE // 4])) == 1


def test_lines_follow_one_another_and_are_different():
    four = bass_lines(0, 4, 5.0)
    assert bass_lines(2, 2, 5.0) == four[2:] and len(set(four)) == 4


def test_latents_name_different_instruments_and_not_equal_ones():
    torch.manual_seed(0)
    autoencoder = AutoencoderSpectral(latent_channels=8, channels=8, latent_hidden_channels=8, carriers=0).eval()
    named = [
        named_by_latents(autoencoder, sounds(waveforms, 0, 6), sounds(waveforms)) for waveforms in (DIFFERENT, EQUAL)
    ]
    np.testing.assert_array_equal(named, [[1.0] * 3, [0.5] * 3])
