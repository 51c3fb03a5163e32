"""Bowed strings: solo players and sections, from bass to violin.

Under a bow a corner runs along the string (Helmholtz 1863), so the force on the bridge is a sawtooth, A_k = 1 / k, of
which a bow at the fraction beta of the string leaves out harmonics near multiples of 1 / beta: A_k |sin(pi k beta)|.
Friction adds noise as loud as the bowing; the body adds resonances. More pressure sharpens the corner, which is
brightness that follows the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws
from latentstem.data.render.engines.filters import resonate
from latentstem.data.render.engines.lines import Articulation, Line, lines_of
from latentstem.data.render.engines.tone import tilt
from latentstem.data.render.engines.wavetables import HARMONICS, Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

_RESONANCES = 9


@dataclass(frozen=True)
class BowedString:
    """A player or a section of bowed strings.

    Attributes:
        single: Whether a note ends the one before.
        articulation: How notes begin, move and end.
        players: Players of each voice.
        spread: Cents by which players differ in pitch.
        slope: Exponent by which the harmonics fall, 1 for a sharp corner.
        bow: Position of the bow as a fraction of the string.
        bow_depth: Depth of the notches that it makes, 0 to 1.
        corner: Frequency in Hz above which a soft note is dull.
        softness: Exponent of the brightness over the level.
        noise: Level of the bow's noise.
        scratch: Level of the noise at the start of a note over that later on.
        noise_centre: Centre of the noise in Hz.
        body: Frequencies in Hz of the body's resonances.
        body_widths: Their bandwidths in Hz.
        body_gains: Their levels, the direct sound as 1.

    Example:
        >>> strings = BowedString.draw(PatchDraws(SeededRandom(0)), "chords")
        >>> audio = strings.render([Note(0.5, 1.0, pitch=60, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    single: bool
    articulation: Articulation
    players: int
    spread: float
    slope: float
    bow: float
    bow_depth: float
    corner: float
    softness: float
    noise: float
    scratch: float
    noise_centre: float
    body: tuple[float, ...]
    body_widths: tuple[float, ...]
    body_gains: tuple[float, ...]

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "BowedString":
        """Draw a solo player or, mostly for chords, a section; see `Engine.draw`."""
        section = draws.bernoulli("section", 0.7 if part == "chords" else 0.2)
        size = draws.main("size", 0.0, 1.0)
        # From a violin's air resonance at 270 Hz to a double bass's at 60 Hz, smaller for what plays high.
        lowest = 60.0 * 4.5**size if part != "bass" else 45.0 * 2.5**size
        places = sorted(draws.log_uniform(f"body {index}", 1.0, 16.0) for index in range(_RESONANCES - 1))
        body = tuple(lowest * place for place in (1.0, *places))
        resonant = draws.log_uniform("resonant", 0.3, 2.5)
        return cls(
            single=part in ("bass", "lead", "voice"),
            articulation=Articulation.draw(
                draws.child("articulation"), attack=(0.004, 0.025), vibrato=0.35, glide=0.03
            ),
            players=draws.choice("players", (2, 3, 3)) if section else 1,
            spread=draws.uniform("spread", 4.0, 20.0),
            slope=draws.main("slope", 0.75, 1.8),
            bow=draws.main("bow", 0.03, 0.25, logarithmic=True),
            bow_depth=draws.uniform("bow depth", 0.2, 0.95),
            corner=draws.log_uniform("corner", 300.0, 2500.0),
            softness=draws.uniform("softness", 0.4, 1.5),
            noise=draws.main("noise", 0.003, 0.15, logarithmic=True),
            scratch=draws.uniform("scratch", 0.0, 6.0),
            noise_centre=draws.log_uniform("noise centre", 800.0, 5000.0),
            body=body,
            body_widths=tuple(
                max(25.0, frequency / draws.uniform(f"quality {index}", 6.0, 25.0))
                for index, frequency in enumerate(body)
            ),
            body_gains=tuple(resonant * draws.uniform(f"gain {index}", 0.2, 1.0) for index in range(_RESONANCES)),
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        order = np.arange(1, HARMONICS + 1)
        comb = 1 - self.bow_depth + self.bow_depth * np.abs(np.sin(np.pi * order * self.bow))
        # A comb takes little of the fundamental away, which a bow near the bridge would.
        comb[0] = max(comb[0], 0.5)
        waveform = Waveform(-1j * comb * order**-self.slope)
        friction = 0.0
        lines = lines_of(notes, len(track), self.articulation.gap, self.single)
        for index, line in enumerate(lines):
            stream = rng.child(f"voice {index}")
            level = self.articulation.level(line, stream.child("level"))
            track += self._voice(line, level, waveform, stream)
            friction = friction + level * np.sqrt(np.clip(level, 0.0, 1.0)) * (
                1 + self.scratch * np.exp(-line.age / 0.03)
            )
        if lines:
            noise = rng.child("noise").uniforms(-self.noise, self.noise, len(track)).astype(np.float32)
            edges = 0.5 * self.noise_centre, 2.0 * self.noise_centre
            band = butter(1, edges, "bandpass", fs=SAMPLING_RATE, output="sos")
            track += lines[0].to_samples(np.asarray(friction)) * sosfilt(band, noise)
        return resonate(track, self.body, self.body_widths, self.body_gains)

    def _voice(self, line: Line, level: np.ndarray, waveform: Waveform, rng: SeededRandom) -> np.ndarray:
        audio = np.zeros(line.samples, np.float32)
        for player in range(self.players):
            stream = rng.child(f"player {player}")
            place = 2 * player / (self.players - 1) - 1 if self.players > 1 else 0.0
            pitch = self.articulation.pitch(line, stream) + place * self.spread / 200
            audio += line.oscillate(waveform, line.frequency(pitch), stream.uniform(0.0, 1.0))
        bright = line.to_samples(np.clip(level, 0.0, 1.0) ** self.softness)
        return line.to_samples(level) * tilt(audio, bright, self.corner)
