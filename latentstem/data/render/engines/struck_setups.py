"""How pianos, mallets and bells are built at random: modes, hammer and outlet of a few kinds, each kind wide."""

from typing import Any

from latentstem.data.render.engines.bodies import draw_body
from latentstem.data.render.engines.engine import PatchDraws

# Ratios of the modes (Fletcher and Rossing, The Physics of Musical Instruments, 1998): of bars that are free at both
# ends, of bars that are undercut to tune them, of bars that are clamped at one end, and of a church bell.
_RATIOS = {
    "tine": (1.0, 6.27, 17.55, 34.39),
    "reed": (1.0, 2.0, 3.0, 6.27, 17.55),
    "marimba": (1.0, 3.95, 9.4, 15.8, 23.6),
    "vibraphone": (1.0, 4.0, 10.1, 17.6),
    "metal": (1.0, 2.756, 5.404, 8.933, 13.34, 18.64),
    "bell": (1.0, 0.5, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.33, 6.7),
    "tongue": (1.0, 5.8, 13.5, 17.4),
}
_STRINGS = ("piano", "clavinet", "harpsichord")
# Softest and hardest cutoff of the hammer in Hz; slowest and fastest decay in nepers a second at 220 Hz.
_CUTOFFS = {
    "piano": (400.0, 7000.0),
    "tine": (250.0, 5000.0),
    "reed": (400.0, 5000.0),
    "clavinet": (1000.0, 10_000.0),
    "harpsichord": (2500.0, 12_000.0),
    "marimba": (250.0, 2500.0),
}
_DAMPING = {
    "piano": (0.5, 3.0),
    "tine": (0.4, 2.5),
    "reed": (0.8, 4.0),
    "clavinet": (0.8, 6.0),
    "harpsichord": (0.8, 4.0),
    "marimba": (4.0, 25.0),
    "vibraphone": (0.4, 3.0),
    "tongue": (2.0, 20.0),
}


def draw_modes(draws: PatchDraws, kind: str) -> dict[str, Any]:
    """Draw the fields of `Modes`.

    Args:
        draws: Source of the parameters.
        kind: Kind of the instrument, such as "piano" or "tine".
    """
    ratios = _RATIOS.get(kind, ())
    if kind == "strange" and draws.bernoulli("bar", 0.6):
        ratios = (1.0,)
        for number in range(draws.choice("modes", range(2, 9))):
            ratios += (ratios[-1] * draws.log_uniform(f"step {number}", 1.15, 2.8),)
    elif ratios:
        # No two makers tune the higher modes alike.
        ratios = tuple(
            ratio * draws.uniform(f"tuning {ratio}", 0.97, 1.03) if ratio > 1 and kind != "reed" else ratio
            for ratio in ratios
        )
    string = not ratios
    strings = draws.choice("strings", [1, 2, 2, 3]) if kind == "piano" else draws.choice("strings", [1, 1, 2])
    honky_tonk = draws.bernoulli("honky-tonk", 0.15)
    return {
        "ratios": ratios,
        "stiffness": draws.log_uniform("stiffness", 2e-5, 8e-4),
        "strings": strings if string or kind == "strange" else 1,
        "spread": draws.log_uniform("spread", 0.3, 20.0 if honky_tonk else 3.0),
        "octave": draws.uniform("octave", 0.1, 0.7)
        if draws.bernoulli("has octave", {"harpsichord": 0.5, "strange": 0.2}.get(kind, 0.03))
        else 0.0,
        "damping": draws.main("damping", *_DAMPING.get(kind, (0.5, 10.0)), logarithmic=True),
        "register": draws.uniform("register", 0.2, 1.0),
        "treble_damping": draws.log_uniform("treble damping", *((0.3, 6.0) if string else (0.5, 20.0))),
        "treble_slope": draws.uniform("treble slope", 0.5, 1.5),
        "aftersound": draws.uniform("aftersound", 0.0, 0.3) if kind in ("piano", "strange") else 0.0,
        "unevenness": draws.uniform("unevenness", 0.0, 6.0),
    }


def draw_hammer(draws: PatchDraws, kind: str) -> dict[str, Any]:
    """Draw the fields of `Hammer`.

    Args:
        draws: Source of the parameters.
        kind: Kind of the instrument, such as "piano" or "tine".
    """
    string = kind in _STRINGS
    rings_on = kind in ("marimba", "metal", "bell", "tongue") or (
        kind in ("vibraphone", "strange") and draws.bernoulli("pedal", 0.6)
    )
    return {
        "position": draws.uniform("position", 0.05, 0.3) if string else 0.0,
        "slope": draws.uniform("slope", 0.0, 1.0) if string else draws.uniform("slope", 0.2, 1.4),
        "cutoff": draws.main("cutoff", *_CUTOFFS.get(kind, (300.0, 8000.0)), logarithmic=True),
        "order": draws.uniform("order", 1.0, 3.0),
        "response": draws.uniform("response", 0.8, 3.5),
        "tracking": draws.uniform("tracking", 0.3, 0.8),
        "dynamics": draws.uniform("dynamics", 12.0, 38.0),
        "noise": draws.log_uniform("noise", 0.01, 0.6),
        "noise_time": draws.log_uniform("noise time", 0.002, 0.02),
        "noise_centre": draws.log_uniform("noise centre", 150.0, 3000.0),
        "release": draws.log_uniform("release", *((0.1, 0.35) if rings_on else (0.015, 0.12))),
        "undamped": draws.uniform("undamped", 86, 92) if kind == "piano" else 128.0,
        "lift": draws.log_uniform("lift", 0.003, 0.1) if kind in ("clavinet", "harpsichord") else 0.0,
    }


def draw_outlet(draws: PatchDraws, kind: str) -> dict[str, Any]:
    """Draw the fields of `Outlet`.

    Args:
        draws: Source of the parameters.
        kind: Kind of the instrument, such as "piano" or "tine".
    """
    barks = kind in ("tine", "reed") or (kind in ("clavinet", "strange") and draws.bernoulli("barks", 0.4))
    trembles = draws.bernoulli("trembles", {"vibraphone": 0.6, "tine": 0.35, "reed": 0.4}.get(kind, 0.03))
    body = kind in ("piano", "harpsichord", "marimba", "tongue") or draws.bernoulli("body", 0.2)
    modes = [draws.log_uniform(f"mode {number}", 70.0, 3000.0) for number in range(draws.choice("count", range(4, 12)))]
    return {
        "bark": draws.main("bark", 0.15, 4.0, logarithmic=True) if barks else 0.0,
        "bias": draws.uniform("bias", 0.0, 1.2),
        "tremolo": draws.uniform("tremolo", 0.2, 0.9) if trembles else 0.0,
        "tremolo_rate": draws.log_uniform("tremolo rate", 2.0, 8.0),
        "body": draw_body(draws, modes, quality=(4.0, 20.0), gain=(0.1, 1.2)) if body else (),
        "cutoff": draws.log_uniform("cutoff", 2500.0, 18_000.0),
    }
