"""Goals of the comparison with other libraries, and whether its results reach them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Rows = Mapping[str, Mapping[str, Any]]

WAYS = ("encode", "decode")
CONTINUOUS = ("music2latent", "oobleck")
"""The other autoencoders with 64 channels of continuous latents."""
FULL_RATE = 400e9
"""Operations a second in float32 above which the full factor over real time is the goal; below, in proportion."""


@dataclass(frozen=True)
class Goal:
    """A result and its bound."""

    name: str
    reached: float
    asked: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether the result keeps the bound; a result that was not measured does not."""
        return self.reached >= self.asked if self.at_least else self.reached <= self.asked


def goals(rows: Rows) -> list[Goal]:
    """Compute all goals; NaN is reached where a needed case was not measured.

    Args:
        rows: Results by case; missing cases lack them.
    """
    return [*_autoencoder(rows), *_lengths(rows), *_attention(rows), *_sampling(rows), *_rate(rows)]


def as_figures(found: list[Goal]) -> list[dict[str, Any]]:
    """Convert goals to JSON, with null where nothing was measured."""
    unknown = {"reached": None, "met": None}
    return [{**asdict(goal), "met": goal.met, **(unknown if math.isnan(goal.reached) else {})} for goal in found]


def _figure(rows: Rows, case: str, key: str) -> float:
    """Return a result of a case, NaN where it is missing."""
    return rows.get(case, {}).get(key, math.nan)


def _ratio(rows: Rows, case: str, reference: str, key: str = "seconds") -> float:
    return _figure(rows, case, key) / _figure(rows, reference, key)


def _autoencoder(rows: Rows) -> list[Goal]:
    found = []
    for way in WAYS:
        other, *others = (_ratio(rows, f"{way}/{codec}", f"{way}/latentstem") for codec in ("encodec-24k", *CONTINUOUS))
        found += [
            Goal(f"{way}: times as fast as EnCodec 24 kHz", other, 3.5),
            Goal(f"{way}: times as fast as the fastest other of 64 channels", float(np.min(others)), 20),
        ]
    ours, theirs = (
        float(np.max([_figure(rows, f"{way}/{codec}", "peak_memory") for way in WAYS]))
        for codec in ("latentstem", "music2latent")
    )
    return [*found, Goal("autoencoder: peak memory over music2latent's", ours / theirs, 0.1, at_least=False)]


def _lengths(rows: Rows) -> list[Goal]:
    found = []
    for way in WAYS:
        peak = {length: _figure(rows, f"length/{way}-{length}s", "peak_memory") for length in (120, 3600)}
        found.append(
            Goal(f"{way}: peak memory of 60 minutes over that of 2", peak[3600] / peak[120], 1.2, at_least=False)
        )
    return found


def _attention(rows: Rows) -> list[Goal]:
    cases = ("attention/biased-4096", "attention/plain-4096")
    return [
        Goal(f"attention, 4096 frames: {name} with bias over without", _ratio(rows, *cases, key), 1.25, at_least=False)
        for key, name in (("seconds", "time"), ("peak_memory", "peak memory"))
    ]


def _sampling(rows: Rows) -> list[Goal]:
    whole = "sampling/latentstem-audio"
    rate = rows.get(whole, {}).get("gemm_rates", {}).get("fp32", math.nan)
    return [
        Goal(
            "audio to audio: times real time",
            _figure(rows, whole, "times_real_time"),
            10 * min(1.0, rate / FULL_RATE),
        ),
        Goal("audio to audio, fast: times real time", _figure(rows, "sampling/latentstem-fast", "times_real_time"), 20),
        Goal(
            "an hour from file to file: peak memory, GB",
            _figure(rows, "files/latentstem-60min", "peak_memory") / 1e9,
            2,
            at_least=False,
        ),
        Goal(
            "sampling: times as fast as StableAudioDiT + DDIM",
            _ratio(rows, "sampling/stable-audio-dit", "sampling/latentstem"),
            8,
        ),
    ]


def _rate(rows: Rows) -> list[Goal]:
    return [
        Goal(
            f"U-Net at batch 2, {name}: share of the rate of its own products",
            _figure(rows, f"forward/latentstem-batch2{suffix}", "share_of_own_shapes"),
            0.5,
        )
        for suffix, name in (("", "fp32"), ("+bf16", "bf16"))
    ]
