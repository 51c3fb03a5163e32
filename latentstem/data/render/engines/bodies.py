"""Random resonances of wooden bodies, sound boards and tubes."""

from collections.abc import Sequence

from latentstem.data.render.engines.engine import PatchDraws

Body = tuple[tuple[float, float, float], ...]
"""Resonances as (frequency in Hz, bandwidth in Hz, gain), the direct sound as 1; empty without a body."""


def draw_body(
    draws: PatchDraws, modes: Sequence[float], quality: tuple[float, float], gain: tuple[float, float]
) -> Body:
    """Draw how wide and strong the resonances of a body are.

    Args:
        draws: Source of the parameters.
        modes: Frequencies of the resonances in Hz.
        quality: Least and greatest quality factor.
        gain: Least and greatest gain.

    Example:
        >>> from latentstem.data.rng import SeededRandom
        >>> body = draw_body(PatchDraws(SeededRandom(0)), [100.0, 200.0], quality=(8.0, 30.0), gain=(0.1, 1.0))
        >>> [mode for mode, bandwidth, level in body]
        [100.0, 200.0]
    """
    return tuple(
        (
            mode,
            max(12.0, mode / draws.uniform(f"quality {number}", *quality)),
            draws.log_uniform(f"gain {number}", *gain),
        )
        for number, mode in enumerate(modes)
    )
