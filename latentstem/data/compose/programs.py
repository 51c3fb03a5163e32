"""General MIDI programs of the composer: comping families, leads, basses and drum kits, with their weights.

Every comping program belongs to one family, which has weighted roles; every bass program has a lowest pitch and
weighted bass styles. Left out are sounds of unclear pitch: the glockenspiel is inharmonic, and TimGM6mb renders the
whistle a third too high.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """Comping programs that share their roles.

    Attributes:
        weight: Weight of the family in the draw of a comping player's program.
        programs: General MIDI programs, 0-127.
        roles: Role name to its weight.
    """

    weight: float
    programs: tuple[int, ...]
    roles: dict[str, float]


FAMILIES = (
    Family(
        3.0, (0, 1, 2, 3, 4, 5), {"block": 3, "arpeggio": 3, "rhythm": 2.5, "stabs": 1.5, "offbeats": 0.7, "pad": 0.7}
    ),
    Family(1.0, (6, 7), {"block": 2, "arpeggio": 2, "rhythm": 2, "funk": 2, "riff": 1, "stabs": 1}),
    Family(1.2, (8, 11, 12, 45, 46, 104, 105, 107, 108), {"arpeggio": 4, "block": 2, "rhythm": 1, "stabs": 1}),
    Family(2.5, (24, 25), {"strum": 4, "arpeggio": 3, "block": 0.5, "rhythm": 0.7, "offbeats": 0.5}),
    Family(
        2.5,
        (26, 27, 28),
        {
            "strum": 2.5,
            "arpeggio": 2,
            "funk": 1.5,
            "offbeats": 1.2,
            "riff": 1.2,
            "stabs": 1,
            "rhythm": 0.7,
            "power": 0.4,
        },
    ),
    Family(1.4, (29, 30), {"power": 4, "riff": 1.2, "strum": 1, "block": 0.7, "pad": 0.7}),
    Family(2.0, (16, 17, 18, 19, 20), {"pad": 3, "offbeats": 1.5, "stabs": 1, "rhythm": 1, "block": 1, "voices": 0.7}),
    Family(0.7, (21, 22, 23), {"pad": 2, "block": 2, "offbeats": 1.5, "rhythm": 1}),
    Family(
        2.0, (40, 41, 42, 44, 48, 49, 50, 51), {"voices": 4, "pad": 3, "stabs": 0.7, "arpeggio": 0.5, "rhythm": 0.5}
    ),
    Family(1.0, (52, 53, 54), {"voices": 4, "pad": 2, "block": 0.5}),
    Family(
        1.4,
        (56, 57, 59, 60, 61, 62, 63),
        {"stabs": 3, "voices": 2, "pad": 1, "riff": 1, "rhythm": 1, "offbeats": 0.7},
    ),
    Family(1.0, (64, 65, 66, 67, 68, 69, 71), {"voices": 2, "stabs": 1.5, "riff": 1.5, "pad": 1, "block": 0.7}),
    Family(
        1.6,
        (80, 81, 82, 83, 84, 85),
        {"arpeggio": 2.5, "stabs": 1.5, "rhythm": 1.5, "riff": 1.5, "pad": 1, "block": 1, "offbeats": 1},
    ),
    Family(1.4, (88, 89, 90, 91, 92, 94, 95), {"pad": 5, "voices": 1, "block": 0.7}),
)

# Programs of the first player, who must sound every chord clearly: no solo strings, sweeps or breath.
CLEAR = (0, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 21, 24, 25, 26, 27, 29, 48, 49, 50, 51, 61, 62, 80, 81, 88, 90)
# Roles that leave chord tones out, which the first player does not take.
SPARSE = ("power", "riff")

LEADS = (0, 4, 10, 11, 13, 22, 25, 26, 29, 30, 40, 52, 56, 60, 64, 65, 66, 68, 71, 72, 73, 74, 75, 79, 80, 81, 82)
VOICES = (52, 53, 54)
"""Programs of the singer: General MIDI has no words, so choirs and voices sing for one."""
KITS = (0, 0, 0, 8, 16, 24, 25, 32, 40)

STYLES: dict[str, float] = {
    "roots": 2.0,
    "eighths": 2.0,
    "root_fifth": 1.5,
    "octaves": 1.2,
    "arpeggio": 1.5,
    "walking": 1.2,
    "syncopated": 1.6,
    "kick": 1.0,
    "pedal": 0.8,
    "riff": 1.4,
    "dub": 0.8,
    "slap": 0.15,
    "synth": 0.15,
    "half_time": 0.8,
    "sustained": 1.2,
    "moving_voice": 0.8,
}
"""Bass style to its weight, for programs without weights of their own."""


@dataclass(frozen=True)
class BassVoice:
    """Settings of a program as a bass.

    Attributes:
        weight: Frequency of the program, in per cent of the songs.
        lowest: Lowest MIDI pitch of the program as a bass.
        styles: Bass style to its weight.
    """

    weight: float
    lowest: int = 28
    styles: dict[str, float] = field(default_factory=lambda: STYLES)


_SLAP = {**STYLES, "slap": 8.0, "octaves": 2.0, "moving_voice": 0.3, "sustained": 0.4}
_SYNTH = {**STYLES, "synth": 7.0, "octaves": 2.0, "pedal": 1.2, "walking": 0.3, "moving_voice": 0.5}
_BOWED = {"sustained": 3.0, "moving_voice": 3.0, "roots": 2.0, "walking": 1.5, "pedal": 1.5, "half_time": 1.0}
_SUNG = {"sustained": 3.0, "moving_voice": 2.5, "roots": 1.5, "pedal": 1.0, "half_time": 1.0}
_BLOWN = {"root_fifth": 2.5, "roots": 2.0, "walking": 2.0, "moving_voice": 1.5, "arpeggio": 1.0, "sustained": 1.0}

BASSES: dict[int, BassVoice] = {
    32: BassVoice(10.6, styles={**STYLES, "walking": 3.5, "root_fifth": 2.5, "slap": 0.0, "synth": 0.0}),
    33: BassVoice(10.6),
    34: BassVoice(10.6, styles={**STYLES, "eighths": 3.5, "kick": 1.5, "slap": 0.0}),
    35: BassVoice(10.6, styles={**STYLES, "moving_voice": 1.6, "sustained": 1.8, "slap": 0.0, "synth": 0.0}),
    36: BassVoice(10.6, styles=_SLAP),
    37: BassVoice(10.6, styles=_SLAP),
    38: BassVoice(10.6, styles=_SYNTH),
    39: BassVoice(10.6, styles=_SYNTH),
    42: BassVoice(1.9, 36, _BOWED),
    43: BassVoice(1.9, 28, _BOWED),
    52: BassVoice(1.9, 40, _SUNG),
    53: BassVoice(1.9, 40, _SUNG),
    54: BassVoice(1.9, 38, _SUNG),
    58: BassVoice(1.9, 28, {**_BLOWN, "dub": 0.5}),
    67: BassVoice(1.9, 37, {**_BLOWN, "riff": 2.5, "syncopated": 2.0, "octaves": 0.7}),
    70: BassVoice(1.9, 34, {**_BLOWN, "pedal": 0.7}),
}
"""Bass programs: the eight basses of General MIDI (85 % of the songs), then bowed, sung and blown basses."""
