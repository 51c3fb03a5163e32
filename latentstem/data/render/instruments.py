"""The instruments of a song: synthesized ones and presets of soundfonts, drawn anew for every song."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from latentstem.data.compose.timbre_pairs import PAIRED_PART
from latentstem.data.render.engines.acoustic_drums import AcousticDrums
from latentstem.data.render.engines.blown import BlownPipe
from latentstem.data.render.engines.bowed import BowedString
from latentstem.data.render.engines.drum_machine import DrumMachine
from latentstem.data.render.engines.engine import Engine, PatchDraws
from latentstem.data.render.engines.fm import FrequencyModulation
from latentstem.data.render.engines.organ import Organ
from latentstem.data.render.engines.strings import PluckedString
from latentstem.data.render.engines.struck import StruckString
from latentstem.data.render.engines.subtractive import Subtractive
from latentstem.data.render.engines.voice import SingingVoice
from latentstem.data.render.engines.wavetable import WavetableSynth
from latentstem.data.render.presets import Preset, variations
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Part, Song

SOUNDFONTS_TO_DRAW = ("fluidr3", "musescore")
"""Soundfonts whose presets are drawn; TimGM6mb is for tests only."""

# Plucked strings come first where recordings do; presets count as one instrument among the engines.
ENGINES: dict[str, dict[type[Engine], float]] = {
    "bass": {
        PluckedString: 4.0,
        Subtractive: 2.0,
        FrequencyModulation: 1.0,
        WavetableSynth: 1.0,
        StruckString: 0.5,
        Organ: 0.3,
        BowedString: 0.5,
        BlownPipe: 0.5,
        SingingVoice: 0.2,
    },
    "chords": {
        PluckedString: 3.0,
        StruckString: 3.0,
        Subtractive: 1.5,
        FrequencyModulation: 1.0,
        WavetableSynth: 1.0,
        Organ: 1.0,
        BowedString: 1.0,
        BlownPipe: 0.7,
        SingingVoice: 0.5,
    },
    "lead": {
        PluckedString: 2.0,
        StruckString: 1.0,
        Subtractive: 1.5,
        FrequencyModulation: 1.0,
        WavetableSynth: 1.0,
        BowedString: 1.0,
        BlownPipe: 2.0,
        SingingVoice: 1.0,
    },
    "voice": {SingingVoice: 1.0},
    "drums": {DrumMachine: 1.0, AcousticDrums: 1.0},
}
"""Kind of a part to its engines, with the weight of each in the draw."""
PRESET_SHARE = 0.25
"""Probability that a part is played by a preset of a soundfont."""


@dataclass(frozen=True)
class FontPreset:
    """A preset of a soundfont as the instrument of a part.

    Attributes:
        soundfont: Name of the soundfont.
        preset: The preset.

    Example:
        >>> FontPreset("fluidr3", Preset(8, 38, "Synth Bass 3")).preset.bank
        8
    """

    soundfont: str
    preset: Preset


Instrument = FontPreset | Engine


def kind_of(part: Part, song: Song) -> str:
    """Return what kind of part one is, a key of `ENGINES`.

    Args:
        part: Part of the song.
        song: Song, whose first part is the partner of a timbre pair's second.

    Returns:
        "drums" for all drums, the name without its number for the parts of the composer, and "chords" for others.
    """
    name = re.sub(r"\d+$", "", song.parts[0].name if part.name == PAIRED_PART else part.name)
    if part.is_drum:
        return "drums"
    return name if name in ENGINES else "chords"


def draw_instruments(song: Song, unseen: bool = False) -> dict[str, Instrument]:
    """Draw the instruments of a song from its seed.

    Args:
        song: Song to play.
        unseen: Whether to draw instruments for tests: engines with parameters that none for training has, and no
            presets.

    Returns:
        Name of each part to its instrument. The presets of a song are of one soundfont.

    Raises:
        latentstem.data.render.fluidsynth.SynthesisError: If a soundfont that is drawn from is not installed.
    """
    rng = SeededRandom(song.seed).child("instruments")
    soundfont = rng.child("soundfont").choice(SOUNDFONTS_TO_DRAW)
    instruments: dict[str, Instrument] = {}
    for part in song.parts:
        stream, kind = rng.child(part.name), kind_of(part, song)
        if not unseen and stream.child("preset").bernoulli(PRESET_SHARE):
            instruments[part.name] = _draw_preset(stream.child("which preset"), part, soundfont)
        else:
            engine = stream.child("engine").weighted_choice(ENGINES[kind])
            instruments[part.name] = engine.draw(PatchDraws(stream.child("patch"), unseen), kind)
    return instruments


def _draw_preset(rng: SeededRandom, part: Part, soundfont: str) -> FontPreset:
    return FontPreset(soundfont, rng.choice(variations(soundfont, part.program, part.is_drum)))


def describe(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as JSON holds it: its class under "engine", or its soundfont, and its parameters."""
    if isinstance(instrument, FontPreset):
        return {"soundfont": instrument.soundfont, **asdict(instrument.preset)}
    return {"engine": type(instrument).__name__, **asdict(instrument)}  # pyright: ignore[reportArgumentType]
