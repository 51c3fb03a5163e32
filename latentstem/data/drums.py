"""Drum patterns: one bar of strokes, varied from bar to bar, in beats from the downbeat."""

from latentstem.data.dice import Dice
from latentstem.data.grid import Stroke

KICK, STICK, SNARE, CLAP, CLOSED, OPEN, RIDE, CRASH = 36, 37, 38, 39, 42, 46, 51, 49
TOMS = (50, 47, 45, 43)
KITS = (0, 0, 0, 8, 16, 24, 25, 32, 40)

# (kick beats, snare beats, spacing of the hi-hat) of a bar of four
PATTERNS: dict[str, list[tuple[tuple[float, ...], tuple[float, ...], float]]] = {
    "rock": [
        ((0, 2), (1, 3), 0.5),
        ((0, 1.5, 2), (1, 3), 0.5),
        ((0, 2, 2.5), (1, 3), 0.5),
        ((0, 0.5, 2.5), (1, 3), 0.5),
        ((0, 1.5, 2.5), (1, 3), 0.25),
        ((0, 0.75, 2.5), (1, 3), 0.25),
    ],
    "half_time": [((0,), (2,), 0.5), ((0, 1.5), (2,), 0.5), ((0, 0.75, 3.5), (2,), 1.0), ((0, 2.5), (2,), 0.25)],
    "four_on_floor": [((0, 1, 2, 3), (1, 3), 0.5), ((0, 1, 2, 3), (1, 3), 0.25), ((0, 1, 2, 3), (), 0.5)],
    "shuffle": [((0, 2), (1, 3), 0.5), ((0, 1.5, 2), (1, 3), 0.5), ((0, 1.5, 2, 3.5), (1, 3), 0.5)],
    "ballad": [((0,), (2,), 1.0), ((0, 2), (3,), 1.0), ((0, 2.5), (1, 3), 1.0)],
}
WALTZ = [((0,), (1, 2), 1.0), ((0, 2.5), (1, 2), 0.5), ((0, 1.5), (2,), 0.5)]


class Drummer:
    """One song's drummer: a pattern, a cymbal, and how often it departs from them.

    Args:
        dice: source of the draws.
        beats_per_bar: 3 or 4.
        swung: whether the song swings, which favours the shuffle.

    Example:
        >>> drummer = Drummer(Dice(0), beats_per_bar=4, swung=False)
        >>> all(0 <= stroke.start < 4 for stroke in drummer.bar(fill=False, opening=True))
        True
    """

    def __init__(self, dice: Dice, beats_per_bar: int, swung: bool):
        self.dice, self.beats_per_bar = dice, beats_per_bar
        names = {"rock": 4, "half_time": 2, "four_on_floor": 2.5, "shuffle": 0.3, "ballad": 1.5}
        self.pattern = dice.weighted({**names, "shuffle": 8.0} if swung else names)
        if beats_per_bar == 3:
            self.pattern = "waltz"
        self.kicks, self.snares, self.spacing = dice.pick(WALTZ if beats_per_bar == 3 else PATTERNS[self.pattern])
        self.cymbal = dice.pick((CLOSED, CLOSED, CLOSED, RIDE))
        self.backbeat = dice.pick((SNARE, SNARE, SNARE, STICK, CLAP))
        self.off_beat_open = self.pattern == "four_on_floor" and dice.chance(0.6)
        self.restlessness = dice.pick((0.0, 0.1, 0.3))
        self.kit = dice.pick(KITS)

    def bar(self, fill: bool, opening: bool) -> list[Stroke]:
        """Play one bar; `fill` ends it with toms, `opening` starts it with a crash."""
        dice, strokes = self.dice, []
        kicks = list(self.kicks)
        if dice.chance(self.restlessness):
            kicks.append(dice.pick((1.5, 2.5)))
        stop = self.beats_per_bar - (dice.pick((1.0, 2.0)) if fill else 0.0)
        strokes += [_hit(beat, KICK, dice.uniform(95, 115)) for beat in sorted(set(kicks)) if beat < stop]
        strokes += [_hit(beat, self.backbeat, dice.uniform(90, 115)) for beat in self.snares if beat < stop]
        position = 0.0
        while position < stop:
            accent = 92 if position % 1 == 0 else 68
            is_open = self.off_beat_open and position % 1 == 0.5
            strokes.append(_hit(position, OPEN if is_open else self.cymbal, accent + dice.uniform(-8, 8)))
            position += self.spacing
        if opening:
            strokes.append(_hit(0.0, CRASH, dice.uniform(85, 105)))
        position = stop
        while position < self.beats_per_bar:
            tom = TOMS[int((position - stop) / (self.beats_per_bar - stop) * len(TOMS))]
            strokes.append(_hit(position, dice.pick((tom, tom, SNARE)), dice.uniform(80, 110)))
            position += dice.pick((0.25, 0.5))
        return strokes


def _hit(beat: float, key: int, velocity: float) -> Stroke:
    return Stroke(beat, beat + 0.2, key, int(velocity))
