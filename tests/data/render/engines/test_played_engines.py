"""What holds for every pitched engine of this kind: pitch, onset, level, end, seeds and the form of its fields."""

import dataclasses
import json
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.blown import BlownPipe
from latentstem.data.render.engines.bowed import BowedString
from latentstem.data.render.engines.engine import PatchDraws, frequency_of
from latentstem.data.render.engines.organ import Organ
from latentstem.data.render.engines.voice import SingingVoice
from latentstem.data.render.engines.wavetable import WavetableSynth
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100
ENGINES = [WavetableSynth, Organ, BowedString, BlownPipe, SingingVoice]
every_engine = pytest.mark.parametrize("engine", ENGINES)
seeds = st.integers(0, 2**32)
parts = st.sampled_from(["bass", "chords", "lead", "voice"])


def drawn(engine, seed, part="bass", unseen=False):
    return engine.draw(PatchDraws(SeededRandom(seed), unseen), part)


def play(patch, notes, duration, seed=0):
    return patch.render(notes, duration, SeededRandom(seed))


def in_tune(patch):
    """The instrument without what moves its pitch on purpose or sets several players apart."""
    steady = {"spread": 0.0, "detune": 0.0, "celeste": 0.0, "rotor_depth": 0.0, "jitter": 0.0, "consonants": 0.0}
    fields = {field.name for field in dataclasses.fields(patch)}
    if "morph_time" in fields:  # a filter that opens and a waveform that becomes another turn the partials' phases
        steady |= {"end": patch.begin, "swing": 0.0, "opening": 0.0}
    if "articulation" in fields:
        steady["articulation"] = dataclasses.replace(patch.articulation, scoop=0.0, vibrato_depth=0.0, drift=0.0)
    return dataclasses.replace(patch, **{name: value for name, value in steady.items() if name in fields})


def fundamental(audio, expected):
    """Frequency in Hz of the strongest peak within a whole tone of an expected one."""
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), size))
    bins = np.arange(len(spectrum))
    near = np.abs(np.log2(np.maximum(bins, 1) * RATE / size / expected)) < 1 / 6
    peak = bins[near][np.argmax(spectrum[near])]
    left, centre, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-20)
    return (peak + 0.5 * (left - right) / (left - 2 * centre + right)) * RATE / size


def centroid(audio):
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float((power * np.fft.rfftfreq(len(audio), 1 / RATE)).sum() / power.sum())


@every_engine
@settings(max_examples=8, deadline=None)
@given(seed=seeds, pitch=st.sampled_from([28, 33, 40, 47, 55]))
def test_a_bass_note_has_its_pitch(engine, seed, pitch):
    audio = play(in_tune(drawn(engine, seed)), [Note(0.0, 1.0, pitch, 80)], 1.0)
    measured = fundamental(audio[2000:], frequency_of(pitch))
    assert abs(1200 * np.log2(measured / frequency_of(pitch))) < 10


@every_engine
@settings(max_examples=8, deadline=None)
@given(seed=seeds, pitch=st.sampled_from([48, 60, 72, 84, 96]))
def test_a_note_of_a_chord_has_its_pitch(engine, seed, pitch):
    audio = play(in_tune(drawn(engine, seed, "chords")), [Note(0.0, 0.7, pitch, 80)], 0.7)
    measured = fundamental(audio[2000:], frequency_of(pitch))
    assert abs(1200 * np.log2(measured / frequency_of(pitch))) < 10


@every_engine
@settings(max_examples=12, deadline=None)
@given(seed=seeds, part=parts, unseen=st.booleans(), start=st.floats(0.05, 0.2), velocity=st.integers(1, 127))
def test_a_note_begins_in_time_and_ends(engine, seed, part, unseen, start, velocity):
    audio = play(drawn(engine, seed, part, unseen), [Note(start, start + 0.3, 45, velocity)], 4.0)
    assert audio.dtype == np.float32 and audio.shape == (4 * RATE,) and np.isfinite(audio).all()
    first, peak = round(start * RATE), np.abs(audio).max()
    assert 1e-5 < peak < 50 and not audio[:first].any()
    assert np.abs(audio[first : first + 200]).max() > 0, "silent 5 ms after its start"
    # Attacks may take 60 ms, after which a slow one is well under way.
    assert np.abs(audio[first : first + 5000]).max() > 0.1 * peak
    assert np.abs(audio[-RATE:]).max() < 0.02 * peak


@every_engine
@settings(max_examples=6, deadline=None)
@given(seed=seeds, part=parts)
def test_equal_seeds_give_equal_sound(engine, seed, part):
    notes = [Note(0.0, 0.2, 40, 90), Note(0.1, 0.3, 43, 70), Note(0.3, 0.5, 40, 100)]
    patch = drawn(engine, seed, part)
    assert patch == drawn(engine, seed, part)
    np.testing.assert_array_equal(play(patch, notes, 0.6, 5), play(patch, notes, 0.6, 5))


@every_engine
@pytest.mark.parametrize("part", ["bass", "chords"])
def test_instruments_differ(engine, part):
    notes = [Note(0.0, 0.5, 45, 90)]
    spectra = []
    for seed in range(12):
        power = np.abs(np.fft.rfft(play(drawn(engine, seed, part), notes, 0.6))) ** 2
        bands = [power[first:last].mean() for first, last in pairwise(np.geomspace(60, 6000, 20).astype(int))]
        level = 10 * np.log10(np.array(bands) + 1e-9 * power.sum())
        spectra.append(level - level.mean())
    distances = [np.sqrt(np.mean((one - other) ** 2)) for one, other in combinations(spectra, 2)]
    assert np.median(distances) > 5, "decibels between the spectra of two instruments"


@every_engine
def test_hard_notes_are_louder_and_brighter(engine):
    octaves = []
    for seed in range(12):
        patch = drawn(engine, seed)
        soft, hard = (play(patch, [Note(0.0, 0.4, 36, velocity)], 0.5) for velocity in (30, 120))
        assert np.sqrt(np.mean(hard**2)) > 1.2 * np.sqrt(np.mean(soft**2))
        octaves.append(np.log2(centroid(hard) / centroid(soft)))
    # A resonance that passes a harmonic on its way may turn it round for a patch.
    assert np.mean(octaves) > 0.1 and np.sum(np.array(octaves) > 0) >= 9


@every_engine
@pytest.mark.parametrize("unseen", [False, True])
def test_the_fields_are_json(engine, unseen):
    for seed in range(20):
        patch = drawn(engine, seed, "chords" if seed % 2 else "bass", unseen)
        fields = json.loads(json.dumps(dataclasses.asdict(patch), allow_nan=False))
        assert fields.keys() == {field.name for field in dataclasses.fields(patch)}


@every_engine
@pytest.mark.parametrize("part", ["bass", "chords"])
def test_nothing_to_play_is_silence_and_late_notes_are_cut(engine, part):
    patch = drawn(engine, 3, part)
    assert not play(patch, [], 0.5).any() and len(play(patch, [], 0.5)) == 22050
    assert play(patch, [], 0.0).shape == (0,)
    assert not play(patch, [Note(1.0, 2.0, 40, 90)], 0.5).any()
    assert play(patch, [Note(0.45, 2.0, 40, 90)], 0.5).shape == (22050,)


@every_engine
def test_a_bass_has_one_voice(engine):
    """The first note's end makes no difference where the second one begins before it."""
    second, patch = Note(0.3, 0.6, 43, 90), drawn(engine, 1)
    short, long = (play(patch, [Note(0.0, end, 40, 90), second], 0.8) for end in (0.3, 2.0))
    np.testing.assert_array_equal(short, long)


@every_engine
def test_all_notes_of_a_chord_sound(engine):
    pitches = (50, 57, 66)
    for seed in range(4):
        audio = play(in_tune(drawn(engine, seed, "chords")), [Note(0.0, 0.6, pitch, 90) for pitch in pitches], 0.6)
        for pitch in pitches:
            assert abs(1200 * np.log2(fundamental(audio[2000:], frequency_of(pitch)) / frequency_of(pitch))) < 25
