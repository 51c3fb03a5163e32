"""Controls as users give them, and the conditions that a pipeline takes for them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from latentstem.conditioning.beats import BeatGrid
from latentstem.conditioning.chords import ChordChart
from latentstem.conditioning.curves import DENSITY, LEVEL, REGISTER, Curve

Value = float | Sequence[tuple[float, float]]
"""One value for the whole song, or points (seconds, value) with straight lines between them."""


@dataclass(frozen=True)
class Controls:
    """What a stem is steered by; what is left out is left to the net.

    Attributes:
        bpm: Beats a minute, from 4 to 1000.
        downbeat: Time in seconds of any downbeat; the first bar of `chords` begins there.
        beats_per_bar: Number of beats in a bar.
        chords: Chord chart, as `ChordChart.parse` reads it.
        density: Notes a second, 0 or more.
        register: Mean MIDI pitch, from 0 to 127.
        level: Level in dB over the active level of the whole stem.

    Raises:
        ValueError: A value cannot be read or is out of range.

    Example:
        >>> controls = Controls(bpm=100.0, chords="| C | Am7 F |", density=[(0.0, 1.0), (8.0, 4.0)])
        >>> conditions = controls.conditions(frames=86, frames_per_second=44100 / 4096)
        >>> {name: tuple(value.shape) for name, value in conditions.items()}
        {'beat': (1, 4, 86), 'chords': (1, 25, 86), 'density': (1, 2, 86)}
    """

    bpm: float | None = None
    downbeat: float = 0.0
    beats_per_bar: int = 4
    chords: str | None = None
    density: Value | None = None
    register: Value | None = None
    level: Value | None = None

    def __post_init__(self) -> None:
        if self.bpm is None and self.downbeat:
            raise ValueError(f"got a downbeat at {self.downbeat:g} s without a tempo; give bpm too")
        _check_range(self.bpm, 4, 1000, "a tempo of {} beats a minute; expected 4 to 1000")
        _check_range(self.density, 0, math.inf, "a density of {} notes a second; expected 0 or more")
        _check_range(self.register, 0, 127, "a register of {}; expected a MIDI pitch from 0 to 127")
        self.conditions(1, 1.0)  # refuses what cannot be read

    def from_second(self, second: float) -> "Controls":
        """Return the controls of what is left of a song from some second on.

        Args:
            second: Time in the song that becomes 0.

        Example:
            >>> controls = Controls(bpm=120.0, downbeat=0.5, chords="C:0 F:4", density=[(0.0, 1.0), (8.0, 4.0)])
            >>> controls = controls.from_second(3.0)
            >>> controls.downbeat, controls.chords, controls.density
            (-2.5, 'C:-3 F:1', [(-3.0, 1.0), (5.0, 4.0)])
        """
        chords = self.chords
        if chords is not None and "|" not in chords:  # bars begin at the downbeat, which moves
            timed = (word.rpartition(":") for word in chords.split())
            chords = " ".join(f"{symbol}:{float(time) - second:.10g}" for symbol, _, time in timed)
        curves = {
            name: value if value is None or isinstance(value, int | float) else [(t - second, v) for t, v in value]
            for name, value in (("density", self.density), ("register", self.register), ("level", self.level))
        }
        downbeat = self.downbeat if self.bpm is None else self.downbeat - second
        return replace(self, downbeat=downbeat, chords=chords, **curves)

    @property
    def names(self) -> list[str]:
        """Names of the controls that are given."""
        return list(self.conditions(1, 1.0))

    def beat_grid(self, duration: float) -> BeatGrid | None:
        """Return the beats of as many seconds; None without a tempo."""
        if self.bpm is None:
            return None
        return BeatGrid.from_tempo(self.bpm, duration, self.downbeat, self.beats_per_bar)

    def chord_chart(self) -> ChordChart | None:
        """Return the chords; None without a chart."""
        if self.chords is None:
            return None
        return ChordChart.parse(self.chords, self.bpm, self.beats_per_bar, self.downbeat)

    def conditions(self, frames: int, frames_per_second: float) -> dict[str, Tensor]:
        """Compute the conditions for a pipeline's call.

        Args:
            frames: Number of latent frames of the mix.
            frames_per_second: Rate of the latent frames, `pipe.sampling_rate / pipe.hop_length`.

        Returns:
            `(1, channels, frames)` by name, for the controls that are given.
        """
        features = {}
        if (grid := self.beat_grid(frames / frames_per_second)) is not None:
            features["beat"] = grid.phases(frames, frames_per_second)
        if (chart := self.chord_chart()) is not None:
            features["chords"] = chart.features(frames, frames_per_second)
        for name, value, scale in (
            ("density", self.density, DENSITY),
            ("register", self.register, REGISTER),
            ("level", self.level, LEVEL),
        ):
            if value is not None:
                curve = Curve.constant(value) if isinstance(value, int | float) else Curve.points(value)
                features[name] = curve.features(frames, frames_per_second, scale)
        return {name: value[None] for name, value in features.items()}


def _check_range(value: Value | None, least: float, greatest: float, message: str) -> None:
    """Refuse numbers outside a range; `message` has {} for the number."""
    points = () if value is None else [(0.0, value)] if isinstance(value, int | float) else value
    for _, number in points:
        if not least <= number <= greatest:
            raise ValueError(f"got {message.format(f'{number:g}')}")
