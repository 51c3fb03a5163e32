"""Patterns of the comping roles as tablature: `PATTERNS[role][metre name]`, one sign a sixteenth.

"x" is a hit, "m" a muted one, "d" a strum down, "u" one up.
"""

PATTERNS: dict[str, dict[str, tuple[str, ...]]] = {
    "block": {
        "4/4": ("x...x...x...x...", "x.......x.......", "x.x.x.x.x.x.x.x.", "x..............."),
        "3/4": ("x...x...x...", "x.x.x.x.x.x.", "x..........."),
        "6/8": ("x.....x.....", "x.x.x.x.x.x.", "x...x.x...x."),
    },
    "strum": {
        "4/4": (
            "d...d.u...u.d.u.",
            "d...d.u.d...d.u.",
            "d.u.d.u.d.u.d.u.",
            "d...d...d...d...",
            "d.......d...d.u.",
            "d..ud.u..u.ud.u.",
        ),
        "3/4": ("d...d.u.d.u.", "d...d...d...", "d.u.d.u.d.u.", "d.....u.d.u."),
        "6/8": ("d.u.u.d.u.u.", "d.....d.u.u.", "d...u.d...u.", "d.u.d.u.d.u."),
    },
    "stabs": {
        "4/4": (
            "x.....x.........",
            "x.....x.....x...",
            "..x.....x.......",
            "x.........x.....",
            "x..x..x...x..x..",
            "x...........x...",
            "....x.......x...",
        ),
        "3/4": ("x.....x.....", "x...x.......", "..x...x.....", "x.....x...x."),
        "6/8": ("x.......x...", "x.....x...x.", "..x...x.....", "x...x...x..."),
    },
    "offbeats": {
        "4/4": ("..x...x...x...x.", "..x...x...x...x.", "....x.......x...", "..xx..xx..xx..xx", "....x.x.....x.x."),
        "3/4": ("....x...x...", "....x...x...", "..x...x...x."),
        "6/8": ("..x.x...x.x.", "....x.....x.", "......x....."),
    },
    "funk": {
        "4/4": ("x.mmx.mxm.x.mmxm", "m.x.mmx.m.xmm.x.", "x.mm..xmm.xmm..x", "x..xm.mxm..xm.x."),
        "3/4": ("x.mmx.mxm.xm", "m.x.mmx.m.xm"),
        "6/8": ("x.mxm.x.mxm.", "x.m.x.mmx.m."),
    },
    "power": {
        "4/4": (
            "x.x.x.x.x.x.x.x.",
            "x..x..x...x...x.",
            "x...............",
            "x.xxx.xxx.xxx.xx",
            "x.......x...x.x.",
            "x.m.m.m.x.m.m.m.",
        ),
        "3/4": ("x.x.x.x.x.x.", "x...........", "x..x..x...x.", "x.m.m.x.m.m."),
        "6/8": ("x.x.x.x.x.x.", "x.....x.....", "x.m.m.x.m.m.", "x...x.x...x."),
    },
    # Roles that the genres alone take, all of them in 4/4.
    "house_stabs": {
        "4/4": (
            "..x..x....x..x..",
            "x..x..x...x..x..",
            "..x...x...x...x.",
            "...x..x....x..x.",
            "x.....x..x......",
            "..x..x..x...x...",
        ),
    },
    "techno_stabs": {
        "4/4": ("..x..x..x..x..x.", "...x......x.....", "......x......x..", "..x.......x.....", "x..x..x..x..x..."),
    },
    "skank": {"4/4": ("..x...x...x...x.", "..x...x...x...x.", "..x...x...x...xx", "..xx..x...xx..x.")},
    "bubble": {"4/4": (".xxx.xxx.xxx.xxx", ".xx..xx..xx..xx.")},
    "metal": {
        "4/4": (
            "x.m.m.m.x.m.m.m.",
            "m.m.m.m.m.m.x.x.",
            "x.m.m.x.m.m.x.m.",
            "x.mmx.mmx.mmx.mm",
            "x.mmm.mmx.mmm.mm",
            "mmm.mmm.mmm.x.x.",
            "x..x..x.m.m.x...",
            "xmmmxmmmxmmmx.x.",
            "x.....m.m.mmx...",
        ),
    },
}
