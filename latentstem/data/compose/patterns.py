"""Rhythms written as tablature: a string with one sign for each sixteenth of a bar, "." where nothing begins.

A bar of 4/4 has 16 signs (four a beat) and a bar of 3/4 has 12 (four a beat); a bar of 6/8 has 12 too, but six a
beat, because its beat is a dotted quarter. A figure may be several bars long. What a sign means is its reader's.
"""

from latentstem.data.compose.timing import TimeSignature
from latentstem.data.rng import SeededRandom

CLOSE = 1e-6
"""Beats within which two positions are the same; thirds of a beat are not exact in binary."""


def steps_per_bar(metre: TimeSignature) -> int:
    """Count the sixteenths of a bar."""
    return 2 * metre.division * metre.beats


def onsets(figure: str, metre: TimeSignature, start: float, end: float) -> list[tuple[float, str]]:
    """Read a figure, repeated from beat 0 on, between two beats.

    Args:
        figure: one sign a sixteenth.
        metre: of the figure.
        start: first beat, included.
        end: last beat, left out.

    Returns:
        Position in beats and sign of everything in the figure but its dots, in order.

    Example:
        >>> onsets("x.....x.........", TimeSignature("4/4", 4, 2), 4.0, 10.0)
        [(4.0, 'x'), (5.5, 'x'), (8.0, 'x'), (9.5, 'x')]
    """
    steps = 2 * metre.division
    first, last = int(start * steps + CLOSE), int(end * steps + 1)
    placed = []
    for step in range(first, last):
        sign = figure[step % len(figure)]
        if sign != "." and start - CLOSE <= step / steps < end - CLOSE:
            placed.append((max(start, step / steps), sign))
    return placed


def drawn_figure(
    rng: SeededRandom, metre: TimeSignature, signs: dict[str, float], density: float, bars: int = 1
) -> str:
    """Draw a figure on the eighths, sometimes pushed by a sixteenth.

    Args:
        rng: source of the draws.
        metre: of the figure.
        signs: weights of the signs after the first; the figure begins with the first key.
        density: chance that something begins on an eighth.
        bars: length of the figure.

    Returns:
        The figure, `bars * steps_per_bar(metre)` signs long.

    Example:
        >>> len(drawn_figure(SeededRandom(0), TimeSignature("6/8", 2, 3), {"x": 1.0}, density=0.5))
        12
    """
    drawn = ["."] * (bars * steps_per_bar(metre))
    drawn[0] = next(iter(signs))
    for step in range(2, len(drawn), 2):
        if rng.bernoulli(density):
            early = step > 2 and drawn[step - 2] != "." and rng.bernoulli(0.12)
            drawn[step - early] = rng.weighted_choice(signs)
    return "".join(drawn)
