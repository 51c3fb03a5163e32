"""Words that are true of a loop, by its notes, its instruments and its sound."""

from dataclasses import replace

import numpy as np
import pytest

from latentstem.data.compose.loops import compose_loop
from latentstem.data.render.instruments import describe, draw_instruments
from latentstem.data.score import Note, Part
from latentstem.data.words import WORDS, spectral_centroid, words_of

RATE = 44100
TONE = np.sin(2 * np.pi * 1800 * np.arange(RATE) / RATE)


def part(name, pitches, is_drum=False, program=0, every=0.5):
    notes = tuple(Note(round(index * every, 3), index * every + 0.1, pitch, 90) for index, pitch in enumerate(pitches))
    return Part(name, program, is_drum, notes, 0.0)


def true_words(parts, instruments, audio=TONE, **changes):
    loop = replace(compose_loop(0), parts=tuple(parts), duration=4.0, **changes)
    return {word for word, true in words_of(loop, instruments, audio, RATE).items() if true}


def test_words_say_what_sounds():
    parts = [part("drums", [36, 42, 36, 46], is_drum=True), part("bass", [40, 43]), part("lead", [])]
    instruments = {
        "drums": {"engine": "DrumMachine"},
        "bass": {"soundfont": "fluidr3", "program": 38},
        "lead": {"engine": "Organ"},
    }
    words = true_words(parts, instruments, genre="techno", tempo=150.0)
    assert {"drums", "kick", "hats", "drum machine", "bass", "synth", "techno", "fast"} <= words
    assert words.isdisjoint({"snare", "acoustic drums", "lead", "organ", "voice", "slow", "dark", "bright"})


@pytest.mark.parametrize(
    ("program", "word"),
    [(0, "piano"), (33, "guitar"), (38, "synth"), (48, "strings"), (53, "voice"), (61, "brass"), (73, "winds")],
)
def test_a_program_is_called_by_its_family(program, word):
    assert word in true_words([part("chords1", [60])], {"chords1": {"soundfont": "fluidr3", "program": program}})


@pytest.mark.parametrize(("frequency", "expected"), [(100, "dark"), (5000, "bright"), (1800, None)])
def test_dark_and_bright_are_measured_in_the_sound(frequency, expected):
    audio = np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
    words = true_words([part("bass", [40])], {"bass": {"engine": "Organ"}}, audio)
    assert words & {"dark", "bright"} == ({expected} if expected else set())


@pytest.mark.parametrize(("every", "expected"), [(0.5, "sparse"), (0.05, "busy")])
def test_sparse_and_busy_count_the_onsets(every, expected):
    parts = [part("bass", [40] * int(3.9 / every), every=every)]
    assert true_words(parts, {"bass": {"engine": "Organ"}}) & {"sparse", "busy"} == {expected}


def test_every_word_is_true_of_some_loops_and_not_of_others():
    found = []
    for seed in range(120):
        loop = compose_loop(seed)
        instruments = {name: describe(each) for name, each in draw_instruments(loop).items()}
        frequency = (200, 1800, 5000)[seed % 3]
        found.append(words_of(loop, instruments, np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE), RATE))
    shares = {word: np.mean([words[word] for words in found]) for word in WORDS.words}
    assert min(shares.values()) > 0 and max(shares.values()) < 1, shares
    assert all(not (words["slow"] and words["fast"]) and not (words["minor"] and words["major"]) for words in found)


def test_silence_has_no_brightness():
    assert spectral_centroid(np.zeros(100), RATE) == 0.0
