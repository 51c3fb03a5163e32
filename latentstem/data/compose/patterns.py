"""Rhythm patterns as tablature: a string with one sign for each sixteenth of a bar, "." where no note begins.

A bar of 4/4 has 16 signs (four a beat) and a bar of 3/4 has 12 (four a beat); a bar of 6/8 has 12 too, but six a
beat, because its beat is a dotted quarter. A pattern may be several bars long. Each instrument gives its signs their
meaning.
"""

from latentstem.data.compose.timing import TimeSignature
from latentstem.data.rng import SeededRandom

CLOSE = 1e-6
"""Distance in beats within which two positions are equal; thirds of a beat are not exact in binary."""


def steps_per_bar(metre: TimeSignature) -> int:
    """Count the sixteenths of a bar."""
    return 2 * metre.division * metre.beats


def onsets(pattern: str, metre: TimeSignature, start: float, end: float) -> list[tuple[float, str]]:
    """Read a pattern, repeated from beat 0 on, between two beats.

    Args:
        pattern: One sign a sixteenth.
        metre: Time signature of the pattern.
        start: First beat, included.
        end: Last beat, left out.

    Returns:
        Position in beats and sign of everything in the pattern but its dots, in order.

    Example:
        >>> onsets("x.....x.........", TimeSignature("4/4", 4, 2), 4.0, 10.0)
        [(4.0, 'x'), (5.5, 'x'), (8.0, 'x'), (9.5, 'x')]
    """
    steps = 2 * metre.division
    first, last = int(start * steps + CLOSE), int(end * steps + 1)
    placed = []
    for step in range(first, last):
        sign = pattern[step % len(pattern)]
        if sign != "." and start - CLOSE <= step / steps < end - CLOSE:
            placed.append((max(start, step / steps), sign))
    return placed


def draw_pattern(
    rng: SeededRandom, metre: TimeSignature, signs: dict[str, float], density: float, bars: int = 1
) -> str:
    """Draw a pattern of eighths, some of them pushed ahead by a sixteenth.

    Args:
        rng: Source of the random draws.
        metre: Time signature of the pattern.
        signs: Weights of the signs after the first; the pattern begins with the first key.
        density: Probability that a note begins on an eighth.
        bars: Length of the pattern in bars.

    Returns:
        The pattern, `bars * steps_per_bar(metre)` signs long.

    Example:
        >>> len(draw_pattern(SeededRandom(0), TimeSignature("6/8", 2, 3), {"x": 1.0}, density=0.5))
        12
    """
    pattern = ["."] * (bars * steps_per_bar(metre))
    pattern[0] = next(iter(signs))
    for step in range(2, len(pattern), 2):
        if rng.bernoulli(density):
            early = step > 2 and pattern[step - 2] != "." and rng.bernoulli(0.12)
            pattern[step - early] = rng.weighted_choice(signs)
    return "".join(pattern)
