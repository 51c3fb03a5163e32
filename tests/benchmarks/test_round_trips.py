"""Round trips that change nothing reach every goal, and known changes are measured; retrieval follows the latents."""

import numpy as np
import pytest

from benchmarks.common.processes import processes
from benchmarks.quality.round_trips import (
    CHROMA,
    GOALS,
    LAG,
    MEASURES,
    ONSETS,
    PITCH,
    compare,
    retrieved,
    unseen_basses,
)

RATE = 44_100


def plucked(pitch=40, seconds=4.0):
    """Two notes a second, with noise where they begin."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * k * 440 * 2 ** ((pitch - 69) / 12) * time) / k for k in range(1, 8))
    since = time % 0.5
    noise = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-80 * since)
    return (0.1 * np.exp(-5 * since) * tone + 0.05 * noise).astype(np.float32)


@pytest.mark.parametrize("stem", MEASURES)
def test_a_round_trip_that_changes_nothing_reaches_every_goal(stem):
    sounds = [plucked(), plucked(43)]
    with processes(1) as each:
        measured = compare(stem, sounds, sounds, each)
    assert set(measured) == set(MEASURES[stem])
    for measure, cell in measured.items():
        assert cell["mean"] < GOALS[measure] if measure == LAG else cell["mean"] > GOALS[measure]


def test_lags_onsets_and_pitches_that_change_are_measured():
    sounds = [plucked(), plucked(43)]
    with processes(1) as each:
        late = compare("bass", sounds, [np.roll(sound, round(0.02 * RATE)) for sound in sounds], each)
        higher = compare("bass", sounds, [plucked(42), plucked(45)], each)
        steady = compare("drums", sounds, [np.full_like(sound, 0.01) for sound in sounds], each)
        other = compare("lead", sounds, [plucked(46), plucked(49)], each)
    assert late[LAG]["mean"] == pytest.approx(20, abs=3)
    assert higher[PITCH]["mean"] < 0.1 and steady[ONSETS]["mean"] < 0.1 and other[CHROMA]["mean"] < 0.5


def test_an_instrument_is_retrieved_by_what_its_latents_tell():
    instruments = {
        str(level): lambda notes, duration, level=level: np.sin(np.arange(RATE) * (0.01 + 0.1 * level))
        for level in range(6)
    }

    def spectrum(sound):
        return np.log(np.abs(np.fft.rfft(sound)).reshape(1, -1)[:, :22050].reshape(50, -1) + 1e-3)

    assert set(retrieved(spectrum, instruments, 2.0).values()) == {1.0}
    rng = np.random.default_rng(0)
    chance = [
        np.mean(list(retrieved(lambda _: rng.standard_normal((4, 9)), instruments, 2.0).values())) for _ in range(20)
    ]
    assert np.mean(chance) == pytest.approx(1 / 6, abs=0.1)


def test_the_unseen_basses_are_of_every_engine():
    names = list(unseen_basses(12))
    assert len(names) == len(set(names)) == 12
    assert len({name.rsplit(" ", 1)[0] for name in names}) == 9
