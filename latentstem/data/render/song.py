"""Render a song to its stems, each at the loudness of its part, with their sum below full scale."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.data.compose.drum_patterns import KICK
from latentstem.data.compose.timbre_pairs import PAIRED_PART
from latentstem.data.render.fluidsynth import render_parts
from latentstem.data.render.instruments import FontPreset, Instrument, draw_instruments, kind_of
from latentstem.data.render.production import DUCKED, duck, produce
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song

PEAK = 0.95
"""Greatest absolute sample of a rendered mix."""
SIDECHAIN = {"house": 0.6, "techno": 0.5, "drum and bass": 0.3, "hip-hop": 0.2}
"""Genre to the fraction of its songs in which the kick drum turns chords and leads down; a twentieth of all others."""


@dataclass(frozen=True)
class SynthEffects:
    """Settings of FluidSynth's own effects.

    Attributes:
        reverb: Whether the reverberation is on.
        chorus: Whether the chorus is on.

    Example:
        >>> SynthEffects.draw(0) == SynthEffects.draw(0)
        True
    """

    reverb: bool
    chorus: bool

    @classmethod
    def draw(cls, seed: int) -> "SynthEffects":
        """Draw the effects of a song from its seed: they differ between songs, never between soundfonts."""
        rng = SeededRandom(seed).child("effects")
        return cls(rng.child("reverb").bernoulli(0.5), rng.child("chorus").bernoulli(0.3))


def render_song(
    song: Song,
    soundfont: str | None = None,
    scratch: Path | None = None,
    effects: SynthEffects | None = None,
    unseen: bool = False,
) -> dict[str, np.ndarray]:
    """Render a song to its stems.

    Args:
        song: Song from `compose`.
        soundfont: Name of the soundfont whose General MIDI programs play all parts: "fluidr3", "musescore" or
            "timgm6mb"; without it every part has an instrument and a production that are drawn from the song's seed.
        scratch: Folder for temporary files; the system's by default.
        effects: Effects of the synthesizer; by default those that `SynthEffects.draw` gives for the song's seed.
        unseen: Whether to draw instruments that no net was trained on.

    Returns:
        Stem name to mono float32 audio at 44.1 kHz, `round(song.duration * 44100)` samples each. The stems have the
        loudness of their parts up to one common factor, and the stems and their sum peak below 1.

    Raises:
        SynthesisError: If FluidSynth or the soundfont is missing, or FluidSynth fails.
    """
    effects = effects or SynthEffects.draw(song.seed)
    if soundfont is not None:
        sounds = render_parts(song.parts, soundfont, song.duration, effects.reverb, effects.chorus, scratch)
    else:
        sounds = _play(song, draw_instruments(song, unseen), effects, scratch)
    stems = {}
    for part, sound in zip(song.parts, sounds, strict=True):
        level = float(active_rms(torch.from_numpy(sound)[None, None]))
        gain = REFERENCE_RMS * 10 ** (part.gain_db / 20) / level if level else 0.0
        stems[part.name] = sound * np.float32(gain)
    peak = max(float(np.abs(audio).max(initial=0.0)) for audio in (*stems.values(), sum(stems.values())))
    scale = np.float32(min(1.0, PEAK / peak) if peak else 1.0)
    return {name: audio * scale for name, audio in stems.items()}


def _play(
    song: Song, instruments: Mapping[str, Instrument], effects: SynthEffects, scratch: Path | None
) -> list[np.ndarray]:
    """Play each part on its instrument, and produce it."""
    rng = SeededRandom(song.seed)
    fonts = {name: font for name, font in instruments.items() if isinstance(font, FontPreset)}
    parts = [replace(part, program=fonts[part.name].preset.program) for part in song.parts if part.name in fonts]
    sounds: dict[str, np.ndarray] = {}
    if parts:
        presets = [fonts[part.name] for part in parts]
        banks = [font.preset.bank for font in presets]
        effect = (effects.reverb, effects.chorus)
        rendered = render_parts(parts, presets[0].soundfont, song.duration, *effect, scratch, banks)
        sounds = {part.name: sound for part, sound in zip(parts, rendered, strict=True)}
    for part in song.parts:
        instrument = instruments[part.name]
        if not isinstance(instrument, FontPreset):
            sounds[part.name] = instrument.render(part.notes, song.duration, rng.child(f"play {part.name}"))
    kicks = sorted(note.start for part in song.parts if part.is_drum for note in part.notes if note.pitch == KICK)
    pumps = rng.child("sidechain used").bernoulli(SIDECHAIN.get(song.genre, 0.05))
    for part in song.parts:
        kind = kind_of(part, song)
        sounds[part.name] = produce(sounds[part.name], kind, rng.child(f"produce {part.name}"), _is_dry(part.name))
        if pumps and kind in DUCKED and not _is_dry(part.name):
            sounds[part.name] = duck(sounds[part.name], kicks, rng.child("sidechain"))
    return [sounds[part.name] for part in song.parts]


def _is_dry(name: str) -> bool:
    """Return whether a part is one to generate in the first place, the bass and its partner in a timbre pair."""
    return name in ("bass", PAIRED_PART)
