"""YIN finds the pitch of tones, whatever their partials, and none in noise and silence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.audio.pitch import yin

RATE, HOP = 44100, 512


def tone(frequency, weights, samples=RATE // 2):
    time = torch.arange(samples, dtype=torch.float64) / RATE
    partials = enumerate(weights, start=1)
    return sum(w * torch.sin(2 * np.pi * frequency * k * time + k) for k, w in partials if k * frequency < 4000).float()


@settings(deadline=None, max_examples=25)
@given(st.floats(28.0, 600.0), st.lists(st.floats(0.05, 1.0), min_size=2, max_size=7))
def test_tones_have_their_pitch_to_a_few_cents(frequency, overtones):
    """Tones with a fundamental: where the odd partials hold less power than the threshold, YIN finds the octave."""
    found = yin(tone(frequency, [1.0, *overtones])[None], RATE, HOP)[0, 6:-6]
    assert (found > 0).all()
    assert 1200 * np.abs(np.log2(found.numpy() / frequency)).max() < 5


def test_a_frame_stands_where_its_sound_is():
    sound = torch.cat([tone(55.0, [1, 1]), tone(110.0, [1, 1])])
    found = yin(sound[None], RATE, HOP)[0]
    centres = (torch.arange(len(found)) + 0.5) * HOP / RATE
    change = float(centres[(found - 110).abs() < 2][0])
    assert len(found) == len(sound) // HOP and abs(change - 0.5) < 0.04


def test_noise_silence_and_what_is_far_softer_are_unvoiced():
    noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert (yin(noise, RATE, HOP) > 0).float().mean() < 0.02
    assert not yin(torch.zeros(1, RATE), RATE, HOP).any()
    fading = torch.cat([tone(80.0, [1.0]), 1e-3 * tone(80.0, [1.0])])
    assert not yin(fading[None], RATE, HOP)[0, 50:].any()


def test_items_of_a_batch_do_not_meet_and_gain_does_not_matter():
    pair = torch.stack([tone(60.0, [1, 0.5]), tone(90.0, [0.2, 1])])
    both = yin(pair, RATE, HOP)
    assert torch.allclose(both[:1], yin(0.1 * pair[:1], RATE, HOP), rtol=1e-3)
    for audio, hop in ((torch.zeros(1, 511), 512), (torch.zeros(1, 1, 512), 512), (torch.zeros(1, 600), 511)):
        with pytest.raises(ValueError, match=r"expected .*, and an even hop"):
            yin(audio, RATE, hop)
    assert yin(torch.zeros(3, 512), RATE, 512).tolist() == [[0], [0], [0]]
    assert yin(torch.zeros(1, 1535), RATE, 512).shape == (1, 2)


@pytest.mark.parametrize(
    ("frequency", "options", "found"),
    [
        (690.0, {}, 690.0),
        (720.0, {}, 360.0),  # of what is above the highest pitch, the octave below is found
        (720.0, {"highest": 800.0}, 720.0),
        (28.0, {}, 28.0),
        (28.0, {"lowest": 50.0}, 0.0),
        (48.0, {"lowest": 50.0}, 0.0),
    ],
)
def test_pitches_lie_between_the_lowest_and_the_highest(frequency, options, found):
    pitches = yin(tone(frequency, [1.0])[None], RATE, HOP, **options)[0, 8:-8]
    assert pitches.median().item() == pytest.approx(found, rel=2e-3)


@pytest.mark.parametrize(("amplitude", "voiced"), [(1e-4, True), (1e-5, False)])
def test_what_nobody_hears_has_no_pitch(amplitude, voiced):
    """A sinusoid of 1e-4 has a hundred times less than the least power of a window; of 1e-5, that of rounding."""
    assert bool(yin(amplitude * tone(80.0, [1.0])[None], RATE, HOP)[0, 8:-8].all()) == voiced


@pytest.mark.parametrize(("decibels", "voiced"), [(-38.5, True), (-41.5, False)])
def test_a_frame_is_voiced_down_to_forty_decibels_below_the_loudest(decibels, voiced):
    both = torch.cat([tone(80.0, [1.0]), 10 ** (decibels / 20) * tone(80.0, [1.0])])
    later = yin(both[None], RATE, HOP)[0, 55:-8]
    assert bool(later.all()) == voiced == bool(later.any())
    assert yin(both[None], RATE, HOP, silence_db=60.0)[0, 55:-8].all()


def test_noise_over_a_tone_takes_its_pitch_where_it_exceeds_the_threshold():
    noise = torch.randn(1, RATE // 2, generator=torch.Generator().manual_seed(0))
    shares = []
    for gain in (0.05, 1.0):
        audio = tone(110.0, [1.0])[None] + gain * noise
        found = (yin(audio, RATE, HOP, threshold=threshold)[0, 8:-8] > 0 for threshold in (0.15, 0.9))
        shares.append([voiced.float().mean().item() for voiced in found])
    # Of noise of power p beside a tone of power 1/2, YIN's least is p / (p + 1/2): 0.002 and 0.4, the means of three
    # samples having a third of the noise's power.
    assert shares[0][0] == 1 and shares[1][0] < 0.3 and shares[1][1] == 1
