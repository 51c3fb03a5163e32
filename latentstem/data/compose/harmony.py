"""Chords and keys: pitch classes, their names, and chords read from roman numerals.

Progressions of chords are in `latentstem.data.compose.progressions`.
"""

import re
from dataclasses import dataclass, replace

FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MIXED = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
# Semitones from a mode's tonic up to the tonic of the major scale with the same key signature.
SIGNATURES = {
    "major": 0,
    "minor": 3,
    "dorian": 10,
    "mixolydian": 5,
    "phrygian": 8,
    "lydian": 7,
    "harmonic minor": 3,
}
# Root, third (or suspension), fifth; then added tones, within the octave.
SYMBOLS = {
    (0, 4, 7): "",
    (0, 3, 7): "m",
    (0, 3, 6): "dim",
    (0, 4, 8): "aug",
    (0, 2, 7): "sus2",
    (0, 5, 7): "sus4",
    (0, 4, 7, 9): "6",
    (0, 3, 7, 9): "m6",
    (0, 4, 7, 2): "add9",
    (0, 3, 7, 2): "madd9",
    (0, 4, 7, 11): "maj7",
    (0, 4, 7, 10): "7",
    (0, 5, 7, 10): "7sus4",
    (0, 3, 7, 10): "m7",
    (0, 3, 7, 11): "mMaj7",
    (0, 3, 6, 10): "m7b5",
    (0, 3, 6, 9): "dim7",
    (0, 4, 8, 10): "7#5",
    (0, 4, 8, 11): "maj7#5",
}
_INTERVALS = {suffix: intervals for intervals, suffix in SYMBOLS.items()}
_NUMERALS = ("i", "ii", "iii", "iv", "v", "vi", "vii")
_NUMERAL = re.compile(r"(b|#|)([iv]+|[IV]+)(.*)")


@dataclass(frozen=True)
class ChordType:
    """A chord without its time.

    Attributes:
        root: Pitch class of the root, 0 is C.
        intervals: Semitones above the root, each below 12: root, third or suspension, fifth, then added tones.
        bass: Pitch class of the lowest tone where that is not the root: an inversion or a slash chord.

    Example:
        >>> ChordType(9, (0, 3, 7, 10)).symbol, ChordType(0, (0, 4, 7)).over(4).symbol
        ('Am7', 'C/E')
    """

    root: int
    intervals: tuple[int, ...]
    bass: int | None = None

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes (0-11, 0 is C) of all tones: root first, and last a bass that is foreign to the chord."""
        chord = tuple((self.root + interval) % 12 for interval in self.intervals)
        return chord if self.bass is None or self.bass in chord else (*chord, self.bass)

    @property
    def symbol(self) -> str:
        """Symbol of the chord in a key with flats: "C", "Am7", "Bb/D"."""
        return self.written(FLATS)

    def written(self, names: tuple[str, ...]) -> str:
        """Return the chord's symbol with the given names of the twelve pitch classes."""
        slash = "" if self.bass is None else f"/{names[self.bass]}"
        return names[self.root] + SYMBOLS[self.intervals] + slash

    def moved(self, semitones: int) -> "ChordType":
        """Return the chord transposed."""
        bass = None if self.bass is None else (self.bass + semitones) % 12
        return ChordType((self.root + semitones) % 12, self.intervals, bass)

    def over(self, bass: int) -> "ChordType":
        """Return the chord over another bass; over its own root it has none."""
        return replace(self, bass=None if bass % 12 == self.root else bass % 12)


def names_in(tonic: int, mode: str) -> tuple[str, ...]:
    """Return the twelve names of the pitch classes as a key spells them.

    Example:
        >>> names_in(4, "major")[8], names_in(5, "minor")[8]
        ('G#', 'Ab')
    """
    major = (tonic + SIGNATURES[mode]) % 12
    if major in (0, 7):
        return MIXED
    return SHARPS if major in (2, 4, 9, 11) else FLATS


def diatonic(tonic: int, mode: str, degree: int, seventh: bool) -> ChordType:
    """Stack thirds of the scale on `degree` (0 is the tonic).

    Example:
        >>> diatonic(0, "major", 4, seventh=True).symbol
        'G7'
    """
    scale = SCALES[mode]
    intervals = tuple(
        (scale[(degree + step) % 7] - scale[degree]) % 12 for step in ((0, 2, 4, 6) if seventh else (0, 2, 4))
    )
    return ChordType((tonic + scale[degree]) % 12, intervals)


def roman(numeral: str, tonic: int) -> ChordType:
    """Read a roman numeral: degrees of the major scale on `tonic`, small letters for minor.

    After the numeral stands the chord's suffix as in `SYMBOLS` ("V7", "iim7b5", "Isus2"; "m" is not written), and
    after a slash either 3, 5 or 7, the chord tone in the bass, or a numeral, the degree in the bass.

    Raises:
        ValueError: If the numeral cannot be read.

    Example:
        >>> [roman(numeral, 0).symbol for numeral in ("bVII", "ii7", "V7/3", "IV/I")]
        ['Bb', 'Dm7', 'G7/B', 'F/C']
    """
    chord, _, below = numeral.partition("/")
    match = _NUMERAL.fullmatch(chord)
    if not match or match[2].lower() not in _NUMERALS:
        raise ValueError(f"numeral is {numeral!r}, expected one such as 'bVII', 'ii7', 'V7/3' or 'IV/I'")
    suffix = match[3]
    if match[2].islower() and suffix not in ("dim", "dim7", "m7b5", "mMaj7"):
        suffix = f"m{suffix}"
    if suffix not in _INTERVALS:
        raise ValueError(f"unknown chord {chord!r}, expected a suffix among {', '.join(filter(None, _INTERVALS))}")
    harmony = ChordType((tonic + _degree(match[1], match[2])) % 12, _INTERVALS[suffix])
    if below.isdigit():
        return harmony.over(harmony.root + harmony.intervals[(3, 5, 7).index(int(below)) + 1])
    if below:
        return harmony.over(roman(below, tonic).root)
    return harmony


def _degree(accidental: str, numeral: str) -> int:
    return SCALES["major"][_NUMERALS.index(numeral.lower())] + {"b": -1, "": 0, "#": 1}[accidental]
