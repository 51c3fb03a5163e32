"""What a genre settles of a song: tempo, chords, form, and the instruments and rhythms of each part.

The genres themselves are in `latentstem.data.compose.genres`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from latentstem.data.compose.drum_patterns import CLOSED, RIDE, SNARE
from latentstem.data.compose.form import PLANS
from latentstem.data.compose.programs import KITS, LEADS


@dataclass(frozen=True)
class DrumPart:
    """Drums of a genre.

    Attributes:
        styles: Drum style, a key of `drum_patterns.PATTERNS` in the genre's time signature, to its weight.
        kits: General MIDI drum kits.
        backbeats: Keys of the backbeat: snare, stick or clap.
        cymbals: Keys of the cymbal; a second pattern takes another one, if there is one.
        builds_up: Whether a break is a snare roll that grows into the next section.
        probability: Fraction of the songs that have drums.

    Example:
        >>> DrumPart({"house": 1.0}, kits=(24, 25)).builds_up
        False
    """

    styles: Mapping[str, float]
    kits: tuple[int, ...] = KITS
    backbeats: tuple[int, ...] = (SNARE,)
    cymbals: tuple[int, ...] = (CLOSED, CLOSED, CLOSED, RIDE)
    builds_up: bool = False
    probability: float = 1.0


@dataclass(frozen=True)
class BassPart:
    """Bass of a genre.

    Attributes:
        styles: Bass style, a key of `bass_patterns.PATTERNS`, "808" or "unison", to its weight.
        programs: General MIDI programs, keys of `programs.BASSES`.
        floor: Range of the song's lowest root, MIDI pitches.
        follows_groove: Whether the pattern of a style is one that fits drums and comping; an off-beat bass avoids what
            the bass drum plays.

    Example:
        >>> BassPart({"offbeat": 1.0}, programs=(38, 39)).floor
        (28, 36)
    """

    styles: Mapping[str, float]
    programs: tuple[int, ...]
    floor: tuple[int, int] = (28, 36)
    follows_groove: bool = False


@dataclass(frozen=True)
class CompingPart:
    """One comping instrument of a genre.

    Attributes:
        roles: Role, one of those in `programs.FAMILIES` or a key of `comping_patterns.PATTERNS`, to its weight.
        programs: General MIDI programs.
        length: Range of a note's length as a fraction of the time to the next note.
        gains: Range of the loudness in dB over the reference.

    Example:
        >>> CompingPart({"skank": 1.0}, programs=(27, 28), length=(0.3, 0.5)).gains
        (-9.0, -2.0)
    """

    roles: Mapping[str, float]
    programs: tuple[int, ...]
    length: tuple[float, float] = (0.35, 0.98)
    gains: tuple[float, float] = (-9.0, -2.0)


@dataclass(frozen=True)
class Genre:
    """A genre, or one of its kinds.

    Attributes:
        name: Name of the genre.
        tempo: Range of the tempo in beats a minute.
        loops: Mode to chord loops in roman numerals, separated by spaces; all loops are equally likely.
        chord_bars: Bars that each chord of a loop lasts; one of them is drawn.
        drums: Drums.
        bass: Bass.
        comping: Options of the parts "chords1", "chords2" and "chords3"; the first sounds every chord whole.
        comping_parts: Number of comping parts to its weight.
        metre: Name of the time signature.
        shuffle: Range of the position of the off-beat sixteenth in its eighth.
        plans: Names of the sections of whole songs, as in `form.PLANS`.
        rests: Part to the probability that it rests in all sections of a name, in place of those of `form.RESTS`.
        contrast: Probability that the chorus, and the bridge, has a loop other than the verse's.
        lift: Probability that the last chorus is one or two semitones higher.
        leads: General MIDI programs of the lead.
        lead: Fraction of the songs that have a lead.
        voice: Fraction of the songs that have a singer.
        looseness: Deviations of the players from the beat, over those in songs without a genre.

    Example:
        >>> from latentstem.data.compose.genres import GENRES
        >>> [genre.tempo for genre in GENRES["drum and bass"]]
        [(165.0, 178.0)]
    """

    name: str
    tempo: tuple[float, float]
    loops: Mapping[str, tuple[str, ...]]
    chord_bars: tuple[float, ...]
    drums: DrumPart
    bass: BassPart
    comping: tuple[tuple[CompingPart, ...], ...]
    comping_parts: Mapping[int, float] = field(default_factory=lambda: {1: 1.0, 2: 3.0, 3: 1.5})
    metre: str = "4/4"
    shuffle: tuple[float, float] = (0.5, 0.5)
    plans: tuple[str, ...] = PLANS
    rests: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    contrast: float = 0.5
    lift: float = 0.0
    leads: tuple[int, ...] = LEADS
    lead: float = 0.3
    voice: float = 0.0
    looseness: float = 1.0
