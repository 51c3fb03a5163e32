"""Form: the sections of a song, who plays in them, and how loud.

A song is laid out in bars. A short song is an excerpt of a longer plan, so that thirty seconds may hold the end of a
verse and a chorus, or a bridge and what it leads to.
"""

from collections.abc import Sequence
from dataclasses import replace

from latentstem.data.compose.beats import BeatSection
from latentstem.data.compose.timing import BeatNote
from latentstem.data.rng import SeededRandom

PLANS = (
    "intro verse chorus verse chorus bridge chorus outro",
    "intro verse chorus verse chorus break chorus outro",
    "intro verse verse chorus verse chorus bridge verse chorus outro",
    "verse chorus verse chorus bridge chorus chorus outro",
    "verse verse bridge verse chorus bridge verse outro",
    "intro verse chorus break verse chorus bridge break chorus outro",
    "chorus verse chorus verse bridge chorus outro",
)
SHORT = ("intro", "break", "outro")
"""Sections of half the length of the others."""
ENERGY = {"intro": -0.6, "verse": -0.3, "chorus": 0.5, "bridge": -0.1, "break": -0.8, "outro": -0.2}


def lay_out(rng: SeededRandom, bars: int, unit: int) -> list[BeatSection]:
    """Lay sections over the bars of a song.

    Args:
        rng: source of the draws.
        bars: length of the song, at least 1.
        unit: bars of a verse, a chorus or a bridge.

    Returns:
        The sections; they tile the bars, and the last one is cut where the song ends.

    Example:
        >>> passages = lay_out(SeededRandom(0), bars=64, unit=8)
        >>> passages[0].first, passages[-1].stop, "chorus" in {passage.name for passage in passages}
        (0, 64, True)
    """
    names = rng.choice(PLANS).split()
    lengths = {name: max(1, unit // 2) if name in SHORT else unit for name in names}
    spare = sum(lengths[name] for name in names) - bars
    if spare >= 0 and rng.bernoulli(0.6):
        starts = [start for start in range(len(names) - 2) if names[start] != names[start + 1]]
        skippable = [start for start in starts if sum(lengths[name] for name in names[start:]) >= bars]
        names = names[rng.choice(skippable or [0]) :]
    passages: list[BeatSection] = []
    position = 0
    while position < bars:
        if len(passages) < len(names) - 1:
            name = names[len(passages)]
        else:
            name = "verse" if passages[-1].name == "chorus" else "chorus"
        length = min(lengths[name], bars - position)
        passages.append(BeatSection(name, position, position + length))
        position += length
    # A song that ended its plan closes; an excerpt may, too.
    if len(passages) > 2 and (spare <= 0 or rng.bernoulli(0.25 if bars < 40 else 0.9)):
        passages[-1] = replace(passages[-1], name="outro")
    choruses = [number for number, passage in enumerate(passages) if passage.name == "chorus"]
    if len(choruses) > 1:
        passages[choruses[-1]] = replace(passages[choruses[-1]], last=True)
    return passages


class Arrangement:
    """Who rests where, and how the loudness moves.

    Args:
        rng: source of the draws.
        passages: the sections, from `lay_out`.
        players: names of the parts; "bass", "drums" and "lead" rest by habits of their own, "chords1" never.

    Example:
        >>> arrangement = Arrangement(SeededRandom(0), [BeatSection("verse", 0, 4)], ["chords1", "bass"])
        >>> arrangement.rests["chords1"], len(arrangement.arc)
        (set(), 5)
    """

    def __init__(self, rng: SeededRandom, passages: Sequence[BeatSection], players: Sequence[str]):
        self.passages = passages
        self.rests = {
            player: set() if player == "chords1" else self._rests(rng.child(player), player) for player in players
        }
        self.arc = self._arc(rng.child("dynamics"))

    def apply_rests(self, player: str, strokes: Sequence[BeatNote], beats: int) -> list[BeatNote]:
        """Return the strokes outside the player's rests, none sounding into one; a bar has `beats` beats."""
        rests = self.rests[player]
        if not rests:
            return list(strokes)
        kept = []
        for stroke in strokes:
            first = int(stroke.start // beats)
            if first in rests:
                continue
            last = int((stroke.end - 1e-6) // beats)
            into = next((bar for bar in range(first + 1, last + 1) if bar in rests), None)
            kept.append(stroke if into is None else replace(stroke, end=float(into * beats)))
        return kept

    def _rests(self, rng: SeededRandom, player: str) -> set[int]:
        """Bars in which a player is silent: whole sections, the same ones at each return, and short drop-outs."""
        rests: set[int] = set()
        absent = {
            "bass": {"intro": 0.25, "break": 0.4, "outro": 0.06},
            "drums": {"intro": 0.45, "break": 0.6, "bridge": 0.2, "outro": 0.2, "verse": 0.05},
            "lead": {"intro": 0.4, "verse": 0.5, "chorus": 0.25, "bridge": 0.3, "break": 0.5, "outro": 0.5},
        }.get(player, {"intro": 0.5, "verse": 0.3, "break": 0.4, "bridge": 0.25, "outro": 0.3})
        silent = {name for name, share in absent.items() if rng.bernoulli(share)}
        drop = rng.choice((0.0, 0.0, 0.1, 0.25))
        for passage in self.passages:
            bars = range(passage.first, passage.stop)
            if passage.name in silent:
                rests |= set(bars)
            elif len(bars) >= 4 and rng.bernoulli(drop):
                # The bar before what comes next, or two bars from the start on.
                rests |= {passage.stop - 1} if rng.bernoulli(0.7) else {passage.first, passage.first + 1}
        total = self.passages[-1].stop
        # A bass that rests for half of a short song would leave nothing to learn from.
        return rests if player != "bass" or 3 * len(rests) <= total else set()

    def _arc(self, rng: SeededRandom) -> list[float]:
        """What is added to the velocity at each bar line: the section's energy, a slow wave, and crescendos."""
        total = self.passages[-1].stop
        contrast, height = rng.uniform(4.0, 18.0), rng.uniform(0.0, 4.0)
        period, phase = rng.uniform(6.0, 14.0), rng.uniform(0.0, 1.0)
        swells = rng.bernoulli(0.5)
        # A triangle, not a sine: plain arithmetic comes out the same on every machine.
        arc = [height * (4 * abs((bar / period + phase) % 1 - 0.5) - 1) for bar in range(total + 1)]
        for number, passage in enumerate(self.passages):
            for bar in range(passage.first, passage.stop):
                arc[bar] += contrast * ENERGY[passage.name]
            follower = self.passages[number + 1].name if number + 1 < len(self.passages) else ""
            if swells and follower == "chorus" and passage.stop - passage.first >= 2:
                arc[passage.stop - 1] += 0.5 * contrast * (ENERGY["chorus"] - ENERGY[passage.name])
        arc[total] += contrast * ENERGY[self.passages[-1].name]
        return arc
