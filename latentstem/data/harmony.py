"""Chord progressions: a first-order grammar over scale degrees, as functional harmony moves.

The grammar knows four modes; sevenths, suspensions, harmonic-minor dominants, borrowed chords and secondary
dominants colour it, and one song in ten walks over the degrees with no function at all, so that a model
cannot lean on the grammar alone.
"""

from dataclasses import dataclass

from latentstem.data.dice import Dice

NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# MOVES[mode][degree] = what may follow, weighted; degrees count from 0.
MOVES: dict[str, dict[int, dict[int, float]]] = {
    "major": {
        0: {3: 3, 4: 3, 5: 3, 1: 1.5, 2: 1},
        1: {4: 5, 3: 1, 0: 0.5, 5: 0.5},
        2: {5: 3, 3: 3, 1: 1},
        3: {4: 3, 0: 3, 1: 1, 5: 1, 6: 0.2},
        4: {0: 4, 5: 2, 3: 1.5, 2: 0.3},
        5: {3: 3, 1: 2, 4: 2, 2: 0.7, 0: 0.7},
        6: {0: 3, 2: 1},
    },
    "minor": {
        0: {5: 3, 3: 3, 6: 3, 4: 2, 2: 1.5, 1: 0.3},
        1: {4: 4, 0: 0.5},
        2: {5: 2, 3: 2, 6: 2, 0: 1},
        3: {4: 3, 0: 2, 6: 2, 5: 1},
        4: {0: 4, 5: 1.5, 3: 0.7},
        5: {6: 3, 2: 2, 3: 2, 4: 1.5, 0: 1},
        6: {0: 3, 2: 2, 5: 2, 3: 0.5},
    },
    "dorian": {
        0: {3: 5, 6: 2, 1: 1.5, 2: 1.5, 4: 1.5},
        1: {0: 2, 2: 1, 4: 1},
        2: {3: 3, 6: 2, 0: 1},
        3: {0: 5, 6: 2, 4: 1, 2: 1},
        4: {0: 3, 3: 2, 6: 1},
        5: {1: 2, 3: 1},
        6: {0: 3, 3: 3, 2: 1},
    },
    "mixolydian": {
        0: {6: 5, 3: 3, 4: 1.5, 1: 1, 5: 1.5},
        1: {4: 2, 6: 2, 3: 1, 0: 1},
        2: {3: 2, 5: 1},
        3: {0: 4, 6: 2, 4: 1, 1: 1},
        4: {3: 2, 6: 2, 0: 2, 5: 1},
        5: {3: 3, 6: 2, 1: 1, 4: 1},
        6: {3: 4, 0: 4, 1: 0.5},
    },
}
SYMBOLS = {
    (0, 4, 7): "",
    (0, 3, 7): "m",
    (0, 3, 6): "dim",
    (0, 4, 8): "aug",
    (0, 5, 7): "sus4",
    (0, 4, 7, 11): "maj7",
    (0, 4, 7, 10): "7",
    (0, 3, 7, 10): "m7",
    (0, 3, 7, 11): "mMaj7",
    (0, 3, 6, 10): "m7b5",
}


@dataclass(frozen=True)
class Harmony:
    """A chord without its time: `root` pitch class and `intervals` above it in semitones, root first."""

    root: int
    intervals: tuple[int, ...]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Semitones from C (0-11), root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def symbol(self) -> str:
        """The chord as a chart writes it: "C", "Am7", "Gsus4"."""
        return NAMES[self.root] + SYMBOLS[self.intervals]


def diatonic(tonic: int, mode: str, degree: int, seventh: bool) -> Harmony:
    """Stack thirds of the scale on `degree` (0 is the tonic).

    Example:
        >>> diatonic(0, "major", 4, seventh=True).symbol
        'G7'
    """
    scale = SCALES[mode]
    intervals = tuple(
        (scale[(degree + step) % 7] - scale[degree]) % 12 for step in ((0, 2, 4, 6) if seventh else (0, 2, 4))
    )
    return Harmony((tonic + scale[degree]) % 12, intervals)


class Grammar:
    """Draws progressions in one key with one song's taste.

    Args:
        dice: source of the draws.
        tonic: pitch class of the tonic.
        mode: a key of `SCALES`.

    Example:
        >>> phrase = Grammar(Dice(0), tonic=0, mode="major").phrase(4)
        >>> len(phrase)
        4
    """

    def __init__(self, dice: Dice, tonic: int, mode: str):
        self.dice, self.tonic, self.mode = dice, tonic, mode
        self.sevenths = dice.pick((0.0, 0.0, 0.15, 0.3, 0.8))
        self.suspensions = dice.pick((0.0, 0.0, 0.06, 0.12))
        self.borrowing = dice.pick((0.0, 0.0, 0.08, 0.15))
        self.harmonic_minor = dice.pick((0.2, 0.9))
        self.functional = dice.chance(0.9)

    def phrase(self, count: int) -> list[Harmony]:
        """Draw `count` chords, no two neighbours alike, most often from the tonic."""
        degree = 0 if self.dice.chance(0.7) else self.dice.pick((3, 4, 5))
        degrees = [degree]
        while len(degrees) < count:
            others = {other: 1.0 for other in range(7) if other != degree}
            degree = self.dice.weighted(MOVES[self.mode][degree] if self.functional else others)
            degrees.append(degree)
        return [
            self._colour(degree, follower) for degree, follower in zip(degrees, degrees[1:] + degrees[:1], strict=True)
        ]

    def _colour(self, degree: int, follower: int) -> Harmony:
        dice, seventh = self.dice, self.dice.chance(self.sevenths)
        harmony = diatonic(self.tonic, self.mode, degree, seventh)
        if self.mode == "minor" and degree == 4 and dice.chance(self.harmonic_minor):
            harmony = Harmony(harmony.root, (0, 4, 7, 10) if seventh else (0, 4, 7))
        if degree and dice.chance(self.borrowing):
            harmony = self._borrow(follower)
        if harmony.intervals[:3] in ((0, 4, 7), (0, 3, 7)) and dice.chance(self.suspensions):
            harmony = Harmony(harmony.root, (0, 5, 7))
        return harmony

    def _borrow(self, follower: int) -> Harmony:
        """A dominant of the chord that follows, or a chord of the parallel mode."""
        target = (self.tonic + SCALES[self.mode][follower]) % 12
        if self.dice.chance(0.5):
            return Harmony((target + 7) % 12, (0, 4, 7, 10))
        if self.mode in ("major", "mixolydian"):
            offset, intervals = self.dice.pick(((10, (0, 4, 7)), (5, (0, 3, 7)), (8, (0, 4, 7)), (3, (0, 4, 7))))
        else:
            offset, intervals = self.dice.pick(((5, (0, 4, 7)), (1, (0, 4, 7)), (8, (0, 4, 7))))
        return Harmony((self.tonic + offset) % 12, intervals)
