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
    with pytest.raises(ValueError, match="hop"):
        yin(torch.zeros(1, 100), RATE, HOP)
