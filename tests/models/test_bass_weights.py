"""The autoencoder in the weights `bass` keeps the levels of plucked basses that no training had."""

from pathlib import Path

import numpy as np
import pytest
import torch

import latentstem
from latentstem import AutoencoderSpectral
from latentstem.data.render.engines import PatchDraws, PluckedString
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

WEIGHTS = Path(latentstem.__file__).parent / "weights" / "bass" / "autoencoder"
OCTAVES = (125, 250, 500, 1000, 2000)
"""Lowest frequency in Hz of each octave that is compared."""


@pytest.fixture(scope="module")
def autoencoder():
    return AutoencoderSpectral.from_pretrained(str(WEIGHTS)).eval()


def octave_levels(audio):
    """Levels in dB, without reference."""
    spectrum = torch.stft(audio, 4096, 1024, window=torch.hann_window(4096), return_complex=True).abs().square()
    frequency = torch.linspace(0, 22_050, len(spectrum))
    powers = [spectrum[(frequency >= low) & (frequency < 2 * low)].mean() for low in OCTAVES]
    return 10 * torch.stack(powers).log10().numpy()


@pytest.mark.parametrize("seed", [0, 3, 6, 7])
def test_the_levels_of_an_unseen_bass_come_back(autoencoder, seed):
    patch = PluckedString.draw(PatchDraws(SeededRandom(seed), unseen=True), "bass")
    starts = 0.1 + 0.5 * np.arange(6)
    notes = [Note(start, start + 0.45, 33 + step, 90) for start, step in zip(starts, (0, 3, 5, 7, 10, 7), strict=True)]
    audio = torch.from_numpy(patch.render(notes, 3.2, SeededRandom(0))).float()
    audio = 0.1 * audio / audio.square().mean().sqrt()
    with torch.no_grad():
        back = autoencoder(audio[None, None]).sample[0, 0]
    true, kept = octave_levels(audio), octave_levels(back)
    assert true[-1] < true[0] - 35  # what tells basses apart is far below what is loud
    assert np.abs(kept - true).max() < 6
