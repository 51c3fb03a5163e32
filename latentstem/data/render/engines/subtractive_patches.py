"""How subtractive synthesizers are set at random: one wide draw, whose ranges lean to known kinds of sound."""

import math
from dataclasses import dataclass
from typing import Any

from latentstem.data.render.engines.engine import PatchDraws

LEANINGS = {"any": 0.4, "acid": 0.1, "sub": 0.14, "detuned": 0.14, "pluck": 0.14, "pad": 0.08}
"""Probability of each leaning: "acid" to resonance and glide, "sub" to sines that fall, "detuned" to unison."""


@dataclass(frozen=True)
class SubtractiveFields:
    """Fields of a `Subtractive` by its parts.

    Attributes:
        oscillators: Fields of each `Oscillator`.
        filter: Fields of its `Filter` but for the envelope.
        filter_envelope: Fields of the filter's `Envelope`.
        amplifier: Fields of the amplifier's `Envelope`.
        rest: Its own fields.
    """

    oscillators: list[dict[str, float]]
    filter: dict[str, Any]
    filter_envelope: dict[str, float]
    amplifier: dict[str, float]
    rest: dict[str, Any]


def draw_fields(draws: PatchDraws, part: str) -> SubtractiveFields:
    """Draw the fields of a `Subtractive`.

    Args:
        draws: Source of the parameters.
        part: Name of the part that it plays.
    """
    leaning = draws.rng.child("leaning").weighted_choice(LEANINGS)
    low, many = part == "bass", part == "chords"
    count = 1 if leaning in ("acid", "sub") else draws.choice("oscillators", [1, 2, 2] if many else [1, 2, 2, 3])
    waves = [_oscillator(draws.child(f"oscillator {number}"), number, leaning) for number in range(count)]
    if leaning != "sub" and draws.bernoulli("sub", 0.35):
        waves.append(_octave_below(draws.child("sub oscillator")))
    low_pass, rest = _filter(draws.child("filter"), leaning, low), _rest(draws.child("rest"), leaning, many)
    # Resonance and overdrive take from the dynamics, which should still be heard.
    taken = 0.6 * max(0.0, low_pass["resonance"]) + 6 * math.log2(1 + rest["drive_after"])
    rest["dynamics"] = min(rest["dynamics"] + taken, 44.0)
    amplifier = _amplifier(draws.child("amplifier"), leaning, many)
    # Where the level falls to nothing, a legato line would die with its first note.
    rest["legato"] = rest["legato"] and amplifier["sustain"] > 0
    return SubtractiveFields(
        oscillators=waves,
        filter=low_pass,
        filter_envelope=_filter_envelope(draws.child("filter envelope"), leaning),
        amplifier=amplifier,
        rest=rest,
    )


def _oscillator(draws: PatchDraws, number: int, leaning: str) -> dict[str, float]:
    waves = ["sine", "sine", "triangle"] if leaning == "sub" else ["saw", "saw", "pulse", "pulse", "triangle", "sine"]
    wave = draws.choice("wave", waves)
    # A second wave is mixed in at times, so the waves are corners of a space.
    other = draws.choice("other", ["saw", "pulse", "triangle", "sine"])
    levels: dict[str, float] = {"saw": 0.0, "pulse": 0.0, "triangle": 0.0, "sine": 0.0}
    levels[other] += draws.uniform("mixture", 0.0, 1.0) if draws.bernoulli("mixed", 0.3) else 0.0
    levels[wave] += 1.0
    level = 1.0 if number == 0 else draws.log_uniform("level", 0.2, 1.0)
    synced = levels["saw"] > 0 and draws.bernoulli("synced", 0.08)
    intervals = [0.0, 0.0, 0.0, 12.0, -12.0, 7.0] if leaning != "detuned" else [0.0]
    return {
        **{name: level * value for name, value in levels.items()},
        "width": draws.uniform("width", 0.08, 0.5),
        "sync": draws.log_uniform("sync", 1.2, 5.0) if synced else 1.0,
        "semitones": draws.choice("interval", intervals) if number else 0.0,
        "cents": draws.uniform("cents", -25.0, 25.0) if number else 0.0,
    }


def _octave_below(draws: PatchDraws) -> dict[str, float]:
    level = draws.log_uniform("level", 0.15, 1.0)
    square = draws.bernoulli("square", 0.5)
    levels = {"saw": 0.0, "pulse": level * square, "triangle": 0.0, "sine": level * (not square)}
    return {**levels, "width": 0.5, "sync": 1.0, "semitones": -12.0, "cents": 0.0}


def _filter(draws: PatchDraws, leaning: str, low: bool) -> dict[str, Any]:
    lowest, highest = (80.0, 4000.0) if low else (120.0, 5000.0)
    if leaning == "pluck":
        highest = 0.2 * highest
    resonances = {"acid": (6.0, 26.0), "sub": (-3.0, 3.0)}.get(leaning, (-3.0, 16.0))
    return {
        "cutoff": draws.main("cutoff", lowest, highest, logarithmic=True),
        "amount": draws.main("amount", 1.5 if leaning in ("acid", "pluck") else 0.0, 5.5),
        "response": draws.uniform("response", 0.15, 1.0),
        "touch": draws.uniform("touch", 0.2, 2.5),
        "tracking": draws.uniform("tracking", 0.0, 1.0),
        "resonance": draws.main("resonance", *resonances),
        "poles": draws.choice("poles", [2, 4]),
    }


def _filter_envelope(draws: PatchDraws, leaning: str) -> dict[str, float]:
    slow = leaning == "pad" or draws.bernoulli("slow", 0.1)
    return {
        "attack": draws.log_uniform("attack", *((0.05, 0.8) if slow else (0.0005, 0.004))),
        "decay": draws.log_uniform("decay", 0.02, 0.3 if leaning == "pluck" else 1.5),
        "sustain": draws.uniform("sustain", 0.0, 0.2 if leaning == "pluck" else 0.9),
        "release": draws.log_uniform("release", 0.02, 0.5),
    }


def _amplifier(draws: PatchDraws, leaning: str, many: bool) -> dict[str, float]:
    falls = leaning == "pluck" or draws.bernoulli("falls", {"sub": 0.8, "pad": 0.0}.get(leaning, 0.35))
    return {
        "attack": draws.log_uniform("attack", *((0.005, 0.06) if leaning == "pad" else (0.0005, 0.004))),
        "decay": draws.log_uniform("decay", 0.05 if leaning == "pluck" else 0.15, 0.6 if leaning == "pluck" else 3.0),
        "sustain": 0.0 if falls else draws.uniform("sustain", 0.3, 1.0),
        "release": draws.log_uniform("release", 0.005, 0.25 if many or leaning in ("pad", "sub") else 0.08),
    }


def _rest(draws: PatchDraws, leaning: str, many: bool) -> dict[str, Any]:
    detuned = leaning == "detuned" or (leaning in ("any", "pad") and draws.bernoulli("detuned", 0.25))
    driven = draws.bernoulli("driven", {"acid": 0.6, "sub": 0.5}.get(leaning, 0.3))
    early = driven and draws.bernoulli("early", 0.5)
    glides = not many and draws.bernoulli("glides", 0.5 if leaning == "acid" else 0.2)
    falls = leaning == "sub" and draws.bernoulli("falls", 0.6)
    return {
        "noise": draws.log_uniform("noise", 0.003, 0.3) if draws.bernoulli("noisy", 0.2) else 0.0,
        "unison": draws.choice("unison", [2, 3, 4] if many else [2, 3, 5, 7]) if detuned else 1,
        "spread": draws.log_uniform("spread", 4.0, 60.0),
        "width_depth": draws.uniform("width depth", 0.02, 0.35) if draws.bernoulli("width moves", 0.2) else 0.0,
        "width_rate": draws.log_uniform("width rate", 0.1, 6.0),
        "glide": draws.log_uniform("glide", 0.008, 0.1) if glides else 0.0,
        "fall": draws.uniform("fall", 2.0, 30.0) if falls else 0.0,
        "fall_time": draws.log_uniform("fall time", 0.004, 0.05),
        "vibrato": draws.uniform("vibrato", 2.0, 25.0) if draws.bernoulli("vibrates", 0.15) else 0.0,
        "vibrato_rate": draws.uniform("vibrato rate", 3.0, 7.0),
        "drive_before": draws.log_uniform("drive before", 0.3, 5.0) if early else 0.0,
        "drive_after": draws.log_uniform("drive after", 0.3, 8.0) if driven else 0.0,
        "dynamics": draws.uniform("dynamics", 8.0, 28.0),
        "legato": draws.bernoulli("legato", 0.5 if leaning == "acid" else 0.15),
    }
