"""Varispeed shifts crops by whole semitones and keeps their length; the equalizer applies its gains."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.pitch import yin
from latentstem.data.render.effects import equalize
from latentstem.training.augmentation import augment, draw_speeds, samples_to_read


def test_crops_sound_whole_semitones_away_and_last_as_long():
    samples = 8 * 4096
    tone = torch.sin(2 * torch.pi * 110.0 * torch.arange(samples_to_read(samples, 2)) / 44100)[None]
    torch.manual_seed(0)
    batch = augment(tone.expand(24, 1, -1), draw_speeds(24, 2), samples, gain_range=0.0, equalizer_range=0.0)
    assert batch.shape == (24, 1, samples)
    pitches = yin(batch[:, 0], 44100, 512)[:, 10:-10].median(dim=1).values
    semitones = 12 * torch.log2(pitches / 110.0)
    assert torch.allclose(semitones, semitones.round(), atol=0.02)
    assert set(semitones.round().int().tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("semitones", [-3, -1, 0, 2, 3])
def test_a_change_of_speed_keeps_the_level_of_highs_and_adds_no_images(semitones):
    """Lines between samples would take 1.5 dB from a tone at 10 kHz and mirror it."""
    samples, speed = 1 << 15, 2 ** (semitones / 12)
    tone = torch.sin(2 * torch.pi * 10_000 / speed * torch.arange(samples_to_read(samples, 3)) / 44100)[None, None]
    changed = augment(tone, [semitones], samples, gain_range=0.0, equalizer_range=0.0)[0, 0, 1000:-1000]
    spectrum = torch.fft.rfft(changed * torch.hann_window(len(changed))).abs().square()
    peak = round(10_000 / 44100 * len(changed))
    around = spectrum[peak - 40 : peak + 41].sum()
    assert changed.square().mean() == pytest.approx(0.5, rel=0.02)
    assert (spectrum.sum() - around) / around < 1e-3


@given(st.integers(1, 20_000), st.integers(-7, 7))
def test_every_length_is_reached(samples, semitones):
    audio = torch.randn(1, 2, samples_to_read(samples, 7))
    assert augment(audio, [semitones], samples, gain_range=1.0, equalizer_range=1.0).shape == (1, 2, samples)


def test_the_equalizer_changes_each_frequency_by_its_gain():
    time = torch.arange(44100) / 44100
    tones = torch.stack([torch.sin(2 * torch.pi * f * time) for f in (21.533203125 * 4, 22050 / 4)])[:, None]
    decibels = torch.tensor([[0.0, 6.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, -12.0, 0.0]])
    gains = equalize(tones, decibels).square().mean((1, 2)).div(tones.square().mean((1, 2))).log10() * 10
    assert (gains - torch.tensor([6.0, -12.0])).abs().max() < 0.2
