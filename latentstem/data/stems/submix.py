"""Random sub-mixes of stems at random gains (BassNet, Grachten, Lattner and Deruty 2020, section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from latentstem.data.rng import SeededRandom


@dataclass(frozen=True)
class SubmixSampler:
    """Draws which stems a mix holds, and the gain of each.

    Args:
        full_mix_share: Probability that a mix holds all stems; other mixes hold one to all of them, each number of
            stems equally likely.
        gain_range: Least and greatest gain of a stem, drawn uniformly.

    Example:
        >>> sampler = SubmixSampler(full_mix_share=1.0)
        >>> gains = sampler.draw(SeededRandom(0), ["drums", "keys"])
        >>> sorted(gains), all(0.5 <= gain <= 1 for gain in gains.values())
        (['drums', 'keys'], True)
    """

    full_mix_share: float = 0.5
    gain_range: tuple[float, float] = (0.5, 1.0)

    def draw(self, rng: SeededRandom, names: Sequence[str]) -> dict[str, float]:
        """Draw one sub-mix.

        Args:
            rng: Source of the draws.
            names: Names of the stems that the mix may hold, at least one.

        Returns:
            Names of the chosen stems to their gains.
        """
        count = len(names) if rng.bernoulli(self.full_mix_share) else 1 + rng.integer(len(names))
        left = list(names)
        chosen = [left.pop(rng.integer(len(left))) for _ in range(count)]
        return {name: rng.uniform(*self.gain_range) for name in chosen}
