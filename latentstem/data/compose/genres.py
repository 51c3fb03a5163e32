"""The genres: house, techno, drum and bass, hip-hop, reggae, metal, ballad.

Tempos, time signatures and rhythms are those that listeners know each of them by. A genre of several kinds, such as
hip-hop with boom bap and trap, has one `Genre` for each.
"""

from latentstem.data.compose.drum_patterns import CLAP, CLOSED, OPEN, RIDE, SNARE, STICK
from latentstem.data.compose.genre import BassPart, CompingPart, DrumPart, Genre
from latentstem.data.rng import SeededRandom

SHARE = 0.4
"""Fraction of the songs that are of a genre; all genres are equally likely."""

FINGER, PICK, FRETLESS, UPRIGHT, SYNTHS = 33, 34, 35, 32, (38, 39)
ELECTRONIC_KITS, ROCK_KITS, SOFT_KITS = (24, 25, 25), (0, 8, 16), (0, 8, 32, 40, 40)
PADS, STRINGS, CHOIRS, ORGANS = (89, 90, 91, 94, 95), (48, 49, 50, 51), (52, 53), (16, 17, 18)
SHORT = (0.3, 0.6)

_DROPS = (
    "intro verse break chorus verse break chorus outro",
    "intro verse chorus break chorus verse break chorus outro",
    "verse break chorus verse break chorus outro",
    "verse chorus break chorus bridge break chorus outro",
)
_DROP_RESTS = {
    "bass": {"intro": 0.3, "break": 0.9},
    "drums": {"intro": 0.25, "bridge": 0.15, "outro": 0.1},
    "chords": {"intro": 0.6, "verse": 0.3, "break": 0.2, "outro": 0.4},
    "lead": {"intro": 0.9, "verse": 0.7, "chorus": 0.1, "bridge": 0.3, "break": 0.3, "outro": 0.8},
    "voice": {"intro": 0.9, "verse": 0.1, "chorus": 0.2, "bridge": 0.3, "break": 0.1, "outro": 0.6},
}
_SONGS = (
    "intro verse chorus verse chorus bridge chorus outro",
    "intro verse verse chorus verse chorus outro",
    "verse chorus verse chorus bridge chorus outro",
)

_HOUSE = Genre(
    "house",
    tempo=(118.0, 130.0),
    loops={
        "minor": ("i7", "i7 iv7", "i7 bVImaj7 bIIImaj7 bVII", "iadd9 bVImaj7", "i bVII bVI bVII", "i7 v7 iv7 v7"),
        "dorian": ("i7", "i7 IV7", "i7 ii7"),
        "major": ("Imaj7 vi7 ii7 V7sus4", "vi7 IVmaj7 Iadd9 Vsus4", "IVmaj7 iii7 vi7 vi7", "Isus2 IVadd9"),
    },
    chord_bars=(1.0, 1.0, 2.0),
    drums=DrumPart({"house": 1.0}, ELECTRONIC_KITS, (CLAP, CLAP, SNARE), (CLOSED, CLOSED, RIDE), builds_up=True),
    bass=BassPart({"offbeat": 3.0, "house": 4.0, "octaves": 1.5}, (*SYNTHS, *SYNTHS, FINGER)),
    comping=(
        (
            CompingPart({"house_stabs": 1.0}, (0, 1, 2, 4, 5, 16, 17, 80, 81, 90), SHORT),
            CompingPart({"house_stabs": 1.0}, (0, 1, 4, 17, 62, 81), SHORT),
            CompingPart({"pad": 1.0}, (48, 50, 51, 88, 90)),
        ),
        (
            CompingPart({"pad": 3.0, "voices": 1.0}, (*PADS, *STRINGS)),
            CompingPart({"arpeggio": 2.0, "offbeats": 1.0, "riff": 1.0}, (80, 81, 82, 84, 11), SHORT),
        ),
        (CompingPart({"stabs": 1.0, "house_stabs": 1.0}, (61, 62, 63, 27, 28), SHORT),),
    ),
    shuffle=(0.5, 0.56),
    plans=_DROPS,
    rests=_DROP_RESTS,
    contrast=0.25,
    leads=(80, 81, 82, 62, 65, 73),
    voice=0.5,
    looseness=0.3,
)
_TECHNO = Genre(
    "techno",
    tempo=(126.0, 145.0),
    loops={
        "minor": ("i", "i", "i7", "iadd9", "Isus2", "i bVI", "i i i bVII"),
        "phrygian": ("i", "i bII", "i i i bII"),
        "dorian": ("i7", "i7 IV"),
    },
    chord_bars=(1.0, 2.0, 2.0),
    drums=DrumPart({"techno": 1.0}, ELECTRONIC_KITS, (CLAP, SNARE), (CLOSED, CLOSED, OPEN, RIDE), builds_up=True),
    bass=BassPart({"rolling": 4.0, "offbeat": 1.5, "acid": 2.0}, SYNTHS, floor=(28, 33)),
    comping=(
        (CompingPart({"pad": 2.0, "rhythm": 1.0}, (50, 51, 62, 81, 88, 90)),),
        (
            CompingPart({"techno_stabs": 3.0, "arpeggio": 1.0}, (80, 81, 84, 62, 63), SHORT),
            CompingPart({"arpeggio": 2.0, "riff": 1.0}, (80, 81, 83, 84), SHORT),
        ),
        (CompingPart({"pad": 1.0}, PADS),),
    ),
    plans=_DROPS,
    rests=_DROP_RESTS,
    contrast=0.15,
    leads=(80, 81, 84),
    lead=0.2,
    looseness=0.2,
)
_DRUM_AND_BASS = Genre(
    "drum and bass",
    tempo=(165.0, 178.0),
    loops={
        "minor": (
            "i",
            "i bVI",
            "iadd9 bVImaj7",
            "i bVI bIII bVII",
            "i7 iv7",
            "bVImaj7 bVII i7 i7",
            "i7 v7 bVImaj7 iv7",
        ),
        "dorian": ("i7 IV7", "i7"),
        "major": ("Imaj7 vi7", "IVmaj7 V7sus4 vi7 Iadd9"),
    },
    chord_bars=(2.0, 2.0, 1.0),
    drums=DrumPart({"two_step": 3.0, "breakbeat": 1.0}, (0, 8, 24, 25), builds_up=True),
    bass=BassPart({"reese": 2.0, "sub": 3.0}, SYNTHS, floor=(28, 31)),
    comping=(
        (
            CompingPart({"pad": 3.0, "voices": 1.0}, (48, 49, 50, 51, 88, 90)),
            CompingPart({"arpeggio": 1.0, "stabs": 1.0}, (0, 4, 5, 80, 81)),
        ),
        (
            CompingPart({"stabs": 2.0, "arpeggio": 1.0, "riff": 1.0}, (4, 5, 11, 80, 81, 62), SHORT),
            CompingPart({"pad": 1.0}, (*PADS, *CHOIRS)),
        ),
        (CompingPart({"pad": 1.0, "riff": 1.0}, (*PADS, 80, 81)),),
    ),
    plans=_DROPS,
    rests=_DROP_RESTS,
    contrast=0.25,
    leads=(80, 81, 82, 73),
    looseness=0.3,
)
_BOOM_BAP = Genre(
    "hip-hop",
    tempo=(82.0, 98.0),
    loops={
        "minor": ("i7 iv7", "i7", "i7 bVImaj7", "iim7b5 V7 i7 i7", "i7 bVII bVImaj7 V7", "i7 iv7 bVII bIIImaj7"),
        "dorian": ("i7 IV7", "i7 ii7"),
        "major": ("ii7 V7 Imaj7 vi7", "Imaj7 IVmaj7", "Imaj7 iii7 vi7 ii7"),
    },
    chord_bars=(0.5, 1.0, 1.0, 2.0),
    drums=DrumPart({"boom_bap": 1.0}, (0, 8, 24, 25), (SNARE, SNARE, CLAP), (CLOSED, CLOSED, CLOSED, RIDE)),
    bass=BassPart({"boom_bap": 3.0, "kick": 2.0, "walking": 0.3}, (FINGER, UPRIGHT, *SYNTHS), follows_groove=True),
    comping=(
        (CompingPart({"block": 2.0, "stabs": 2.0, "rhythm": 1.0, "arpeggio": 1.0}, (0, 2, 4, 4, 5, 24, 26)),),
        (
            CompingPart({"stabs": 1.0}, (56, 59, 61, 65, 66), SHORT),
            CompingPart({"pad": 1.0, "voices": 1.0}, (*STRINGS, *CHOIRS)),
            CompingPart({"arpeggio": 1.0, "riff": 2.0}, (11, 12, 24, 27, 45, 46)),
        ),
        (CompingPart({"pad": 1.0}, (*STRINGS, *PADS)),),
    ),
    shuffle=(0.54, 0.64),
    plans=_SONGS,
    contrast=0.3,
    leads=(11, 56, 59, 65, 73),
    voice=0.5,
    looseness=0.8,
)
_TRAP = Genre(
    "hip-hop",
    tempo=(130.0, 156.0),
    loops={
        "minor": ("i", "i bVI", "i bVI iv v", "i bVII bVI V", "i iv", "i bVI bIII bVII"),
        "phrygian": ("i bII", "i i bII i"),
        "harmonic minor": ("i V7", "i iv V7 i"),
    },
    chord_bars=(1.0, 2.0, 2.0),
    drums=DrumPart({"trap": 1.0}, (24, 25, 25), (SNARE, CLAP), (CLOSED,)),
    bass=BassPart({"808": 1.0}, SYNTHS, floor=(28, 30)),
    comping=(
        (CompingPart({"arpeggio": 2.0, "pad": 1.0, "block": 1.0}, (0, 4, 6, 24, 48, 50, 88, 90)),),
        (
            CompingPart({"riff": 2.0, "arpeggio": 2.0}, (6, 11, 12, 24, 45, 46, 80)),
            CompingPart({"pad": 1.0, "voices": 1.0}, (*STRINGS, *CHOIRS, *PADS)),
        ),
        (CompingPart({"stabs": 1.0, "pad": 1.0}, (48, 49, 61, 62)),),
    ),
    plans=_SONGS,
    rests={"drums": {"intro": 0.7, "bridge": 0.4, "outro": 0.4}},
    contrast=0.2,
    leads=(11, 46, 73, 75, 79, 80),
    voice=0.5,
    looseness=0.3,
)
_REGGAE = Genre(
    "reggae",
    tempo=(64.0, 92.0),
    loops={
        "major": ("I IV", "I V vi IV", "I ii", "I V IV IV", "I IV I V", "I vi ii V"),
        "minor": ("i iv", "i bVII", "i bVII bVI bVII", "i iv bVII i", "i", "i v"),
        "dorian": ("i7 IV", "i ii"),
    },
    chord_bars=(1.0, 1.0, 0.5),
    drums=DrumPart({"one_drop": 3.0, "rockers": 1.0, "steppers": 1.0}, (0, 8), (STICK, STICK, SNARE)),
    bass=BassPart({"reggae": 4.0, "dub": 1.0}, (FINGER, FINGER, PICK, UPRIGHT), floor=(28, 34)),
    comping=(
        (CompingPart({"skank": 1.0}, (26, 27, 27, 0, 1), SHORT),),
        (
            CompingPart({"bubble": 1.0}, ORGANS, SHORT),
            CompingPart({"skank": 1.0, "riff": 1.0}, (27, 28), SHORT),
        ),
        (
            CompingPart({"stabs": 2.0, "riff": 1.0}, (56, 57, 61, 66, 67), SHORT),
            CompingPart({"pad": 1.0}, (18, 50, 51)),
        ),
    ),
    shuffle=(0.5, 0.62),
    rests={"bass": {"break": 0.5}},
    contrast=0.5,
    leads=(22, 26, 56, 57, 66, 73),
)
_METAL = Genre(
    "metal",
    tempo=(100.0, 190.0),
    loops={
        "phrygian": ("i bII", "i i i bII", "i bII bIII bII", "i i bvii bII", "i bVI bII i"),
        "minor": ("i bVI bVII i", "i bIII bVII bVI", "i bVI bIII bVII", "i i bVI bVII", "i bV i bII"),
        "harmonic minor": ("i bVI V V", "i i iv V", "i bII V i"),
    },
    chord_bars=(0.5, 1.0, 1.0, 2.0),
    drums=DrumPart(
        {"double_kick": 3.0, "thrash": 1.5, "breakdown": 1.0, "rock": 1.0}, ROCK_KITS, (SNARE,), (CLOSED, OPEN, RIDE)
    ),
    bass=BassPart({"unison": 1.0}, (PICK, PICK, FINGER), floor=(28, 28)),
    comping=(
        (
            CompingPart({"pad": 3.0, "voices": 1.0}, (*STRINGS, 19, 90), gains=(-14.0, -8.0)),
            CompingPart({"pad": 2.0, "block": 1.0}, (29,), gains=(-11.0, -5.0)),
        ),
        (CompingPart({"metal": 1.0}, (29, 30, 30), (0.5, 0.95), gains=(-6.0, 0.0)),),
        (CompingPart({"riff": 2.0, "arpeggio": 1.0}, (27, 29, 30)),),
    ),
    comping_parts={2: 3.0, 3: 1.0},
    rests={"chords": {"intro": 0.2, "break": 0.3}, "drums": {"intro": 0.2, "break": 0.3}},
    contrast=0.7,
    lift=0.1,
    leads=(29, 30, 30),
    lead=0.4,
    looseness=0.6,
)
_BALLAD_LOOPS = {
    "major": (
        "I V/3 vi IV",
        "I V vi IV",
        "I iii IV V",
        "I vi IV V",
        "IV V iii vi",
        "Iadd9 vi7 IVadd9 Vsus4",
        "Imaj7 vi7 ii7 V7",
        "I V vi iii IV I IV V",
        "I I/3 IV iv",
    ),
    "minor": ("i bVI bIII bVII", "i iv bVII bIII", "i v bVI bVII", "bVI bVII i i"),
}
_BALLAD_COMPING = (
    (
        CompingPart({"block": 2.0, "arpeggio": 3.0}, (0, 0, 1, 2, 4)),
        CompingPart({"arpeggio": 2.0, "strum": 2.0}, (24, 25)),
    ),
    (
        CompingPart({"pad": 2.0, "voices": 2.0}, (*STRINGS, *PADS), gains=(-12.0, -5.0)),
        CompingPart({"arpeggio": 1.0}, (24, 25, 26, 46)),
        CompingPart({"pad": 1.0}, ORGANS, gains=(-12.0, -5.0)),
    ),
    (CompingPart({"voices": 2.0, "pad": 1.0}, (*STRINGS, *CHOIRS), gains=(-12.0, -6.0)),),
)
_BALLAD_RESTS = {
    "bass": {"intro": 0.5, "break": 0.3},
    "drums": {"intro": 0.8, "verse": 0.3, "bridge": 0.2, "break": 0.7, "outro": 0.4},
    "lead": {"verse": 0.95, "chorus": 0.7, "bridge": 0.2, "break": 0.4, "outro": 0.4},
    "voice": {"intro": 0.95, "bridge": 0.3, "break": 0.5, "outro": 0.4},
}


def _ballad(
    metre: str,
    tempo: tuple[float, float],
    drums: dict[str, float],
    bass: dict[str, float],
    chord_bars: tuple[float, ...],
) -> Genre:
    return Genre(
        "ballad",
        tempo,
        _BALLAD_LOOPS,
        chord_bars,
        DrumPart(drums, SOFT_KITS, (SNARE, SNARE, STICK), probability=0.8),
        BassPart(bass, (FINGER, FINGER, UPRIGHT, FRETLESS), floor=(28, 34), follows_groove=True),
        _BALLAD_COMPING,
        metre=metre,
        rests=_BALLAD_RESTS,
        contrast=0.8,
        lift=0.25,
        leads=(25, 26, 40, 65, 68, 73),
        voice=1.0,
    )


GENRES: dict[str, tuple[Genre, ...]] = {
    "house": (_HOUSE,),
    "techno": (_TECHNO,),
    "drum and bass": (_DRUM_AND_BASS,),
    "hip-hop": (_BOOM_BAP, _TRAP),
    "reggae": (_REGGAE,),
    "metal": (_METAL,),
    "ballad": (
        _ballad(
            "4/4",
            (56.0, 84.0),
            {"ballad": 3.0, "brushes": 2.0, "half_time": 1.0},
            {"ballad": 3.0, "roots": 2.0, "half_time": 1.0, "root_fifth": 0.7},
            (0.5, 1.0, 1.0),
        ),
        _ballad(
            "6/8",
            (46.0, 70.0),
            {"ballad_compound": 2.0, "slow_rock": 2.0, "brushes_compound": 2.0},
            {"ballad": 3.0, "roots": 2.0, "arpeggio": 0.5},
            (1.0, 1.0, 2.0),
        ),
    ),
}
"""Genres by name, each with its kinds, which are equally likely."""


def draw_genre(rng: SeededRandom, name: str | None = None) -> Genre | None:
    """Draw the genre of a song.

    Args:
        rng: Source of the random draws.
        name: Name of the genre, of which a kind is drawn; empty for a song without a genre. Without a name, `SHARE` of
            the songs draw one.

    Returns:
        The genre, or None for a song without one.

    Raises:
        ValueError: If there is no genre of that name.

    Example:
        >>> draw_genre(SeededRandom(0), "reggae").tempo, draw_genre(SeededRandom(0), "")
        ((64.0, 92.0), None)
    """
    if name is None:
        name = rng.child("name").choice(tuple(GENRES)) if rng.child("any").bernoulli(SHARE) else ""
    if name and name not in GENRES:
        raise ValueError(f"genre is {name!r}, expected one of {', '.join(GENRES)}, or an empty string for none")
    return rng.child("kind").choice(GENRES[name]) if name else None
