"""The weights `bassnet-gm` write lines that fit chords which no training had, and their patterns differ."""

import numpy as np
import pytest
import torch

from latentstem import BassNetPipeline

SECONDS = 2.0
CHORDS = ((57, 60, 64), (53, 57, 60), (55, 59, 62), (60, 64, 67), (62, 66, 69), (58, 61, 65))
"""Pitches of A minor, F, G, C, D and B flat minor."""


@pytest.fixture(scope="module")
def pipe():
    return BassNetPipeline.from_pretrained("bassnet-gm")


@pytest.fixture(scope="module")
def mix(pipe):
    """Each chord struck four times, as sums of decaying partials."""
    time = torch.arange(round(SECONDS / 4 * pipe.sampling_rate)) / pipe.sampling_rate
    strokes = []
    for chord in CHORDS:
        partials = [
            torch.sin(2 * torch.pi * n * 440 * 2 ** ((pitch - 69) / 12) * time + pitch) / n**1.5
            for pitch in chord
            for n in range(1, 7)
        ]
        strokes += 4 * [torch.stack(partials).sum(0) * torch.exp(-3 * time) * (1 - torch.exp(-300 * time))]
    return 0.1 * torch.cat(strokes)


def in_chord(line):
    """Fraction of the line's frames, weighted by nothing but sounding, whose pitch class is in the chord."""
    chords = [CHORDS[min(int(frame / 100 / SECONDS), len(CHORDS) - 1)] for frame in range(len(line))]
    sounding = line.level > line.level.max() - 40
    classes = np.round(69 + 12 * np.log2(line.frequency / 440)).astype(int) % 12
    fits = np.array([own in {pitch % 12 for pitch in chord} for own, chord in zip(classes, chords, strict=True)])
    return fits[sounding].mean()


def test_lines_fit_the_chords_wherever_the_control_is(pipe, mix):
    fits = [in_chord(pipe(mix, pipe.sampling_rate, control=point).lines[0]) for point in ((0, 0), (1, -1), (-1, 1))]
    assert min(fits) > 0.8
    assert in_chord(pipe(mix.flip(0), pipe.sampling_rate).lines[0]) < 0.6  # the chords in reverse order are others


def test_patterns_are_known_by_name_and_play_differently(pipe, mix):
    assert {"walking", "roots"} <= set(pipe.patterns)
    means = np.array([pattern.mean for pattern in pipe.patterns.values()])
    assert np.linalg.norm(means, axis=1).max() < 3  # within the pad
    notes = [len(pipe(mix, pipe.sampling_rate, control=name).lines[0].notes()) for name in pipe.patterns]
    assert max(notes) > 1.2 * min(notes)
