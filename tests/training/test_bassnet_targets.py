"""The targets of BassNet: notes and recordings of them give the same steps, at the level that was recorded."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.score import Note
from latentstem.training.bassnet_targets import (
    NO_PITCH,
    bass_targets,
    note_bins,
    onset_targets,
    pitch_bins,
    pitch_probabilities,
    widen_onsets,
)

RATE = 16_000
CENTRES = 27.5 * 2 ** (torch.arange(264, dtype=torch.float64) / 36)


def plucked(notes, duration, rate=RATE):
    """A plain string: eight partials that fade."""
    time = torch.arange(round(duration * rate)) / rate
    audio = torch.zeros_like(time)
    for note in notes:
        since = time - note.start
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        tone = sum(torch.sin(2 * math.pi * k * frequency * since) / k for k in range(1, 9))
        audio += 0.1 * tone * torch.exp(-2 * since.clamp(min=0)) * (since >= 0) * (time < note.end)
    return audio


line = st.lists(st.tuples(st.integers(28, 52), st.integers(25, 60)), min_size=1, max_size=6).map(
    lambda drawn: [
        Note(
            sum(steps for _, steps in drawn[:k]) / 100, (sum(steps for _, steps in drawn[: k + 1]) - 1) / 100, pitch, 90
        )
        for k, (pitch, _) in enumerate(drawn)
    ]
)


@given(st.floats(27.4, 4300.0))
def test_a_frequency_has_the_bin_whose_centre_is_nearest_in_pitch(frequency):
    distance = (CENTRES.log2() - math.log2(frequency)).abs()
    found = int(pitch_bins(torch.tensor([frequency], dtype=torch.float64)))
    assert distance[found] == pytest.approx(float(distance.min()), abs=1e-6)


def test_what_is_off_the_grid_has_no_bin():
    assert pitch_bins(torch.tensor([0.0, 27.0, 4500.0])).tolist() == [NO_PITCH] * 3


@given(st.lists(st.integers(-1, 9), min_size=1))
def test_probabilities_are_one_where_the_bin_is(bins):
    probabilities = pitch_probabilities(torch.tensor(bins), bins=10)
    for own, row in zip(bins, probabilities.tolist(), strict=True):
        assert row == [float(k == own) for k in range(10)]


@given(line)
def test_each_step_has_the_note_in_its_middle_and_each_note_one_onset(notes):
    steps = round(100 * notes[-1].end) + 5
    targets = note_bins(notes, steps).tolist()
    for step, found in enumerate(targets):
        middle = (step + 0.5) / 100
        sounding = [note for note in notes if note.start <= middle < note.end]
        assert found == (3 * (sounding[0].pitch - 21) if sounding else NO_PITCH)
    onsets = onset_targets([note.start for note in notes], steps)
    assert onsets.nonzero().flatten().tolist() == [round(100 * note.start) for note in notes]


@pytest.mark.parametrize("seed", range(2))
def test_tracked_and_written_targets_agree(seed):
    rng = np.random.default_rng(seed)
    ends = 0.2 + np.cumsum(rng.integers(20, 60, 12)) / 100
    starts = [0.2, *ends[:-1]]
    notes = [Note(*times, int(rng.integers(28, 52)), 90) for times in zip(starts, ends - 0.01, strict=True)]
    audio = plucked(notes, notes[-1].end + 0.1)
    written, tracked = bass_targets(audio, RATE, notes), bass_targets(audio, RATE)
    both = (written.f0 >= 0) & (tracked.f0 >= 0)
    assert both.sum() > 0.75 * (written.f0 >= 0).sum()
    assert (written.f0 == tracked.f0)[both].float().mean() > 0.9
    assert torch.equal(written.level, tracked.level)
    wanted, found = written.onset.nonzero()[:, 0], tracked.onset.nonzero()[:, 0]
    near = (found[:, None] - wanted).abs() <= 2
    assert near.any(0).float().mean() > 0.9 and near.any(1).float().mean() > 0.9


@given(st.floats(-70.0, 0.0), st.sampled_from([41.2, 110.0, 700.0]), st.sampled_from([RATE, 22_050]))
def test_the_level_of_a_steady_tone_is_its_amplitude(decibels, frequency, rate):
    tone = 10 ** (decibels / 20) * torch.sin(2 * math.pi * frequency * torch.arange(rate // 2) / rate)
    level = bass_targets(tone, rate, notes=[]).level
    assert len(level) == 50
    assert torch.allclose(80 * level[5:-5] - 80, torch.tensor(decibels), atol=0.6)


def test_a_step_stands_where_its_sound_is_and_silence_is_nothing():
    audio = torch.cat([torch.zeros(RATE // 2), plucked([Note(0.0, 0.5, 33, 90)], 0.5)])
    targets = bass_targets(audio, RATE)
    assert targets.level[:45].max() == 0 and targets.level[52:].min() > 0.5
    assert (targets.f0[:45] == NO_PITCH).all() and (targets.f0[55:90] == 36).all()
    (onset,) = targets.onset.nonzero()
    assert abs(int(onset) - 50) <= 1


@pytest.mark.parametrize("steps", [10, 100, 150])
def test_the_number_of_steps_may_be_given(steps):
    targets = bass_targets(plucked([Note(0.0, 1.0, 33, 90)], 1.0), RATE, steps=steps)
    assert len(targets.f0) == len(targets.onset) == len(targets.level) == steps
    assert targets.level[105:].sum() == 0


def test_audio_of_several_channels_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 100\); expected \(samples,\)"):
        bass_targets(torch.zeros(2, 100), RATE)


@given(st.lists(st.integers(0, 29), max_size=5))
def test_widened_onsets_are_the_nearest_onset_s_share(places):
    onset = torch.zeros(30)
    onset[places] = 1.0
    shares = {0: 1.0, 1: 0.5, 2: 0.25}
    distances = [min((abs(step - place) for place in places), default=9) for step in range(30)]
    assert widen_onsets(onset).tolist() == [shares.get(distance, 0.0) for distance in distances]
