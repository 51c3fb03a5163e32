"""Seeded random numbers with named child streams, equal on every machine and NumPy version.

NumPy keeps the raw PCG64 stream (O'Neill 2014) stable but not what `choice` or `integers` make of it, so every draw
here is built on `Generator.random` alone. A child stream has a spawn key of its own in NumPy's `SeedSequence`: the
hash of its name, where `SeedSequence.spawn` would take a running number that depends on the order of the calls.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


class SeededRandom:
    """A seeded stream of random numbers with named child streams.

    Draws from one child change no other stream, so a part of a program with a child of its own may draw more or less
    without changing the rest.

    Args:
        seed: Seed of the stream, not negative; several numbers make one seed.

    Example:
        >>> rng = SeededRandom(7)
        >>> rng.choice("abc") == SeededRandom(7).choice("abc")
        True
        >>> rng.child("drums").integer(100) == SeededRandom(7).child("drums").integer(100)
        True
    """

    def __init__(self, seed: int | Sequence[int]):
        self._follow(np.random.SeedSequence(seed))

    def _follow(self, sequence: np.random.SeedSequence) -> None:
        self._sequence = sequence
        self._generator = np.random.default_rng(sequence)

    def child(self, name: str) -> "SeededRandom":
        """Start a stream that depends on the seed and the names on the path to it alone.

        Args:
            name: Name of the child; equal names give equal streams from their beginning.

        Returns:
            The stream, independent of this one and of every other child.
        """
        # Not `hash`, which differs from process to process.
        words = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), dtype="<u4")
        key = (*self._sequence.spawn_key, *words.tolist())
        child = object.__new__(type(self))
        child._follow(np.random.SeedSequence(self._sequence.entropy, spawn_key=key))
        return child

    def uniform(self, low: float, high: float) -> float:
        """Draw a float from [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def uniforms(self, low: float, high: float, count: int) -> np.ndarray:
        """Draw `count` floats from [low, high), `(count,)` float64: the values that `uniform` would give in turn."""
        return low + (high - low) * self._generator.random(count)

    def bernoulli(self, probability: float) -> bool:
        """Draw True with the given probability."""
        return self.uniform(0.0, 1.0) < probability

    def integer(self, count: int) -> int:
        """Draw an integer from 0 to count - 1."""
        return min(int(self.uniform(0.0, count)), count - 1)

    def choice(self, options: Sequence[Option]) -> Option:
        """Draw one of the options, all equally likely."""
        return options[self.integer(len(options))]

    def weighted_choice(self, weights: Mapping[Option, float]) -> Option:
        """Draw a key of `weights` with a probability proportional to its value."""
        mark = self.uniform(0.0, sum(weights.values()))
        for option, weight in weights.items():
            mark -= weight
            if mark < 0.0:
                return option
        return list(weights)[-1]
