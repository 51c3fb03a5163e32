"""Varispeed moves crops by whole semitones and keeps their length."""

import torch

from latentstem.audio.pitch import yin
from latentstem.training.augmentation import augment, draw_speeds


def test_crops_sound_whole_semitones_away_and_last_as_long():
    samples = 8 * 4096
    tone = torch.sin(2 * torch.pi * 110.0 * torch.arange(round(samples * 2 ** (2 / 12)) + 1) / 44100)[None]
    torch.manual_seed(0)
    batch = augment(tone.expand(24, 1, -1), draw_speeds(24, 2), samples, gain_range=0.0, equalizer_range=0.0)
    assert batch.shape == (24, 1, samples)
    heard = yin(batch[:, 0], 44100, 512)[:, 10:-10].median(dim=1).values
    semitones = 12 * torch.log2(heard / 110.0)
    assert torch.allclose(semitones, semitones.round(), atol=0.02)
    assert set(semitones.round().int().tolist()) == {-2, -1, 0, 1, 2}
