"""Drum engines: every key sounds in its place, hard strokes are brighter, an open hat is choked, kits differ."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.acoustic_drums import AcousticDrums
from latentstem.data.render.engines.drum_machine import DrumMachine
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100
every_engine = pytest.mark.parametrize("engine", [DrumMachine, AcousticDrums])
seeds = st.integers(0, 2**32)


def drawn(engine, seed, unseen=False):
    return engine.draw(PatchDraws(SeededRandom(seed), unseen), "drums")


def play(kit, notes, duration, seed=0):
    return kit.render(notes, duration, SeededRandom(seed))


def stroke(key, start=0.0, velocity=100):
    return Note(start, start + 0.1, key, velocity)


def centroid(audio):
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float((power * np.fft.rfftfreq(len(audio), 1 / RATE)).sum() / power.sum())


@every_engine
@settings(max_examples=40, deadline=None)
@given(seed=seeds, key=st.integers(27, 87), unseen=st.booleans(), velocity=st.integers(1, 127))
def test_every_key_sounds_in_its_place(engine, seed, key, unseen, velocity):
    audio = play(drawn(engine, seed, unseen), [stroke(key, 0.1, velocity)], 0.7)
    peak = np.abs(audio).max()
    assert audio.dtype == np.float32 and audio.shape == (30870,) and np.isfinite(audio).all()
    assert 1e-5 < peak < 20 and not audio[:4410].any()
    assert np.abs(audio[4410:4498]).max() > 0.02 * peak, "nothing within 2 ms"


@every_engine
def test_equal_seeds_give_equal_sound_and_strokes_keep_their_own_streams(engine):
    kit, hats = drawn(engine, 0), [stroke(42, 0.1 * index) for index in range(4)]
    np.testing.assert_array_equal(play(kit, hats, 0.6), play(kit, hats, 0.6))
    with_kick = play(kit, [*hats, stroke(36, 0.4)], 0.6)
    np.testing.assert_allclose(with_kick[: int(0.4 * RATE)], play(kit, hats, 0.6)[: int(0.4 * RATE)], atol=1e-5)


@every_engine
@pytest.mark.parametrize("key", [36, 38, 42, 45, 51])
def test_hard_strokes_are_louder_and_brighter(engine, key):
    for seed in range(6):
        soft, hard = (play(drawn(engine, seed), [stroke(key, 0.0, velocity)], 1.0) for velocity in (30, 120))
        assert np.sqrt(np.mean(hard**2)) > 2 * np.sqrt(np.mean(soft**2))
        assert centroid(hard) > centroid(soft)


@every_engine
@pytest.mark.parametrize("second", [42, 44])
def test_a_closed_hat_chokes_an_open_one_and_a_kick_does_not(engine, second):
    for seed in range(4):
        kit = drawn(engine, seed)
        kit = dataclasses.replace(kit, hat_decay=0.2, **({"room": 0.0} if engine is AcousticDrums else {}))
        alone = play(kit, [stroke(46)], 1.0)
        kicked = play(kit, [stroke(46), stroke(36, 0.2)], 1.0) - play(kit, [stroke(36, 0.2)], 1.0)
        late = slice(round(0.25 * RATE), round(0.35 * RATE))
        assert np.sum(alone[late] ** 2) > 0
        choked = play(kit, [stroke(46), stroke(second, 0.2, 1)], 1.0)
        assert np.sum(choked[late] ** 2) < 0.1 * np.sum(alone[late] ** 2) < np.sum(kicked[late] ** 2)


@every_engine
@pytest.mark.parametrize("key", [36, 38, 42])
def test_kits_differ(engine, key):
    spectra = []
    for seed in range(12):
        power = np.abs(np.fft.rfft(play(drawn(engine, seed), [stroke(key)], 0.5))) ** 2
        edges = np.geomspace(15, 10_000, 40).astype(int)
        bands = np.array([power[first:last].sum() for first, last in pairwise(edges)])
        spectra.append(np.sqrt(bands / bands.sum()))
    alike = np.stack(spectra) @ np.stack(spectra).T
    assert np.median(alike[np.triu_indices(12, 1)]) < 0.95


@every_engine
def test_families_sound_different(engine):
    """A kick is the darkest."""
    for seed in range(6):
        kick, snare, hat = (centroid(play(drawn(engine, seed), [stroke(key)], 0.4)) for key in (36, 38, 42))
        assert kick < snare and kick < 0.5 * hat


def test_acoustic_strokes_vary_and_those_of_a_machine_do_not():
    for engine, varies in ((DrumMachine, False), (AcousticDrums, True)):
        kit = drawn(engine, 2)
        sounds = {play(kit, [stroke(38)], 0.3, seed).tobytes() for seed in range(6)}
        # Two seconds apart, no stroke rings into the next one.
        track = play(
            dataclasses.replace(kit, **({"room": 0.0} if varies else {})), [stroke(38, 2.0 * i) for i in range(6)], 12.0
        )
        within = track.reshape(6, -1)[:, :3000]
        assert len(sounds) > 1
        assert (len({row.tobytes() for row in within}) > 1) == varies


@every_engine
@pytest.mark.parametrize("unseen", [False, True])
def test_the_fields_are_json(engine, unseen):
    for seed in range(20):
        kit = drawn(engine, seed, unseen)
        fields = json.loads(json.dumps(dataclasses.asdict(kit), allow_nan=False))
        assert fields.keys() == {field.name for field in dataclasses.fields(kit)}


@every_engine
def test_nothing_to_play_is_silence(engine):
    assert not play(drawn(engine, 3), [], 0.5).any()
    assert play(drawn(engine, 3), [], 0.0).shape == (0,)
    assert not play(drawn(engine, 3), [stroke(36, 1.0)], 0.5).any()
