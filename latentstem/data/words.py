"""Words for annotated loops: what is true of one, among the words that a net learns for prompts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentstem.conditioning.words import Vocabulary
from latentstem.data.compose.loops import DRUM_GROUPS
from latentstem.data.score import Part, Song

WORDS = Vocabulary(
    {
        "house": [],
        "techno": [],
        "drum and bass": ["dnb", "drum'n'bass", "jungle"],
        "hip-hop": ["hip hop", "boom bap", "trap"],
        "reggae": ["dub"],
        "drums": ["percussion", "beat", "beats"],
        "kick": ["bass drum", "kicks"],
        "snare": ["clap", "claps", "snares", "rimshot"],
        "hats": ["hat", "hi-hat", "hi-hats", "hihat", "hihats", "cymbals"],
        "drum machine": ["808", "909", "electronic drums"],
        "acoustic drums": ["live drums", "drum kit"],
        "bass": ["bassline", "bass line", "sub"],
        "chords": ["harmony", "stabs", "chord"],
        "lead": ["melody", "riff"],
        "voice": ["vocals", "vocal", "singer", "singing", "choir"],
        "piano": ["keys"],
        "bells": ["bell", "mallets", "vibraphone", "fm"],
        "organ": [],
        "guitar": ["plucked", "pluck", "plucks"],
        "strings": ["bowed", "violin"],
        "brass": ["horns", "trumpet"],
        "winds": ["flute", "reed", "saxophone"],
        "synth": ["synthesizer", "synthesizers", "synths", "pad", "pads"],
        "minor": ["sad"],
        "major": ["happy", "cheerful"],
        "slow": [],
        "fast": [],
        "sparse": ["minimal", "empty"],
        "busy": ["dense", "full"],
        "dark": ["dull", "deep"],
        "bright": ["brilliant", "shiny"],
    }
)
"""The words, and others for each."""

_PARTS = ("bass", "chords", "lead", "voice")
_ENGINES = {
    "PluckedString": "guitar",
    "StruckString": "piano",
    "Subtractive": "synth",
    "WavetableSynth": "synth",
    "FrequencyModulation": "bells",
    "Organ": "organ",
    "BowedString": "strings",
    "BlownPipe": "winds",
    "SingingVoice": "voice",
    "DrumMachine": "drum machine",
    "AcousticDrums": "acoustic drums",
}
# First General MIDI program of a family of sounds to its word; a bass guitar is a guitar.
_FAMILIES = {
    0: "piano",
    8: "bells",
    16: "organ",
    24: "guitar",
    38: "synth",
    40: "strings",
    52: "voice",
    55: "brass",
    64: "winds",
    80: "synth",
    104: "guitar",
}
_ELECTRONIC_KITS = (24, 25)
_MAJOR, _MINOR = {"major", "lydian", "mixolydian"}, {"minor", "dorian", "phrygian", "harmonic minor"}

# Bounds at about a third and two thirds of composed loops.
_TEMPO = (100.0, 140.0)  # beats a minute
_DENSITY = (5.7, 8.4)  # onsets a second
_CENTROID = (1450.0, 2300.0)  # Hz


def words_of(
    song: Song, instruments: Mapping[str, Mapping[str, Any]], audio: np.ndarray, sampling_rate: int
) -> dict[str, bool]:
    """Find which of `WORDS` are true of a loop.

    Args:
        song: Its notes.
        instruments: Its instruments by part, as `latentstem.data.render.instruments.describe` returns them.
        audio: Its sound, mono, `(samples,)`.
        sampling_rate: Sampling rate in Hz.

    Returns:
        Every word to whether it is true. Of two opposites, such as slow and fast, at most one is.

    Example:
        >>> from latentstem.data.compose import compose_loop
        >>> from latentstem.data.render.instruments import describe, draw_instruments
        >>> loop = compose_loop(3)
        >>> instruments = {name: describe(each) for name, each in draw_instruments(loop).items()}
        >>> words = words_of(loop, instruments, np.sin(0.01 * np.arange(44100)), 44100)  # 70 Hz
        >>> words["dark"], words["bright"], words[loop.genre]
        (True, False, True)
    """
    sounding = [part for part in song.parts if part.notes]
    true = {song.genre, *(word for part in sounding for word in _part_words(part, instruments[part.name]))}
    if any(not part.is_drum for part in sounding):
        modes = {key.mode for key in song.keys}
        true |= {word for word, names in (("minor", _MINOR), ("major", _MAJOR)) if modes <= names}
    onsets = {round(note.start, 2) for part in sounding for note in part.notes}
    measured = {
        ("slow", "fast"): (song.tempo, _TEMPO),
        ("sparse", "busy"): (len(onsets) / song.duration, _DENSITY),
        ("dark", "bright"): (spectral_centroid(audio, sampling_rate), _CENTROID),
    }
    for (low, high), (value, (lower, upper)) in measured.items():
        true |= {low} if value < lower else {high} if value > upper else set()
    return {word: word in true for word in WORDS.words}


def spectral_centroid(audio: np.ndarray, sampling_rate: int) -> float:
    """Compute the mean frequency of a sound, weighted by magnitude and averaged over octaves.

    Args:
        audio: Mono sound, `(samples,)`.
        sampling_rate: Sampling rate in Hz.

    Returns:
        Frequency in Hz; 0 for silence.

    Example:
        >>> round(spectral_centroid(np.sin(2 * np.pi * 440 * np.arange(44100) / 44100), 44100))
        440
    """
    magnitude = np.abs(np.fft.rfft(audio))[1:]
    octaves = np.log2(np.arange(1, len(magnitude) + 1) * sampling_rate / len(audio))
    total = magnitude.sum()
    return 2.0 ** float((magnitude * octaves).sum() / total) if total else 0.0


def _part_words(part: Part, instrument: Mapping[str, Any]) -> set[str]:
    words = {_sound_word(part, instrument)}
    if part.is_drum:
        keys = {note.pitch for note in part.notes}
        return words | {"drums"} | {word for word, own in DRUM_GROUPS.items() if own & keys}
    return words | {word for word in _PARTS if part.name.startswith(word)}


def _sound_word(part: Part, instrument: Mapping[str, Any]) -> str:
    if "engine" in instrument:
        return _ENGINES[instrument["engine"]]
    program = instrument["program"]
    if part.is_drum:
        return "drum machine" if program in _ELECTRONIC_KITS else "acoustic drums"
    return _FAMILIES[max(first for first in _FAMILIES if first <= program)]
