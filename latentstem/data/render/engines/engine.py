"""Synthesized instruments: what an engine is, and how its parameters are drawn.

An engine is a frozen dataclass: its fields are the parameters of one instrument, its `draw` makes an instrument at
random, its `render` plays notes on it. A song that draws its instruments has some that no other song has.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, Self, TypeVar

import numpy as np

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

UNSEEN_BAND = (0.4, 0.6)
"""Range of a main parameter, as fractions of its whole range, that only instruments for tests are drawn from."""

Option = TypeVar("Option")


class PatchDraws:
    """Random parameters of an instrument, with a band of each main parameter kept for tests.

    Instruments to train on and instruments to test on never share the value of a main parameter: the former draw it
    outside of `UNSEEN_BAND`, the latter inside.

    Args:
        rng: Source of the draws.
        unseen: Whether the instrument is for tests.

    Example:
        >>> draws = PatchDraws(SeededRandom(0), unseen=True)
        >>> 400 <= draws.main("cutoff", 0, 1000) < 600
        True
    """

    def __init__(self, rng: SeededRandom, unseen: bool = False):
        self.rng, self.unseen = rng, unseen

    def child(self, name: str) -> "PatchDraws":
        """Return the draws of a part of the instrument, with a stream of its own."""
        return PatchDraws(self.rng.child(name), self.unseen)

    def main(self, name: str, low: float, high: float, logarithmic: bool = False) -> float:
        """Draw a main parameter, one that gives the instrument its character.

        Args:
            name: Name of the parameter, which has a stream of its own.
            low: Least value; above 0 if logarithmic.
            high: Greatest value.
            logarithmic: Whether to draw its logarithm uniformly.

        Returns:
            A value in [low, high): inside the band kept for tests if the instrument is for tests, else outside.
        """
        first, last = UNSEEN_BAND
        place = self.rng.child(name).uniform(0.0, 1.0)
        if self.unseen:
            place = first + (last - first) * place
        else:
            place *= 1.0 - (last - first)
            place = place if place < first else place + (last - first)
        return low * (high / low) ** place if logarithmic else low + (high - low) * place

    def uniform(self, name: str, low: float, high: float) -> float:
        """Draw a parameter uniformly from [low, high)."""
        return self.rng.child(name).uniform(low, high)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        """Draw a parameter whose logarithm is uniform, from [low, high), low above 0."""
        return low * (high / low) ** self.rng.child(name).uniform(0.0, 1.0)

    def bernoulli(self, name: str, probability: float) -> bool:
        """Draw True with the given probability."""
        return self.rng.child(name).bernoulli(probability)

    def choice(self, name: str, options: Sequence[Option]) -> Option:
        """Draw one of the options, all equally likely."""
        return self.rng.child(name).choice(options)


class Engine(Protocol):
    """An instrument that is synthesized."""

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> Self:
        """Draw an instrument at random.

        Args:
            draws: Source of the parameters.
            part: Name of the part that it plays, without a number: "bass", "chords", "lead", "voice" or "drums".
        """
        ...

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes.

        Args:
            notes: Notes in order of their start.
            duration: Length of the result in seconds; sound beyond is cut.
            rng: Source of what differs from note to note, noise among it.

        Returns:
            `(round(duration * 44100),)` float32, of any level; bit-equal from run to run.
        """
        ...


def monophonic(notes: Sequence[Note]) -> list[Note]:
    """End each note where the next one starts at the latest; of notes that start together the last one stays.

    Args:
        notes: Notes in order of their start.

    Example:
        >>> [note.end for note in monophonic([Note(0.0, 2.0, 40, 90), Note(1.0, 3.0, 45, 90)])]
        [1.0, 3.0]
    """
    followers = [*(note.start for note in notes[1:]), math.inf]
    cut = [replace(note, end=min(note.end, start)) for note, start in zip(notes, followers, strict=False)]
    return [note for note in cut if note.end > note.start]


def loudness_of(velocity: float, dynamics: float) -> float:
    """Return the gain of a velocity: 1 for 127, falling to `dynamics` dB below for 0."""
    return 10 ** (dynamics * (velocity / 127 - 1) / 20)


def frequency_of(pitch: float) -> float:
    """Return the frequency in Hz of a MIDI pitch, 440 Hz for 69."""
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def add_at(track: np.ndarray, sound: np.ndarray, start: float) -> None:
    """Add a sound to a track in place; what lies outside of the track is cut.

    Args:
        track: `(samples,)`.
        sound: `(samples of the sound,)`.
        start: Time of the sound's first sample in seconds, not negative.
    """
    first = round(start * SAMPLING_RATE)
    sound = sound[: max(len(track) - first, 0)]
    track[first : first + len(sound)] += sound
