"""The production of a part: without delay, repeatable, and dry where onsets have to stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.render.production import amplify, chorus, duck, echo, produce, reverb
from latentstem.data.rng import SeededRandom

RATE = 44100


def plucks(starts=(0.2, 0.7), seconds=1.2):
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.zeros(len(time))
    for start in starts:
        since = np.maximum(time - start, 0)
        tone += (time >= start) * np.exp(-12 * since) * np.sin(2 * np.pi * 110 * since)
    return (0.3 * tone).astype(np.float32)


@given(st.integers(0, 10**6))
def test_a_dry_chain_keeps_onsets_in_place_and_nothing_sounds_before_them(seed):
    audio = plucks()
    produced = produce(audio, "bass", SeededRandom(seed), dry=True)
    assert produced.shape == audio.shape and produced.dtype == np.float32 and np.isfinite(produced).all()
    power = np.square(produced)
    before, after = slice(0, round(0.19 * RATE)), slice(round(0.2 * RATE), round(0.21 * RATE))
    # The equalizer has zero phase and may ring ahead by a little.
    assert power[before].mean() < 3e-3 * power[after].mean()


@given(st.integers(0, 10**6), st.sampled_from(["bass", "chords", "drums", "voice"]), st.booleans())
def test_a_chain_is_a_function_of_its_seed(seed, kind, dry):
    audio = plucks(seconds=0.9)
    first, again = (produce(audio, kind, SeededRandom(seed), dry) for _ in range(2))
    assert np.array_equal(first, again)


def test_silence_stays_silent_and_songs_differ():
    assert not produce(np.zeros(1000, np.float32), "bass", SeededRandom(0), dry=False).any()
    chains = [produce(plucks(), "chords", SeededRandom(seed), dry=False) for seed in range(6)]
    assert len({chain.tobytes() for chain in chains}) == 6


def test_an_amplifier_adds_harmonics_and_its_cabinet_takes_the_highs():
    tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)
    spectra = [np.abs(np.fft.rfft(amplify(tone, SeededRandom(seed)))) for seed in range(8)]
    thirds = [spectrum[600] / spectrum[200] for spectrum in spectra]
    assert max(thirds) > 0.1
    noise = SeededRandom(1).uniforms(-1.0, 1.0, RATE)
    played = np.abs(np.fft.rfft(amplify(0.05 * noise, SeededRandom(3))))
    assert np.square(played[12000:]).mean() < 0.3 * np.square(played[300:1200]).mean()


@pytest.mark.parametrize("effect", [chorus, echo, reverb])
def test_what_spreads_a_sound_begins_with_the_direct_one(effect):
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    spread = effect(click, SeededRandom(4))
    assert len(spread) == RATE and np.abs(spread[:100]).max() < 1e-5
    assert spread[100] == pytest.approx(0.5, rel=0.05)
    assert np.square(spread[150:]).sum() > 1e-4


@given(st.integers(0, 10**6), st.lists(st.floats(0.0, 2.5), max_size=8))
def test_a_sidechain_turns_down_after_each_kick_and_lets_go(seed, kicks):
    gain = duck(np.ones(3 * RATE, np.float32), sorted(kicks), SeededRandom(seed))
    assert gain.max() <= 1.0 and gain.min() >= 10 ** (-20 / 20) - 1e-4
    since = np.full(3 * RATE, np.inf)
    for kick in sorted(kicks):
        after = np.arange(3 * RATE) / RATE - kick
        since[after >= 0] = after[after >= 0]
        place = round((kick + 0.01) * RATE)
        assert gain[place] < 0.8
    assert (gain[since > 0.42] == 1.0).all()
    assert np.abs(np.diff(20 * np.log10(gain))).max(initial=0.0) < 20 / (0.004 * RATE)
