"""The classifier of the words of loops: what it sees of a bar, and that it learns what tells loops apart."""

import numpy as np
import pytest
import torch

from benchmarks.common.loop_words import BANDS, STEPS, WordJudge, bar_pictures, train_words

RATE = 44100


def loop(bpm, pitch, bars=2, level=0.3):
    """A tone of a sixteenth on every beat."""
    audio = np.zeros(round(bars * 240 / bpm * RATE))
    length = round(15 / bpm * RATE)
    for beat in range(4 * bars):
        start = round(beat * 60 / bpm * RATE)
        audio[start : start + length] += level * np.sin(2 * np.pi * pitch * np.arange(length) / RATE)
    return audio


@pytest.mark.parametrize("bpm", [70.0, 118.0, 171.3])
def test_a_picture_has_the_beats_in_the_same_columns_at_every_tempo_and_level(bpm):
    pictures = bar_pictures(loop(bpm, 440.0, level=0.01), RATE, bpm).astype(np.float32)
    assert pictures.shape == (2, BANDS, STEPS) and pictures.max() == pytest.approx(1, abs=0.05)
    band = pictures.max(axis=(0, 2)).argmax()
    on_beats = pictures[:, band].reshape(2, 4, 16)
    assert on_beats[..., 1:3].min() > 0.5 and on_beats[..., 8:14].max() < -0.5


def test_the_words_of_new_loops_are_told_at_any_tempo():
    rng = np.random.default_rng(0)

    def draw(count):
        bpms, low, loud = rng.uniform(70, 170, count), rng.random(count) < 0.5, rng.random(count) < 0.5
        sounds = [
            loop(bpm, 100.0 if is_low else 1500.0) + has_noise * 0.1 * rng.normal(size=round(480 / bpm * RATE))
            for bpm, is_low, has_noise in zip(bpms, low, loud, strict=True)
        ]
        return bpms, sounds, np.stack([low, loud], 1)

    bpms, sounds, truth = draw(64)
    pictures = [
        torch.from_numpy(bar_pictures(sound, RATE, bpm)).float() for bpm, sound in zip(bpms, sounds, strict=True)
    ]
    judge = WordJudge(train_words(pictures, torch.from_numpy(truth).float(), epochs=8).eval(), ("low", "noise"))
    bpms, sounds, truth = draw(20)
    told = [list(judge(sound, RATE, bpm).values()) for bpm, sound in zip(bpms, sounds, strict=True)]
    assert (np.array(told) == truth).mean() > 0.9
