"""Drum patterns by time signature and style, one sign a sixteenth: "X" an accent, "x" a hit, "g" a ghost note.

The keys are those of General MIDI's percussion; `HAT` stands for the drummer's cymbal and `BACKBEAT` for the
drummer's snare, stick or clap.
"""

KICK, STICK, SNARE, CLAP, CLOSED, PEDAL, OPEN, RIDE, CRASH = 36, 37, 38, 39, 42, 44, 46, 51, 49
TOMS = (50, 47, 45, 43)
TAMBOURINE, COWBELL, CONGA, LOW_CONGA, SHAKER, CLAVES = 54, 56, 63, 64, 70, 75
HAT, BACKBEAT = -1, -2

Pattern = dict[int, str]
EIGHTHS, QUARTERS = "X.x.X.x.X.x.X.x.", "x...x...x...x..."
SIXTEENTHS = "Xgxg" * 4


def _kit(kick: str, backbeat: str, hat: str, **more: str) -> Pattern:
    names = {
        "snare": SNARE,
        "stick": STICK,
        "open": OPEN,
        "pedal": PEDAL,
        "tambourine": TAMBOURINE,
        "cowbell": COWBELL,
        "conga": CONGA,
        "low_conga": LOW_CONGA,
        "shaker": SHAKER,
        "claves": CLAVES,
    }
    return {KICK: kick, BACKBEAT: backbeat, HAT: hat, **{names[name]: line for name, line in more.items()}}


_TWO_FOUR, _FLOOR, _OFFBEATS = "....X.......X...", "x...x...x...x...", "..x...x...x...x."
PATTERNS: dict[str, dict[str, tuple[Pattern, ...]]] = {
    "4/4": {
        "rock": (
            _kit("x.......x.......", _TWO_FOUR, EIGHTHS),
            _kit("x.....x.x.......", _TWO_FOUR, EIGHTHS),
            _kit("x.......x.x.....", _TWO_FOUR, EIGHTHS),
            _kit("x.x.......x.....", _TWO_FOUR, EIGHTHS),
            _kit("x.....x...x.....", _TWO_FOUR, QUARTERS),
            _kit("x.x...x.x.x.....", "x...X...x...X...", EIGHTHS),
        ),
        "pop": (
            _kit("x.......x.......", _TWO_FOUR, SIXTEENTHS),
            _kit("x..x......x.....", _TWO_FOUR, EIGHTHS),
            _kit("x.....x...x.....", _TWO_FOUR, SIXTEENTHS, tambourine=_TWO_FOUR),
            _kit("x..x..x.x.......", _TWO_FOUR, EIGHTHS, shaker="gxgxgxgxgxgxgxgx"),
        ),
        "half_time": (
            _kit("x...............", "........X.......", EIGHTHS),
            _kit("x.....x.........", "........X.......", EIGHTHS),
            _kit("x..x..........x.", "........X.......", QUARTERS),
            _kit("x.........x.....", "........X.......", SIXTEENTHS),
        ),
        "four_on_floor": (
            _kit("x...x...x...x...", _TWO_FOUR, "x...x...x...x...", open="..x...x...x...x."),
            _kit("x...x...x...x...", _TWO_FOUR, SIXTEENTHS),
            _kit("x...x...x...x...", "." * 16, "..X...X...X...X."),
            _kit("x...x...x...x...", _TWO_FOUR, EIGHTHS, shaker="gxgxgxgxgxgxgxgx"),
        ),
        "shuffle": (
            _kit("x.......x.......", _TWO_FOUR, EIGHTHS),
            _kit("x.....x.x.......", _TWO_FOUR, EIGHTHS),
            _kit("x.....x.x.....x.", _TWO_FOUR, "X...X.x.X...X.x.", pedal="....x.......x..."),
            _kit("g...g...g...g...", "." * 16, "X...X.x.X...X.x.", pedal="....x.......x..."),
        ),
        "ballad": (
            _kit("x...............", "........X.......", QUARTERS),
            _kit("x.......x.......", "....x.......x...", QUARTERS),
            _kit("x.........x.....", "....x.......x...", EIGHTHS),
            _kit("x.......x.......", "....x.......x...", "x.g.x.g.x.g.x.g."),
        ),
        "funk": (
            _kit("x..x......x..x..", _TWO_FOUR, SIXTEENTHS, snare=".......g.g.....g"),
            _kit("x.x.......x..x..", _TWO_FOUR, EIGHTHS, snare=".......g.g.g...."),
            _kit("x..x..x...x.....", _TWO_FOUR, SIXTEENTHS, snare="..g....g.g....g."),
            _kit("x.....x..x....x.", "....X..x....X...", EIGHTHS, snare=".g.......g.g...g"),
        ),
        "bossa": (
            _kit("x.....x.x.....x.", "." * 16, "xgxgxgxgxgxgxgxg", stick="x.....x.....x..."),
            _kit("x.....x.x.....x.", "." * 16, EIGHTHS, stick="..x...x...x..x.."),
            _kit("x.....x.x.....x.", "." * 16, EIGHTHS, stick="x..x..x...x..x..", pedal="....x.......x..."),
        ),
        "latin": (
            _kit(
                "......x.....x...",
                "." * 16,
                "." * 16,
                cowbell="x.x.x.x.x.x.x.x.",
                conga="..x.x.....x.x...",
                low_conga="......xx......xx",
            ),
            _kit("x.....x.x.....x.", "....x.......x...", EIGHTHS, claves="x..x..x...x.x..."),
            _kit("x..x..x.x..x..x.", "...x..x....x..x.", QUARTERS, conga="..g.x.....g.x..."),
        ),
        "reggae": (
            _kit("........X.......", "........X.......", EIGHTHS),
            _kit("........X.......", "........X.......", "x.xgx.x.x.xgx.x."),
            _kit("x.......X.......", "........X.......", EIGHTHS, stick="..............x."),
            _kit("x...x...x...x...", "........X.......", EIGHTHS),
        ),
        "breakbeat": (
            _kit("x.x.......xx....", "....X..x.x..X..x", EIGHTHS),
            _kit("x.x.......x.....", "....X..g.g..X...", EIGHTHS),
            _kit("x..x......x.x...", "....X.....g...X.", SIXTEENTHS),
            _kit("x.........x.....", "....X.......X..g", "X.x.X.x.X.x.X.xx"),
        ),
        "train": (
            _kit("x...x...x...x...", "." * 16, "." * 16, snare="gxXxgxXxgxXxgxXx"),
            _kit("x.......x.......", "." * 16, "." * 16, snare="ggXgggXgggXgggXx"),
        ),
        "house": (
            _kit(_FLOOR, _TWO_FOUR, "." * 16, open=_OFFBEATS),
            _kit(_FLOOR, _TWO_FOUR, "xg.gxg.gxg.gxg.g", open=_OFFBEATS),
            _kit(_FLOOR, _TWO_FOUR, _OFFBEATS, shaker="gxgxgxgxgxgxgxgx"),
            _kit(_FLOOR, _TWO_FOUR, QUARTERS, open=_OFFBEATS, conga="...g..x....g.x..", low_conga=".......x......x."),
            _kit(_FLOOR, "....X.......X..g", SIXTEENTHS, open="..............x."),
        ),
        "techno": (
            _kit(_FLOOR, "." * 16, "..X...X...X...X."),
            _kit(_FLOOR, _TWO_FOUR, "xgxgxgxgxgxgxgxg"),
            _kit(_FLOOR, "." * 16, "xg.gxg.gxg.gxg.g", open=_OFFBEATS),
            _kit(_FLOOR, "............X...", _OFFBEATS, claves="...x..x....x..x."),
            _kit(_FLOOR, "." * 16, _OFFBEATS, shaker="gxgxgxgxgxgxgxgx", low_conga="...x..x..x....x."),
        ),
        "two_step": (
            _kit("x.........x.....", _TWO_FOUR, EIGHTHS),
            _kit("x.........x.....", _TWO_FOUR, SIXTEENTHS, snare=".......g.g.....g"),
            _kit("x.........x.....", "....X.......X.g.", "x.xgx.x.x.xgx.xg"),
            _kit("x..x......x.....", _TWO_FOUR, EIGHTHS, snare=".......g.g......"),
            _kit("x.x.......x.....", _TWO_FOUR, SIXTEENTHS, shaker="..x...x...x...x."),
        ),
        "boom_bap": (
            _kit("x......x..x.....", _TWO_FOUR, EIGHTHS),
            _kit("x.x.......x..x..", _TWO_FOUR, EIGHTHS, open="..............x."),
            _kit("x..x..x...x.....", _TWO_FOUR, EIGHTHS, snare=".......g.g......"),
            _kit("x.....xx..x.....", "....X.......X..g", "x.xgx.x.x.xgx.x."),
            _kit("x.........xx....", _TWO_FOUR, "x.x.x.xgx.x.x.x."),
        ),
        "trap": (
            _kit("x.....x...x.....", "........X.......", EIGHTHS),
            _kit("x.........x..x..", "........X.......", "x.x.x.xxx.x.xxx."),
            _kit("x..x......x.....", "........X.......", SIXTEENTHS, open="......x........."),
            _kit("x......x.....x..", "........X.......", EIGHTHS, open="..............x."),
            _kit("x.x.......x...x.", "........X......g", "x.xxx.x.x.xxx.x."),
        ),
        "one_drop": (
            _kit(_TWO_FOUR, _TWO_FOUR, EIGHTHS),
            _kit(_TWO_FOUR, _TWO_FOUR, "x.xgx.xgx.xgx.xg"),
            _kit(_TWO_FOUR, _TWO_FOUR, "X.xxX.x.X.xxX.x.", open="..............x."),
            _kit(_TWO_FOUR, "....X.....g.X..g", EIGHTHS),
        ),
        "rockers": (
            _kit(_FLOOR, _TWO_FOUR, EIGHTHS),
            _kit("x...x...x.x.x...", _TWO_FOUR, "x.xgx.xgx.xgx.xg"),
        ),
        "steppers": (
            _kit("x.x.x.x.x.x.x.x.", _TWO_FOUR, EIGHTHS),
            _kit("x.x.x.x.x.x.x.x.", "....X.......X..g", "..x...x...x...x.", shaker="gxgxgxgxgxgxgxgx"),
        ),
        "double_kick": (
            _kit("xxxxxxxxxxxxxxxx", _TWO_FOUR, QUARTERS),
            _kit("x.xxx.xxx.xxx.xx", _TWO_FOUR, QUARTERS),
            _kit("xxx.xxx.xxx.xxx.", _TWO_FOUR, EIGHTHS),
            _kit("xxxxxxxxxxxxxxxx", "........X.......", QUARTERS),
        ),
        "thrash": (
            _kit("x...x...x...x...", "..X...X...X...X.", EIGHTHS),
            _kit("x.x.x.x.x.x.x.x.", _TWO_FOUR, EIGHTHS),
            _kit("x.x...x.x.x...x.", "....X.......X...", EIGHTHS),
        ),
        "breakdown": (
            _kit("x..x..x...x.xx..", "........X.......", QUARTERS),
            _kit("x.xx..x.....x.x.", "........X.......", QUARTERS),
        ),
        "brushes": (
            _kit("g.......g.......", "." * 16, "x...x.g.x...x.g.", snare="g.g.x.g.g.g.x.g.", pedal="....x.......x..."),
            _kit("x.........g.....", "." * 16, "." * 16, snare="g.g.x.g.g.ggx.g.", pedal="....x.......x..."),
        ),
    },
    "3/4": {
        "waltz": (
            _kit("x...........", "....x...x...", "x...x...x..."),
            _kit("x.........x.", "....x...x...", "X.x.X.x.X.x."),
            _kit("x.....x.....", "........X...", "X.x.X.x.X.x."),
        ),
        "waltz_rock": (
            _kit("x...........", "........X...", "X.x.X.x.X.x."),
            _kit("x..x........", "....X.......", "XgxgXgxgXgxg"),
            _kit("x.....x...x.", "........X...", "X.x.X.x.X.x."),
        ),
        "waltz_jazz": (
            _kit("x...........", "." * 12, "X...X.x.X...", pedal="....x......."),
            _kit("g.....g.....", "." * 12, "X...X.x.X.x.", pedal="....x...x...", stick="..........g."),
        ),
        "waltz_ballad": (_kit("x...........", "." * 12, "x...x...x...", stick="........x..."),),
    },
    "6/8": {
        "slow_rock": (
            _kit("x...........", "......X.....", "X.x.x.X.x.x."),
            _kit("x.........x.", "......X.....", "X.x.x.X.x.x."),
            _kit("x...x.....x.", "......X...g.", "X.x.x.X.x.x."),
        ),
        "ballad_compound": (
            _kit("x...........", "......x.....", "x.....x....."),
            _kit("x...........", "." * 12, "x.g.g.x.g.g.", stick="......x....."),
        ),
        "jig": (
            _kit("x.....x.....", "....x.....x.", "X.x.x.X.x.x."),
            _kit("x.....x.....", "." * 12, "." * 12, snare="Xgg.g.Xgg.x."),
        ),
        "afro": (
            _kit("x.....x.....", "......g.....", "." * 12, cowbell="x.x.xx.x.x.x", conga="....x.....x."),
            _kit("x.....x.....", "." * 12, "x.x.x.x.x.x.", stick="x...x...x..."),
        ),
        "half_time_compound": (_kit("x.......x...", "......X.....", "XgxgxgXgxgxg"),),
        "brushes_compound": (
            _kit("g...........", "." * 12, "x...g.x...g.", snare="g.g.g.x.g.g."),
            _kit("x.........g.", "." * 12, "." * 12, snare="g.g.g.x.g.gg", pedal="......x....."),
        ),
    },
}

# Weights of the styles in songs without a genre.
WEIGHTS: dict[str, dict[str, float]] = {
    "4/4": {
        "rock": 3.5,
        "pop": 3.0,
        "half_time": 1.5,
        "four_on_floor": 2.2,
        "shuffle": 0.2,
        "ballad": 1.5,
        "funk": 1.5,
        "bossa": 0.7,
        "latin": 0.7,
        "reggae": 0.8,
        "breakbeat": 1.2,
        "train": 0.6,
    },
    "3/4": {"waltz": 3.0, "waltz_rock": 2.5, "waltz_jazz": 0.7, "waltz_ballad": 1.0},
    "6/8": {"slow_rock": 3.0, "ballad_compound": 1.5, "jig": 1.0, "afro": 1.0, "half_time_compound": 1.0},
}
SWUNG: dict[str, dict[str, float]] = {
    "4/4": {"shuffle": 8.0, "rock": 1.0, "half_time": 0.7, "ballad": 0.7, "reggae": 0.7, "four_on_floor": 0.5},
    "3/4": {"waltz_jazz": 4.0, "waltz": 2.0},
    "6/8": WEIGHTS["6/8"],
}
