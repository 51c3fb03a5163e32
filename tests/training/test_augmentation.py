"""Varispeed shifts crops by whole semitones and keeps their length; the equalizer applies its gains."""

import torch

from latentstem.audio.pitch import yin
from latentstem.data.render.effects import equalize
from latentstem.training.augmentation import augment, draw_speeds


def test_crops_sound_whole_semitones_away_and_last_as_long():
    samples = 8 * 4096
    tone = torch.sin(2 * torch.pi * 110.0 * torch.arange(round(samples * 2 ** (2 / 12)) + 1) / 44100)[None]
    torch.manual_seed(0)
    batch = augment(tone.expand(24, 1, -1), draw_speeds(24, 2), samples, gain_range=0.0, equalizer_range=0.0)
    assert batch.shape == (24, 1, samples)
    pitches = yin(batch[:, 0], 44100, 512)[:, 10:-10].median(dim=1).values
    semitones = 12 * torch.log2(pitches / 110.0)
    assert torch.allclose(semitones, semitones.round(), atol=0.02)
    assert set(semitones.round().int().tolist()) == {-2, -1, 0, 1, 2}


def test_the_equalizer_changes_each_frequency_by_its_gain():
    time = torch.arange(44100) / 44100
    tones = torch.stack([torch.sin(2 * torch.pi * f * time) for f in (21.533203125 * 4, 22050 / 4)])[:, None]
    decibels = torch.tensor([[0.0, 6.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, -12.0, 0.0]])
    gains = equalize(tones, decibels).square().mean((1, 2)).div(tones.square().mean((1, 2))).log10() * 10
    assert (gains - torch.tensor([6.0, -12.0])).abs().max() < 0.2
