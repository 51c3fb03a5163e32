"""Chord progressions: well-known loops, and a first-order grammar over scale degrees.

Each song has probabilities of sevenths, suspensions, added tones, inversions, and chords from outside the key. One
grammar phrase in ten draws its degrees uniformly, so that a model cannot rely on the grammar alone.
"""

from dataclasses import replace

from latentstem.data.compose.harmony import SCALES, ChordType, diatonic, roman
from latentstem.data.rng import SeededRandom

# MOVES[mode][degree] = weights of the degrees that may follow; degrees count from 0.
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
    "phrygian": {
        0: {1: 5, 6: 2, 3: 1.5, 5: 1, 2: 1},
        1: {0: 5, 2: 1.5, 6: 1.5},
        2: {1: 3, 0: 1, 3: 1},
        3: {0: 2, 1: 2, 6: 1},
        4: {5: 2, 0: 1},
        5: {6: 2, 1: 2, 0: 1},
        6: {0: 3, 1: 1, 5: 2},
    },
    "lydian": {
        0: {1: 5, 4: 2, 5: 1.5, 2: 1, 6: 0.7},
        1: {0: 5, 4: 2, 5: 1, 6: 0.5},
        2: {5: 2, 1: 2, 0: 1},
        3: {4: 2, 0: 1},
        4: {0: 2, 1: 2, 5: 1},
        5: {1: 3, 2: 1, 4: 1, 0: 1},
        6: {0: 2, 2: 1, 5: 1},
    },
    "harmonic minor": {
        0: {3: 3, 4: 4, 5: 2, 1: 1, 6: 0.7},
        1: {4: 5, 6: 0.5},
        2: {3: 1, 5: 1},
        3: {4: 4, 0: 2, 1: 1, 6: 0.5},
        4: {0: 5, 5: 1.5},
        5: {3: 2, 4: 3, 1: 1},
        6: {0: 5},
    },
}
LOOPS = {
    "major": (
        "I V vi IV",
        "vi IV I V",
        "I vi IV V",
        "IV I V vi",
        "I IV V IV",
        "I IV vi V",
        "I iii IV V",
        "I V/3 vi V",
        "I V/3 vi IV I/3 IV ii V",
        "I IV/I V/I I",
        "I I/3 IV V",
        "IV V iii vi",
        "ii7 V7 Imaj7 Imaj7",
        "ii7 V7 Imaj7 vi7",
        "iii7 VI7 ii7 V7",
        "Imaj7 vi7 ii7 V7",
        "I #idim7 ii7 V7",
        "I Iaug I6 I7 IV iv I/5 V7",
        "Imaj7 IVmaj7",
        "I iii IV iv",
        "I III7 vi IV",
        "I bVII IV I",
        "I bVI bVII I",
        "Isus2 vi7 IVadd9 Vsus4",
        "I V vi iii IV I IV V",
        "IV V/IV iii7 vi",
    ),
    "minor": (
        "i bVI bIII bVII",
        "i bVII bVI bVII",
        "i bVII bVI V7",
        "i iv v i",
        "i iv bVI V",
        "i bVI iv V7",
        "i bIII bVII iv",
        "bVI bVII i i",
        "i i7/7 bVI bVII",
        "iim7b5 V7 i i",
        "i iv bVII bIII bVI iim7b5 V7 i",
        "i7 iv7",
        "i V/3 bIII IV",
        "iv i V7 i",
    ),
    "dorian": ("i IV", "i7 IV7", "i ii bIII IV", "i bVII IV i", "i bIII IV i", "i v IV i"),
    "mixolydian": ("I bVII IV I", "I bVII", "I v bVII IV", "I7 IV7 bVII IV", "bVII IV I I", "I bVII/I IV/I I"),
    "phrygian": ("i bII", "i bII bIII bII", "i bvii bII i", "i bVI bII i"),
    "lydian": ("I II", "Imaj7 II/I", "I II V I", "I II vi V"),
    "harmonic minor": ("i iv V7 i", "i V7", "i bVI V7 i", "i iv viidim7 i", "iim7b5 V7 i imMaj7", "i bIIIaug bVI V7"),
}
BLUES = {
    "major": "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
    "mixolydian": "I7 IV7 I7 I7 IV7 #ivdim7 I7/5 VI7 ii7 V7 I7 V7",
    "minor": "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7",
}


class HarmonyStyle:
    """Probabilities of one song's chord alterations, and the phrases drawn with them.

    Args:
        rng: Source of the probabilities.

    Example:
        >>> style = HarmonyStyle(SeededRandom(0))
        >>> len(style.phrase(SeededRandom(1), 0, "major", 4))
        4
    """

    def __init__(self, rng: SeededRandom):
        self.sevenths = rng.choice((0.0, 0.0, 0.15, 0.3, 0.8))
        self.suspensions = rng.choice((0.0, 0.0, 0.06, 0.15))
        self.additions = rng.choice((0.0, 0.0, 0.0, 0.08, 0.2))
        self.borrowing = rng.choice((0.0, 0.0, 0.08, 0.15))
        self.slashes = rng.choice((0.0, 0.0, 0.05, 0.12, 0.3))
        self.harmonic_minor = rng.choice((0.2, 0.9))

    def phrase(self, rng: SeededRandom, tonic: int, mode: str, count: int) -> list[ChordType]:
        """Draw the chords of a phrase, by a loop or by the grammar.

        A loop of 2, 3, 4 or 8 chords is repeated or cut to `count`; the grammar repeats no degree at once.

        Args:
            rng: Source of the random draws.
            tonic: Pitch class of the key's tonic, 0 is C.
            mode: Name of the key's scale, a key of `harmony.SCALES`.
            count: Number of chords.
        """
        if rng.bernoulli(0.45):
            loop = [roman(numeral, tonic) for numeral in rng.choice(LOOPS[mode]).split()]
            harmonies = [loop[index % len(loop)] for index in range(count)]
        else:
            degrees = self._degrees(rng, mode, count)
            harmonies = [diatonic(tonic, mode, degree, seventh=False) for degree in degrees]
            next_degrees = degrees[1:] + degrees[:1]
            for index, (degree, next_degree) in enumerate(zip(degrees, next_degrees, strict=True)):
                if mode == "minor" and degree == 4 and rng.bernoulli(self.harmonic_minor):
                    harmonies[index] = ChordType(harmonies[index].root, (0, 4, 7))
                if degree and rng.bernoulli(self.borrowing):
                    harmonies[index] = self._borrow(rng, tonic, mode, harmonies[index].root, next_degree)
        harmonies = [self._colour(rng, harmony, tonic, mode) for harmony in harmonies]
        if rng.bernoulli(0.06):
            pedal = tonic if rng.bernoulli(0.7) else tonic + 7
            return [harmony.over(pedal) for harmony in harmonies]
        return self._invert(rng, harmonies)

    def _degrees(self, rng: SeededRandom, mode: str, count: int) -> list[int]:
        functional = rng.bernoulli(0.9)
        degrees = [0 if rng.bernoulli(0.7) else rng.choice((3, 4, 5))]
        while len(degrees) < count:
            others = {other: 1.0 for other in range(7) if other != degrees[-1]}
            degrees.append(rng.weighted_choice(MOVES[mode][degrees[-1]] if functional else others))
        return degrees

    def _colour(self, rng: SeededRandom, harmony: ChordType, tonic: int, mode: str) -> ChordType:
        """Add a seventh, a suspension or another tone to a plain triad."""
        root, triad = harmony.root, harmony.intervals
        if triad not in ((0, 4, 7), (0, 3, 7), (0, 3, 6)):
            return harmony
        if rng.bernoulli(self.sevenths):
            raised = (root + 11 - tonic) % 12 in SCALES[mode] and (root + 10 - tonic) % 12 not in SCALES[mode]
            return replace(harmony, intervals=(*triad, 11 if raised and triad != (0, 3, 6) else 10))
        if triad == (0, 3, 6):
            return harmony
        if rng.bernoulli(self.suspensions):
            return ChordType(root, rng.choice(((0, 5, 7), (0, 5, 7), (0, 2, 7))))
        if rng.bernoulli(self.additions):
            # The sixth or ninth that the scale has; a minor sixth would name another chord.
            options = [step for step in (9, 2) if (root + step - tonic) % 12 in SCALES[mode]]
            return replace(harmony, intervals=(*triad, rng.choice(options))) if options else harmony
        return harmony

    def _invert(self, rng: SeededRandom, harmonies: list[ChordType]) -> list[ChordType]:
        """Set another chord tone in the bass at random, most often one a step from its neighbours."""
        inverted = [*harmonies]
        for index in range(1, len(harmonies)):
            harmony = harmonies[index]
            if harmony.bass is not None or not rng.bernoulli(self.slashes):
                continue
            before = inverted[index - 1]
            lowest = before.root if before.bass is None else before.bass
            after = harmonies[(index + 1) % len(harmonies)].root
            weights = {}
            for interval, weight in zip(harmony.intervals[1:], (3.0, 1.5, 0.7), strict=False):
                bass = (harmony.root + interval) % 12
                near = sum((bass - other) % 12 in (1, 2, 10, 11) for other in (lowest, after))
                weights[bass] = weight * (1 + 2 * near)
            inverted[index] = harmony.over(rng.weighted_choice(weights))
        return inverted

    def _borrow(self, rng: SeededRandom, tonic: int, mode: str, root: int, next_degree: int) -> ChordType:
        """Draw a dominant or a leading diminished chord of the next degree, or a chord of the parallel mode."""
        target = tonic + SCALES[mode][next_degree]
        kind = rng.weighted_choice({"dominant": 4, "leading": 1, "augmented": 0.6, "parallel": 4})
        if kind == "dominant":
            return ChordType((target + 7) % 12, (0, 4, 7, 10))
        if kind == "leading":
            return ChordType((target + 11) % 12, (0, 3, 6, 9))
        if kind == "augmented":
            return ChordType(root, (0, 4, 8))
        bright = mode in ("major", "mixolydian", "lydian")
        return roman(rng.choice(("bVII", "iv", "bVI", "bIII") if bright else ("IV", "bII", "bVI", "V")), tonic)


def blues(tonic: int, mode: str) -> list[ChordType]:
    """Return the twelve bars of the blues; other modes than minor and mixolydian take those of major.

    Example:
        >>> [harmony.symbol for harmony in blues(9, "major")[8:]]
        ['E7', 'D7', 'A7', 'E7']
    """
    return [roman(numeral, tonic) for numeral in BLUES.get(mode, BLUES["major"]).split()]
