"""Rhythm of a band within a bar, and how well a bass pattern fits it.

Bass patterns are chosen by how well they fit the bass drum first, then what the others play together. So the rest of a
song determines much, if not all, of the rhythm of its bass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from latentstem.data.compose.comping import POWER, Comper
from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.patterns import steps_per_bar
from latentstem.data.compose.timing import TimeSignature

SILENT = ".rm"
"""Signs at which no note begins: nothing, a rest, a muted string."""
KICK, CYMBAL = 1.0, 0.3
"""Weights of the bass drum and of the cymbal's pattern in `Groove.strikes`."""
ROLES = {**dict.fromkeys((*POWER, "riff"), 1.0), **dict.fromkeys(("offbeats", "skank", "bubble"), 0.0)}
"""Weights of the comping roles: a bass doubles riffs and leaves out off-beats; all other roles weigh 0.5."""


@dataclass(frozen=True)
class Groove:
    """Rhythm of a band in every bar of a section.

    Attributes:
        metre: Time signature of the song.
        kicks: Sixteenths of the bar on which the bass drum plays; empty without drums.
        strikes: Weight of each sixteenth of the bar, from 0; all 0 where no part repeats a pattern.
        riff: Pattern of the power chords, one sign a sixteenth; empty without any.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> groove = Groove(TIME_SIGNATURES[0], kicks=(0, 8), strikes=2 * (1.0, 0, 0, 0, 0, 0, 0, 0))
        >>> groove.fit("1.......1......."), groove.fit("....1.......1..."), groove.pattern
        (1.0, 0.0, '1.......1.......')
    """

    metre: TimeSignature
    kicks: tuple[int, ...]
    strikes: tuple[float, ...]
    riff: str = ""

    @classmethod
    def of(cls, metre: TimeSignature, drummer: Drummer | None, compers: Sequence[Comper]) -> "Groove":
        """Add up the patterns of the drummer and the comping players.

        Args:
            metre: Time signature of the song.
            drummer: Drummer of the section, None without drums.
            compers: Comping players of the section.
        """
        strikes = [0.0] * steps_per_bar(metre)
        kicks = tuple(round(beat * 2 * metre.division) for beat in drummer.kicks) if drummer else ()
        for step in kicks:
            strikes[step] += KICK
        patterns = [(comper.pattern, ROLES.get(comper.role, 0.5)) for comper in compers]
        for pattern, weight in [*patterns, *([(drummer.pulse, CYMBAL)] if drummer else [])]:
            bars = len(pattern) // len(strikes)
            for step, sign in enumerate(pattern):
                if sign not in SILENT:
                    strikes[step % len(strikes)] += weight / bars
        riff = next((comper.pattern for comper in compers if comper.role in POWER), "")
        return cls(metre, kicks, tuple(strikes), riff)

    @property
    def pattern(self) -> str:
        """Bass pattern that follows the bass drum, or without one the greatest strikes; empty without any strike."""
        if not any(self.strikes):
            return ""
        steps = set(self.kicks) or {step for step, strike in enumerate(self.strikes) if strike > max(self.strikes) / 2}
        return "1" + "".join("1" if step in steps else "." for step in range(1, len(self.strikes)))

    def fit(self, pattern: str) -> float:
        """Return the cosine between a pattern's onsets and the strikes: 1 where they are equal, 0 where none meet."""
        bars = len(pattern) // len(self.strikes)
        struck = [sign not in SILENT for sign in pattern]
        together = sum(strike for hit, strike in zip(struck, self.strikes * bars, strict=True) if hit)
        energy = sum(struck) * bars * sum(strike**2 for strike in self.strikes)
        return together / sqrt(energy) if energy else 0.0
