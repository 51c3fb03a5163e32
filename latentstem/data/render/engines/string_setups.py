"""How basses and guitars are set up at random: strings, pluck and pickups of a few kinds, each kind wide."""

from dataclasses import dataclass
from typing import Any

from latentstem.data.render.engines.bodies import draw_body
from latentstem.data.render.engines.engine import PatchDraws

BASS_KINDS = {
    "finger": 0.25,
    "pick": 0.15,
    "slap": 0.1,
    "mute": 0.1,
    "upright": 0.14,
    "acoustic": 0.06,
    "fretless": 0.1,
    "strange": 0.1,
}
"""Probability of each kind of bass."""

GUITAR_KINDS = {"nylon": 0.22, "steel": 0.25, "electric": 0.3, "mute": 0.12, "strange": 0.11}
"""Probability of each kind of guitar."""

# Softest and hardest cutoff of the pluck in Hz, and shortest and longest time constant of low partials in seconds.
_CUTOFFS = {
    "finger": (350.0, 5000.0),
    "pick": (1500.0, 12_000.0),
    "slap": (2000.0, 12_000.0),
    "mute": (200.0, 3500.0),
    "upright": (200.0, 1800.0),
    "acoustic": (500.0, 5000.0),
    "fretless": (300.0, 3000.0),
    "nylon": (500.0, 4000.0),
    "steel": (1200.0, 9000.0),
    "electric": (700.0, 8000.0),
    "strange": (150.0, 10_000.0),
}
_RINGING = {
    "mute": (0.04, 0.35),
    "upright": (0.2, 1.2),
    "acoustic": (0.5, 2.5),
    "nylon": (0.3, 1.8),
    "strange": (0.06, 6.0),
}


@dataclass(frozen=True)
class StringFields:
    """Fields of a `PluckedString` by its parts.

    Attributes:
        strings: Fields of its `StringSet`.
        pluck: Fields of its `Pluck`.
        pickup: Fields of its `Pickup`.
        hand: Its own fields of slides and vibrato.
    """

    strings: dict[str, Any]
    pluck: dict[str, Any]
    pickup: dict[str, Any]
    hand: dict[str, Any]


def draw_bass(draws: PatchDraws) -> StringFields:
    """Draw a bass: electric in most cases, else upright, acoustic, fretless or like no bass that there is.

    Args:
        draws: Source of the parameters.
    """
    kind = draws.rng.child("kind").weighted_choice(BASS_KINDS)
    tuning = draws.choice("tuning", [(28.0, 33.0, 38.0, 43.0)] * 3 + [(23.0, 28.0, 33.0, 38.0, 43.0)])
    return _setup(draws, kind, tuning, acoustic=kind in ("upright", "acoustic"), part="bass")


def draw_guitar(draws: PatchDraws, part: str) -> StringFields:
    """Draw a guitar: nylon, steel, electric, palm muted, or a relative such as a harp or a lute.

    Args:
        draws: Source of the parameters.
        part: Name of the part that it plays; in "chords" it has no vibrato.
    """
    kind = draws.rng.child("kind").weighted_choice(GUITAR_KINDS)
    acoustic = kind in ("nylon", "steel") or (kind in ("mute", "strange") and draws.bernoulli("acoustic", 0.4))
    return _setup(draws, kind, (40.0, 45.0, 50.0, 55.0, 59.0, 64.0), acoustic, part)


def _setup(draws: PatchDraws, kind: str, tuning: tuple[float, ...], acoustic: bool, part: str) -> StringFields:
    low = part == "bass"
    vibrates = kind == "fretless" or (part != "chords" and draws.bernoulli("vibrates", 0.2))
    return StringFields(
        strings=_strings(draws.child("strings"), kind, tuning, low),
        pluck=_pluck(draws.child("pluck"), kind, acoustic, low),
        pickup=_body(draws.child("body"), low) if acoustic else _electric(draws.child("pickup"), low),
        hand={
            "slides": draws.uniform("slides", 0.2, 0.8) if kind == "fretless" else draws.choice("slides", [0.0, 0.06]),
            "slide_time": draws.log_uniform("slide time", 0.008, 0.05),
            "vibrato": draws.uniform("vibrato", 4.0, 25.0) if vibrates else 0.0,
            "vibrato_rate": draws.uniform("vibrato rate", 3.5, 6.5),
        },
    )


def _strings(draws: PatchDraws, kind: str, tuning: tuple[float, ...], low: bool) -> dict[str, Any]:
    shortest, longest = _RINGING.get(kind, (0.5, 5.0))
    # From new wound strings to flat ones that are years old.
    treble = draws.main("treble damping", 0.2, 20.0, logarithmic=True)
    return {
        "open_pitches": tuple(pitch + (draws.choice("tuned down", [0.0, 0.0, -1.0, -2.0])) for pitch in tuning),
        "brightness": tuple(draws.uniform(f"brightness {string}", -0.4, 0.4) for string in range(len(tuning))),
        "position": draws.choice("position", [0, 0, 0, 2, 3, 5, 7]),
        "stiffness": draws.log_uniform("stiffness", *((2e-5, 4e-4) if low else (5e-6, 2e-4))),
        "damping": 1 / draws.log_uniform("ringing", shortest, longest),
        "treble_damping": treble * (2.0 if kind == "mute" else 1.0),
        "treble_slope": draws.uniform("treble slope", 0.6, 1.6),
        "beating": draws.log_uniform("beating", 0.2, 5.0),
        "second_direction": draws.uniform("second direction", 0.0, 0.5),
        "unevenness": draws.uniform("unevenness", 0.0, 6.0),
    }


def _pluck(draws: PatchDraws, kind: str, acoustic: bool, low: bool) -> dict[str, Any]:
    slapped, strange = kind == "slap", kind == "strange"
    hard = kind in ("pick", "steel", "electric") or slapped
    blooms = kind in ("fretless", "upright") or (strange and draws.bernoulli("blooms", 0.3))
    rattles = slapped or draws.bernoulli("rattles", 0.5 if strange else 0.2)
    noise = draws.log_uniform("noise", 0.05, 1.2) if hard else draws.log_uniform("noise", 0.01, 0.4)
    rings_on = not low and draws.bernoulli("rings on", 0.3)
    return {
        "position": draws.main("position", 0.04, 0.42, logarithmic=True),
        "cutoff": draws.main("cutoff", *_CUTOFFS[kind], logarithmic=True),
        "order": draws.uniform("order", 0.8, 2.5),
        "response": draws.uniform("response", 0.8, 3.0),
        "dynamics": draws.uniform("dynamics", 12.0, 36.0),
        "rise": draws.log_uniform("rise", 1.0, 40.0 if strange else 20.0),
        "rise_time": draws.log_uniform("rise time", 0.01, 0.06),
        "noise": noise,
        "noise_time": draws.log_uniform("noise time", 0.002, 0.025),
        "noise_centre": draws.log_uniform("noise centre", 500.0, 6000.0 if hard else 2500.0),
        "rattle": draws.log_uniform("rattle", 0.3, 2.0) if slapped else 0.4 * draws.uniform("rattle", 0, 1) * rattles,
        "rattle_damping": draws.log_uniform("rattle damping", 4.0, 60.0),
        "bloom": draws.uniform("bloom", 0.3, 0.95) if blooms else 0.0,
        "bloom_time": draws.log_uniform("bloom time", 0.03, 0.2),
        "thump": draws.uniform("thump", 0.0, 1.0 if acoustic or slapped else 0.3) ** 2,
        "thump_pitch": draws.log_uniform("thump pitch", *((45.0, 120.0) if low else (80.0, 220.0))),
        "lift": draws.log_uniform("lift", 0.003, 0.1),
        "release": draws.log_uniform("release", *((0.05, 0.6) if rings_on else (0.006, 0.03))),
    }


def _electric(draws: PatchDraws, low: bool) -> dict[str, Any]:
    driven = draws.bernoulli("driven", 0.3)
    return {
        "positions": tuple(draws.log_uniform(place, 0.05, 0.3) for place in draws.choice("count", [["a"], ["a", "b"]])),
        "balance": draws.uniform("balance", 0.0, 1.0),
        # The lower ones with the tone control closed.
        "cutoff": draws.main("tone", 600.0, 10_000.0, logarithmic=True),
        "resonance": draws.uniform("resonance", -3.0, 6.0),
        "drive": draws.log_uniform("drive", 0.15, 8.0) if driven else 0.0,
        "cabinet": draws.log_uniform("cabinet", 2000.0 if low else 3000.0, 15_000.0),
        "body": (),
    }


def _body(draws: PatchDraws, low: bool) -> dict[str, Any]:
    # The air, the top plate, and plates that no one counts (Fletcher and Rossing, chapter 9).
    ranges = [(55, 80), (95, 130), (150, 240)] if low else [(85, 130), (170, 240), (350, 480)]
    modes = [draws.uniform(f"mode {number}", *place) for number, place in enumerate(ranges)]
    count = draws.choice("modes", range(3, 12))
    modes += [draws.log_uniform(f"plate {number}", 200.0 if low else 400.0, 3500.0) for number in range(count)]
    return {
        "positions": (),
        "balance": 1.0,
        "cutoff": draws.main("air", 1500.0, 16_000.0, logarithmic=True),
        "resonance": -3.0,
        "drive": 0.0,
        "cabinet": draws.log_uniform("distance", 4000.0, 18_000.0),
        "body": draw_body(draws, modes, quality=(8.0, 30.0), gain=(0.15, 2.5)),
    }
