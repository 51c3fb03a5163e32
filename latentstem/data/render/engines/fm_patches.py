"""How frequency modulation is set at random: ratios, indices and envelopes of a few kinds, each kind wide."""

from typing import Any

from latentstem.data.render.engines.engine import PatchDraws

ALGORITHMS = (
    (-1, 0),
    (-1, 0, 1),
    (-1, 0, 0),
    (-1, 0, -1),
    (-1, 0, -1, 2),
    (-1, 0, 1, 2),
    (-1, 0, 0, 0),
    (-1, 0, 1, -1),
)
"""The target of each operator: -1 is the output."""

LEANINGS = {"piano": 0.25, "bell": 0.12, "pluck": 0.23, "brass": 0.15, "any": 0.25}
"""Probability of each leaning in chords and melodies; in a bass, bells are left out."""


def draw_fields(draws: PatchDraws, part: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Draw the fields of a `FrequencyModulation`.

    Args:
        draws: Source of the parameters.
        part: Name of the part that it plays.

    Returns:
        The fields of each `Operator`, and its own.
    """
    kinds = {name: weight for name, weight in LEANINGS.items() if part != "bass" or name != "bell"}
    leaning = draws.rng.child("leaning").weighted_choice(kinds)
    algorithm = draws.choice("algorithm", ALGORITHMS)
    operators = [
        _carrier(draws.child(f"operator {index}"), leaning, index)
        if target < 0
        else _modulator(draws.child(f"operator {index}"), draws, leaning, target, index)
        for index, target in enumerate(algorithm)
    ]
    vibrates = draws.bernoulli("vibrates", 0.5 if leaning == "brass" else 0.1)
    return operators, {
        "release": draws.log_uniform("release", *((0.08, 0.25) if leaning == "bell" else (0.006, 0.12))),
        "vibrato": draws.uniform("vibrato", 2.0, 20.0) if vibrates else 0.0,
        "vibrato_rate": draws.uniform("vibrato rate", 4.0, 7.0),
        "cutoff": draws.log_uniform("cutoff", 2000.0, 18_000.0),
        "dynamics": draws.uniform("dynamics", 8.0, 32.0),
    }


def _carrier(draws: PatchDraws, leaning: str, index: int) -> dict[str, Any]:
    falls = leaning in ("piano", "bell", "pluck") or (leaning == "any" and draws.bernoulli("falls", 0.5))
    shortest, longest = {"pluck": (0.06, 0.8), "bell": (0.5, 3.0)}.get(leaning, (0.3, 3.0))
    return {
        "target": -1,
        "ratio": 1.0 if index == 0 else draws.choice("ratio", [1.0, 1.0, 2.0, 3.0, 4.0]),
        "offset": 0.0 if index == 0 else draws.uniform("offset", -0.8, 0.8),
        "level": 1.0 if index == 0 else draws.log_uniform("level", 0.1, 1.0),
        "response": 0.0,
        "scaling": 0.0,
        "feedback": draws.uniform("feedback", 0.1, 0.95) if draws.bernoulli("feeds back", 0.1) else 0.0,
        "attack": draws.log_uniform("attack", *((0.004, 0.05) if leaning == "brass" else (0.0003, 0.002))),
        "decay": draws.log_uniform("decay", shortest, longest),
        "sustain": 0.0 if falls else draws.uniform("sustain", 0.4, 1.0),
    }


def _modulator(draws: PatchDraws, patch: PatchDraws, leaning: str, target: int, index: int) -> dict[str, Any]:
    # The modulators of the first carrier decide the character; the others are there for variety.
    first = index == 1
    ratios = [1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 11.0, 14.0]
    if leaning == "brass":
        ratios = [1.0, 1.0, 1.0, 2.0]
    ratio = draws.choice("ratio", ratios)
    if leaning == "bell" or (leaning == "any" and draws.bernoulli("inharmonic", 0.15)):
        ratio = draws.log_uniform("inharmonic ratio", 1.2, 9.0)
    # High ratios need little to be bright.
    index_range = (0.3, 9.0 if ratio < 4 else 3.0)
    level = patch.main("index", *index_range, logarithmic=True) if first else draws.log_uniform("index", 0.1, 3.0)
    decay = patch.main("index decay", 0.02, 3.0, logarithmic=True) if first else draws.log_uniform("decay", 0.01, 2.0)
    swells = leaning == "brass" or draws.bernoulli("swells", 0.05)
    return {
        "target": target,
        "ratio": ratio,
        "offset": draws.uniform("offset", -0.4, 0.4) if draws.bernoulli("beats", 0.4) else 0.0,
        "level": level,
        "response": draws.uniform("response", 4.0, 24.0),
        "scaling": draws.uniform("scaling", 1.0, 6.0),
        "feedback": draws.uniform("feedback", 0.1, 0.95) if draws.bernoulli("feeds back", 0.25) else 0.0,
        "attack": draws.log_uniform("attack", 0.01, 0.15) if swells else 0.0,
        "decay": decay,
        "sustain": draws.uniform("sustain", 0.3, 1.0) if swells else draws.uniform("sustain", 0.0, 0.6),
    }
