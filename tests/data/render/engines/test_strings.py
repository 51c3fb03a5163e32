"""Plucked strings: the string that plays a pitch, stiffness, damping at a note's end, slides."""

import dataclasses

import numpy as np
import pytest

from latentstem.data.render.engines.engine import PatchDraws, frequency_of
from latentstem.data.render.engines.strings import PluckedString
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

RATE = 44100


@pytest.fixture
def bass():
    return PluckedString.draw(PatchDraws(SeededRandom(0)), "bass")


def with_strings(bass, **fields):
    return dataclasses.replace(bass, strings=dataclasses.replace(bass.strings, **fields))


def centroid(audio):
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float((power * np.fft.rfftfreq(len(audio), 1 / RATE)).sum() / power.sum())


def test_a_pitch_is_played_on_the_highest_string_that_has_it(bass):
    strings = with_strings(bass, open_pitches=(28.0, 33.0, 38.0, 43.0), position=0).strings
    assert [strings.string_of(pitch) for pitch in (27, 28, 32, 33, 42, 43, 60)] == [0, 0, 0, 1, 2, 3, 3]
    higher = dataclasses.replace(strings, position=5)
    assert [higher.string_of(pitch) for pitch in (30, 33, 37, 38, 43, 48)] == [0, 0, 0, 1, 2, 3]


def test_another_string_is_another_timbre(bass):
    bass = with_strings(bass, open_pitches=(28.0, 33.0, 38.0, 43.0), position=0, brightness=(-2.0, 2.0, -2.0, 2.0))
    notes = [bass.render([Note(0.0, 0.5, pitch, 80)], 0.6, SeededRandom(1)) for pitch in (31, 32, 33, 34)]
    relative = [centroid(audio) / frequency_of(pitch) for audio, pitch in zip(notes, (31, 32, 33, 34), strict=True)]
    assert min(relative[2:]) > 1.3 * max(relative[:2])


def test_partials_are_sharp_by_the_stiffness_and_shorter_strings_more(bass):
    strings = with_strings(bass, open_pitches=(28.0,), position=0, brightness=(0.0,), stiffness=1e-4).strings
    open_string, octave = (strings.partials(pitch)[0] for pitch in (28, 40))
    assert open_string[0] == pytest.approx(frequency_of(28)) and octave[0] == pytest.approx(frequency_of(40))
    # f_10 = 10 f sqrt((1 + 100 B) / (1 + B)), and B is four times as great on half the length.
    assert open_string[9] / open_string[0] == pytest.approx(10 * np.sqrt(1.01 / 1.0001))
    assert octave[9] / octave[0] == pytest.approx(10 * np.sqrt(1.04 / 1.0004))


def test_a_damped_note_is_over_soon_and_one_that_rings_on_is_not(bass):
    def after(release):
        pluck = dataclasses.replace(bass.pluck, release=release, lift=0.0)
        clean = dataclasses.replace(bass.pickup, drive=0.0)
        patch = dataclasses.replace(with_strings(bass, damping=0.5), pluck=pluck, pickup=clean)
        audio = patch.render([Note(0.0, 0.4, 33, 90)], 1.0, SeededRandom(1))
        return np.abs(audio[int(0.5 * RATE) : int(0.6 * RATE)]).max() / np.abs(audio).max()

    assert after(0.01) < 0.01 < 0.1 < after(0.4)


def test_a_slide_comes_from_the_pitch_before(bass):
    patch = dataclasses.replace(bass, slides=1.0, slide_time=0.05, vibrato=0.0, monophonic=True)
    notes = [Note(0.0, 0.5, 38, 90), Note(0.5, 1.0, 43, 90)]
    audio = patch.render(notes, 1.0, SeededRandom(1))
    late, early = audio[int(0.8 * RATE) :], audio[int(0.505 * RATE) : int(0.53 * RATE)]

    def period(sound):
        lags = np.arange(300, 800)
        return lags[np.argmax([np.dot(sound[:-lag], sound[lag:]) / (len(sound) - lag) for lag in lags])]

    assert period(late) == pytest.approx(RATE / frequency_of(43), rel=0.01)
    assert period(early) > 1.04 * RATE / frequency_of(43)
