"""What holds for every pitched engine: pitch, onset, level, end, seeds and the form of its fields."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem.data.render.engines.blown import BlownPipe
from latentstem.data.render.engines.bowed import BowedString
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.fm import FrequencyModulation
from latentstem.data.render.engines.organ import Organ
from latentstem.data.render.engines.strings import PluckedString
from latentstem.data.render.engines.struck import StruckString
from latentstem.data.render.engines.subtractive import Subtractive
from latentstem.data.render.engines.voice import SingingVoice
from latentstem.data.render.engines.wavetable import WavetableSynth
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100
ENGINES = [
    PluckedString,
    StruckString,
    Subtractive,
    FrequencyModulation,
    WavetableSynth,
    Organ,
    BowedString,
    BlownPipe,
    SingingVoice,
]
WITH_BODY = (PluckedString, StruckString)
SOFT = (WavetableSynth, Organ, BowedString, BlownPipe, SingingVoice)
every_engine = pytest.mark.parametrize("engine", ENGINES)
seeds = st.integers(0, 2**32)
parts = st.sampled_from(["bass", "chords", "lead", "voice"])


def drawn(engine, seed, part="bass", unseen=False):
    return engine.draw(PatchDraws(SeededRandom(seed), unseen), part)


def play(patch, notes, duration, seed=0):
    return patch.render(notes, duration, SeededRandom(seed))


def in_tune(patch):
    """The instrument without what moves its pitch on purpose or sets several voices or players apart."""
    steady = dict.fromkeys(
        ("spread", "detune", "celeste", "rotor_depth", "jitter", "consonants", "vibrato", "slides", "fall"), 0.0
    )
    steady |= {"width_depth": 0.0, "swing": 0.0, "opening": 0.0}
    if isinstance(patch, StruckString):
        steady["modes"] = dataclasses.replace(patch.modes, spread=0.0)
    if isinstance(patch, Subtractive):
        steady["oscillators"] = tuple(dataclasses.replace(one, cents=0.0) for one in patch.oscillators)
        # A cutoff that falls over the fundamental turns its phase: by up to 20 cents in a short note.
        steady["filter"] = dataclasses.replace(patch.filter, amount=0.0)
    if isinstance(patch, FrequencyModulation):
        # Harmonic, and of low indices on every key: the fundamental is the carrier's own, and does not vanish.
        low = {"offset": 0.0, "scaling": 0.0}
        steady["operators"] = tuple(
            dataclasses.replace(one, ratio=round(one.ratio), level=one.level * (1 if one.target < 0 else 0.2), **low)
            for one in patch.operators
        )
    if isinstance(patch, WavetableSynth):  # a waveform that becomes another turns the partials' phases
        steady["end"] = patch.begin
    fields = {field.name for field in dataclasses.fields(patch)}
    if "articulation" in fields:
        steady["articulation"] = dataclasses.replace(patch.articulation, scoop=0.0, vibrato_depth=0.0, drift=0.0)
    return dataclasses.replace(patch, **{name: value for name, value in steady.items() if name in fields})


def hertz(pitch):
    """Independent of the engines' own formula: a semitone is the twelfth root of 2, and 69 is 440 Hz."""
    return 440 * np.power(2, 1 / 12) ** (pitch - 69)


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
    measured = fundamental(audio[2000:], hertz(pitch))
    assert abs(1200 * np.log2(measured / hertz(pitch))) < 10


@every_engine
@settings(max_examples=8, deadline=None)
@given(seed=seeds, pitch=st.sampled_from([48, 60, 72, 84, 96]))
def test_a_note_of_a_chord_has_its_pitch(engine, seed, pitch):
    audio = play(in_tune(drawn(engine, seed, "chords")), [Note(0.0, 0.7, pitch, 80)], 0.7)
    measured = fundamental(audio[2000:], hertz(pitch))
    assert abs(1200 * np.log2(measured / hertz(pitch))) < 10


@every_engine
@settings(max_examples=12, deadline=None)
@given(seed=seeds, part=parts, unseen=st.booleans(), start=st.floats(0.05, 0.2), velocity=st.integers(1, 127))
def test_a_note_begins_in_time_and_ends(engine, seed, part, unseen, start, velocity):
    patch = drawn(engine, seed, part, unseen)
    audio = play(patch, [Note(start, start + 0.3, 45, velocity)], 4.0)
    assert audio.dtype == np.float32 and audio.shape == (4 * RATE,) and np.isfinite(audio).all()
    first = round(start * RATE)
    peak = np.abs(audio).max()
    assert (1e-5 if engine in SOFT else 1e-4) < peak < 50
    if engine in WITH_BODY:  # whose convolution by Fourier transforms rounds to 150 dB below
        assert np.abs(audio[: first - 1]).max(initial=0.0) < 1e-6 * peak
    else:
        assert not audio[:first].any()
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
    edges = (0.6 * 50 * 2 ** np.arange(0, 6.5, 0.5)).astype(int)
    spectra = []
    for seed in range(12):
        power = np.abs(np.fft.rfft(play(drawn(engine, seed, part), notes, 0.6))) ** 2
        bands = np.add.reduceat(power, edges)
        spectra.append(10 * np.log10(bands / bands.sum() + 1e-6))
    apart = [np.abs(one - other).mean() for one, other in itertools.combinations(spectra, 2)]
    assert np.median(apart) > 5 and min(apart) > 0.5, "decibels between bands of half an octave"


@every_engine
def test_hard_notes_are_louder_and_brighter(engine):
    octaves = []
    for seed in range(12):
        patch = drawn(engine, seed)
        soft, hard = (play(patch, [Note(0.0, 0.4, 36, velocity)], 0.5) for velocity in (30, 120))
        assert np.sqrt(np.mean(hard**2)) > 1.2 * np.sqrt(np.mean(soft**2))
        octaves.append(np.log2(centroid(hard) / centroid(soft)))
    # A resonance that passes a harmonic on its way may turn it round for an instrument.
    assert np.mean(octaves) > 0.1 and np.sum(np.array(octaves) > 0) >= 10


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
    second = Note(0.3, 0.6, 43, 90)
    patch = drawn(engine, 1)
    held, short = (play(patch, [Note(0.0, end, 36, 90), second], 0.8) for end in (2.0, 0.3))
    np.testing.assert_array_equal(held, short)


@every_engine
def test_all_notes_of_a_chord_sound(engine):
    pitches = (50, 57, 66)
    for seed in range(4):
        audio = play(in_tune(drawn(engine, seed, "chords")), [Note(0.0, 0.6, pitch, 90) for pitch in pitches], 0.6)
        for pitch in pitches:
            assert abs(1200 * np.log2(fundamental(audio[2000:], hertz(pitch)) / hertz(pitch))) < 25
