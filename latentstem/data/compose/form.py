"""Form of a song: its sections, the rests of each part, and the dynamics over the bars.

A song is laid out in bars. A short song is an excerpt of a longer plan, so that thirty seconds may hold the end of a
verse and a chorus, or a bridge and what it leads to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latentstem.data.compose.beats import BeatNote, BeatSection
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
RESTS = {
    "bass": {"intro": 0.25, "break": 0.4, "outro": 0.06},
    "drums": {"intro": 0.45, "break": 0.6, "bridge": 0.2, "outro": 0.2, "verse": 0.05},
    "lead": {"intro": 0.4, "verse": 0.5, "chorus": 0.25, "bridge": 0.3, "break": 0.5, "outro": 0.5},
    "voice": {"intro": 0.9, "verse": 0.05, "bridge": 0.2, "break": 0.5, "outro": 0.4},
    "chords": {"intro": 0.5, "verse": 0.3, "break": 0.4, "bridge": 0.25, "outro": 0.3},
}
"""Probability that a part rests in all sections of a name; "chords" stands for the comping parts after the first."""
ENERGY = {"intro": -0.6, "verse": -0.3, "chorus": 0.5, "bridge": -0.1, "break": -0.8, "outro": -0.2}


def lay_out(rng: SeededRandom, bars: int, unit: int, plans: Sequence[str] = PLANS) -> list[BeatSection]:
    """Lay sections over the bars of a song.

    Args:
        rng: Source of the random draws.
        bars: Length of the song in bars, at least 1.
        unit: Bars of a verse, a chorus or a bridge.
        plans: Names of the sections of whole songs, separated by spaces; the song follows one of these.

    Returns:
        The sections; they tile the bars, and the last one is cut where the song ends.

    Example:
        >>> sections = lay_out(SeededRandom(0), bars=64, unit=8)
        >>> sections[0].first, sections[-1].stop, "chorus" in {section.name for section in sections}
        (0, 64, True)
    """
    names = rng.choice(plans).split()
    lengths = {name: max(1, unit // 2) if name in SHORT else unit for name in names}
    spare = sum(lengths[name] for name in names) - bars
    if spare >= 0 and rng.bernoulli(0.6):
        starts = [start for start in range(len(names) - 2) if names[start] != names[start + 1]]
        skippable = [start for start in starts if sum(lengths[name] for name in names[start:]) >= bars]
        names = names[rng.choice(skippable or [0]) :]
    sections: list[BeatSection] = []
    position = 0
    while position < bars:
        if len(sections) < len(names) - 1:
            name = names[len(sections)]
        else:
            name = "verse" if sections[-1].name == "chorus" else "chorus"
        length = min(lengths[name], bars - position)
        sections.append(BeatSection(name, position, position + length))
        position += length
    # A song that reached the end of its plan gets an outro; an excerpt may get one.
    if len(sections) > 2 and (spare <= 0 or rng.bernoulli(0.25 if bars < 40 else 0.9)):
        sections[-1] = replace(sections[-1], name="outro")
    choruses = [index for index, section in enumerate(sections) if section.name == "chorus"]
    if len(choruses) > 1:
        sections[choruses[-1]] = replace(sections[choruses[-1]], last=True)
    return sections


class Arrangement:
    """Rests of each part and velocity curve of a song.

    Args:
        rng: Source of the random draws.
        sections: Sections of the song, from `lay_out`.
        parts: Names of the parts; "chords1" never rests.
        probabilities: Probability that a part rests in all sections of a name, as in `RESTS`.

    Attributes:
        rests: Part name to the bars in which the part is silent.
        arc: Velocity added at each bar line, one value a bar and one at the end.

    Example:
        >>> arrangement = Arrangement(SeededRandom(0), [BeatSection("verse", 0, 4)], ["chords1", "bass"])
        >>> arrangement.rests["chords1"], len(arrangement.arc)
        (set(), 5)
    """

    def __init__(
        self,
        rng: SeededRandom,
        sections: Sequence[BeatSection],
        parts: Sequence[str],
        probabilities: Mapping[str, Mapping[str, float]] = RESTS,
    ):
        self.sections, self.probabilities = sections, probabilities
        self.rests = {part: set() if part == "chords1" else self._draw_rests(rng.child(part), part) for part in parts}
        self.arc = self._draw_velocity_arc(rng.child("dynamics"))

    def apply_rests(self, part: str, notes: Sequence[BeatNote], beats: int) -> list[BeatNote]:
        """Leave out the notes of a part that start in its rests, and cut those that last into one.

        Args:
            part: Name of the part.
            notes: Notes of the part.
            beats: Beats a bar.
        """
        rests = self.rests[part]
        if not rests:
            return list(notes)
        kept = []
        for note in notes:
            first = int(note.start // beats)
            if first in rests:
                continue
            last = int((note.end - 1e-6) // beats)
            into = next((bar for bar in range(first + 1, last + 1) if bar in rests), None)
            kept.append(note if into is None else replace(note, end=float(into * beats)))
        return kept

    def _draw_rests(self, rng: SeededRandom, part: str) -> set[int]:
        """Draw the bars in which a part is silent: all sections of some names, and one or two bars of others."""
        rests: set[int] = set()
        absent = self.probabilities.get(part, self.probabilities["chords"])
        silent = {name for name, fraction in absent.items() if rng.bernoulli(fraction)}
        drop = rng.choice((0.0, 0.0, 0.1, 0.25))
        for section in self.sections:
            bars = range(section.first, section.stop)
            if section.name in silent:
                rests |= set(bars)
            elif len(bars) >= 4 and rng.bernoulli(drop):
                # The last bar of the section, or the first two.
                rests |= {section.stop - 1} if rng.bernoulli(0.7) else {section.first, section.first + 1}
        total = self.sections[-1].stop
        # A bass that rests for long in a short song would leave nothing to learn from.
        return rests if part != "bass" or 3 * len(rests) <= total else set()

    def _draw_velocity_arc(self, rng: SeededRandom) -> list[float]:
        """Draw what is added to the velocity at each bar line: the section's energy, a slow wave, and crescendos."""
        total = self.sections[-1].stop
        contrast, height = rng.uniform(4.0, 18.0), rng.uniform(0.0, 4.0)
        period, phase = rng.uniform(6.0, 14.0), rng.uniform(0.0, 1.0)
        swells = rng.bernoulli(0.5)
        # A triangle, not a sine: plain arithmetic gives equal results on every machine.
        arc = [height * (4 * abs((bar / period + phase) % 1 - 0.5) - 1) for bar in range(total + 1)]
        for index, section in enumerate(self.sections):
            for bar in range(section.first, section.stop):
                arc[bar] += contrast * ENERGY[section.name]
            next_name = self.sections[index + 1].name if index + 1 < len(self.sections) else ""
            if swells and next_name == "chorus" and section.stop - section.first >= 2:
                arc[section.stop - 1] += 0.5 * contrast * (ENERGY["chorus"] - ENERGY[section.name])
        arc[total] += contrast * ENERGY[self.sections[-1].name]
        return arc
