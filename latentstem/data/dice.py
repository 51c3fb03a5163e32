"""Draws for the composer that come out the same on every machine and NumPy version.

NumPy keeps the raw PCG64 stream stable but not what `choice` or `integers` make of it, so every draw here is
built on `Generator.random` alone.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


class Dice:
    """Seeded draws.

    Example:
        >>> Dice(7).pick("abc") == Dice(7).pick("abc")
        True
    """

    def __init__(self, seed: int | Sequence[int]):
        self._generator = np.random.default_rng(seed)

    def uniform(self, low: float, high: float) -> float:
        """Draw a float from [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        """Be true with the given probability."""
        return self.uniform(0.0, 1.0) < probability

    def below(self, count: int) -> int:
        """Draw an integer from 0 to count - 1."""
        return min(int(self.uniform(0.0, count)), count - 1)

    def pick(self, options: Sequence[Option]) -> Option:
        """Draw one of `options`, all equally likely."""
        return options[self.below(len(options))]

    def weighted(self, weights: Mapping[Option, float]) -> Option:
        """Draw one of the keys of `weights` in proportion to its value."""
        mark = self.uniform(0.0, sum(weights.values()))
        for option, weight in weights.items():
            mark -= weight
            if mark < 0.0:
                return option
        return list(weights)[-1]
