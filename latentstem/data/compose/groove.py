"""Where a band strikes within its bar, and how well a bass figure sits on that.

A bass player listens: to the bass drum first, then to what the others strike together. So the rest of a song says a
good deal, if not all, about the rhythm of its bass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from latentstem.data.compose.comping import Comper
from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.patterns import steps_per_bar
from latentstem.data.compose.timing import TimeSignature

SILENT = ".rm"
"""Signs at which nothing is struck: nothing at all, a rest, a muted string."""
KICK, CYMBAL = 1.0, 0.3
"""How much a bass player goes with the bass drum, and with the pulse of the cymbal."""
ROLES = {"power": 1.0, "riff": 1.0, "offbeats": 0.0}
"""The same of comping: riffs are doubled, off-beats are left to whoever plays them; all other roles count 0.5."""


@dataclass(frozen=True)
class Groove:
    """What a rhythm section plays in every bar of a section.

    Attributes:
        metre: of the song.
        kicks: sixteenths of the bar on which the bass drum plays; none without drums.
        strikes: weight of each sixteenth of the bar, from 0; all 0 where nobody keeps a figure.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> groove = Groove(TIME_SIGNATURES[0], kicks=(0, 8), strikes=2 * (1.0, 0, 0, 0, 0, 0, 0, 0))
        >>> groove.fit("1.......1......."), groove.fit("....1.......1..."), groove.figure
        (1.0, 0.0, '1.......1.......')
    """

    metre: TimeSignature
    kicks: tuple[int, ...]
    strikes: tuple[float, ...]

    @classmethod
    def of(cls, metre: TimeSignature, drummer: Drummer | None, compers: Sequence[Comper]) -> "Groove":
        """Add up who strikes when."""
        strikes = [0.0] * steps_per_bar(metre)
        kicks = tuple(round(beat * 2 * metre.division) for beat in drummer.kicks) if drummer else ()
        for step in kicks:
            strikes[step] += KICK
        figures = [(comper.figure, ROLES.get(comper.role, 0.5)) for comper in compers]
        for figure, weight in [*figures, *([(drummer.pulse, CYMBAL)] if drummer else [])]:
            bars = len(figure) // len(strikes)
            for step, sign in enumerate(figure):
                if sign not in SILENT:
                    strikes[step % len(strikes)] += weight / bars
        return cls(metre, kicks, tuple(strikes))

    @property
    def figure(self) -> str:
        """Playing with the bass drum, or without one with what is struck hardest; empty where nobody strikes."""
        if not any(self.strikes):
            return ""
        steps = set(self.kicks) or {step for step, strike in enumerate(self.strikes) if strike > max(self.strikes) / 2}
        return "1" + "".join("1" if step in steps else "." for step in range(1, len(self.strikes)))

    def fit(self, figure: str) -> float:
        """The cosine between a figure's onsets and the strikes: 1 where they are the same, 0 where nothing meets."""
        bars = len(figure) // len(self.strikes)
        struck = [sign not in SILENT for sign in figure]
        together = sum(strike for hit, strike in zip(struck, self.strikes * bars, strict=True) if hit)
        energy = sum(struck) * bars * sum(strike**2 for strike in self.strikes)
        return together / sqrt(energy) if energy else 0.0
