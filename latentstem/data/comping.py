"""Comping instruments and a lead melody: what is heard of the harmony without the bass.

Each player has one role (how it turns a chord into strokes) and voices every chord near the last one.
"""

from dataclasses import dataclass

from latentstem.data.dice import Dice
from latentstem.data.grid import Stroke
from latentstem.data.harmony import SCALES, Harmony

# General MIDI programs by how their tone lives: struck tones fade, held tones last.
STRUCK = (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 24, 25, 26, 27, 28, 45, 46, 104, 105, 107, 108)
HELD = (16, 17, 18, 19, 20, 21, 22, 23, 29, 30, 40, 41, 42, 44, 48, 49, 50, 51, 52, 53, 54)
HELD += (56, 57, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 71, 80, 81, 82, 83, 84, 85, 88, 89, 90, 91, 92, 94, 95)
# The first player must make every chord plain: no solo strings, sweeps or breath.
CLEAR = (0, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 21, 24, 25, 26, 27, 29, 48, 49, 50, 51, 61, 62, 80, 81, 88, 90)
# Left out: glockenspiel (inharmonic) and whistle (TimGM6mb plays it a third too high).
LEADS = (0, 4, 10, 11, 13, 22, 25, 26, 29, 30, 40, 52, 56, 60, 64, 65, 66, 68, 71, 72, 73, 74, 75, 79, 80, 81, 82)

STRUCK_ROLES = {"block": 3, "arpeggio": 3, "strum": 2.5, "stabs": 1.5, "offbeats": 1, "rhythm": 2}
HELD_ROLES = {"pad": 4, "block": 2, "strum": 1, "stabs": 1, "offbeats": 0.7, "arpeggio": 0.7, "rhythm": 1}
STABS = ((0, 1.5), (0, 1.5, 3), (0.5, 2), (0, 2.5), (0, 0.75, 1.5, 2.5, 3.25), (0, 3), (1, 3))


@dataclass(frozen=True)
class Span:
    """A chord on the beat grid: `harmony` from beat `start` to beat `end`."""

    harmony: Harmony
    start: float
    end: float


class Comper:
    """One comping player.

    Args:
        dice: source of the draws.
        beats_per_bar: 3 or 4.
        complete: this player must sound each whole chord within each chord: a clear program, no sparse role.

    Example:
        >>> player = Comper(Dice(1), beats_per_bar=4, complete=True)
        >>> strokes = player.play([Span(Harmony(0, (0, 4, 7)), 0.0, 4.0)])
        >>> sorted({stroke.pitch % 12 for stroke in strokes})
        [0, 4, 7]
    """

    def __init__(self, dice: Dice, beats_per_bar: int, complete: bool):
        self.dice, self.beats_per_bar, self.complete = dice, beats_per_bar, complete
        self.program = dice.pick(CLEAR) if complete else dice.pick(STRUCK if dice.chance(0.45) else HELD)
        self.role = dice.weighted(STRUCK_ROLES if self.program in STRUCK else HELD_ROLES)
        self.centre = dice.uniform(58, 70)
        self.doubled = dice.chance(0.35)
        self.density = dice.pick((1.0, 2.0))
        self.length = dice.uniform(0.35, 0.98)
        self.velocity = dice.uniform(70, 100)
        self.subdivision = dice.pick((0.5, 0.5, 0.25))
        self.contour = dice.pick(("up", "down", "updown", "broken"))
        self.stabs = dice.pick(STABS)
        self.figure = [beat / 2 for beat in range(2 * beats_per_bar) if beat == 0 or dice.chance(0.45)]
        self.last: list[int] = []

    def play(self, spans: list[Span]) -> list[Stroke]:
        """Play the chords through."""
        strokes: list[Stroke] = []
        for span in spans:
            voicing = self.voice(span.harmony)
            if self.role == "arpeggio":
                strokes += self._arpeggio(voicing, span)
                continue
            for start, end in self._hits(span):
                accent = 8 if start % self.beats_per_bar == 0 else 0
                roll = self.dice.uniform(0.0, 0.03) if self.role == "strum" else 0.0
                strokes += [
                    Stroke(start + roll * order, end, pitch, int(self.velocity + accent))
                    for order, pitch in enumerate(voicing)
                ]
        return strokes

    def voice(self, harmony: Harmony) -> list[int]:
        """Choose the inversion nearest to the last voicing, every chord tone in it, within MIDI 50-84."""
        candidates = []
        for lowest in range(50, 68):
            if lowest % 12 in harmony.pitch_classes:
                above = {lowest + (pitch_class - lowest) % 12 for pitch_class in harmony.pitch_classes}
                candidates.append(sorted(above))
        if self.last and not self.dice.chance(0.05):
            voicing = min(candidates, key=lambda notes: abs(sum(notes) / len(notes) - self.mean_of_last()))
        else:
            voicing = min(candidates, key=lambda notes: abs(sum(notes) / len(notes) - self.centre))
        self.last = voicing
        return voicing + ([voicing[0] + 12] if self.doubled else [])

    def mean_of_last(self) -> float:
        """Where the hand is: the last voicing's mean, drawn back a little to the player's own centre."""
        return 0.8 * sum(self.last) / len(self.last) + 0.2 * self.centre

    def _hits(self, span: Span) -> list[tuple[float, float]]:
        if self.role == "pad":
            return [(span.start, span.end)]
        first, last = int(span.start // self.beats_per_bar), int((span.end - 1e-6) // self.beats_per_bar)
        if self.role == "block":
            within = [self.density * step for step in range(int(self.beats_per_bar / self.density + 0.999))]
        elif self.role == "strum":
            within = [step / 2 for step in range(2 * self.beats_per_bar)]
        elif self.role == "offbeats":
            within = [step + 0.5 for step in range(self.beats_per_bar)]
        elif self.role == "stabs":
            within = list(self.stabs)
        else:
            within = self.figure
        starts = [bar * self.beats_per_bar + beat for bar in range(first, last + 1) for beat in within]
        starts = [start for start in starts if span.start <= start < span.end]
        if self.complete and span.start not in starts:
            starts = [span.start, *starts]
        ends = [*starts[1:], span.end][: len(starts)]
        held = 1.0 if self.complete and self.role == "stabs" else self.length
        return [(start, start + held * (end - start)) for start, end in zip(starts, ends, strict=True)]

    def _arpeggio(self, voicing: list[int], span: Span) -> list[Stroke]:
        order = {
            "up": voicing,
            "down": voicing[::-1],
            "updown": voicing + voicing[-2:0:-1],
            "broken": [voicing[0], voicing[-1], *voicing[1:-1]],
        }[self.contour]
        # A short chord must still be heard whole, so its strokes come faster.
        step = min(self.subdivision, (span.end - span.start) / len(order))
        count = int((span.end - span.start) / step + 1e-6)
        ring = max(1.0, 2 * step) if self.complete else step * self.length
        return [
            Stroke(start, min(start + ring, span.end), order[index % len(order)], int(self.velocity))
            for index in range(count)
            for start in [span.start + index * step]
        ]


def lead(dice: Dice, spans: list[Span], tonic: int, mode: str) -> list[Stroke]:
    """Draw a melody: chord tones on strong beats, scale steps between, and rests to breathe."""
    scale = [pitch for pitch in range(60, 90) if (pitch - tonic) % 12 in SCALES[mode]]
    rest, quick = dice.uniform(0.1, 0.35), dice.uniform(0.2, 0.6)
    strokes: list[Stroke] = []
    pitch, velocity = 72, dice.uniform(75, 105)
    for span in spans:
        position = span.start
        while position < span.end - 1e-6:
            length = min(0.5 if dice.chance(quick) else dice.pick((1.0, 1.0, 1.5, 2.0)), span.end - position)
            tones = [note for note in range(62, 87) if note % 12 in span.harmony.pitch_classes]
            near = tones if position % 1 == 0 else scale
            pitch = dice.pick(sorted(near, key=lambda note: (abs(note - pitch), note))[:4])
            if not dice.chance(rest):
                strokes.append(Stroke(position, position + 0.92 * length, pitch, int(velocity)))
            position += length
    return strokes
