"""Chords as pitch classes and lowest tone at the rate of latent frames, and charts of chords as text."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from latentstem._checks import short

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "add9": (0, 4, 7, 2),
    "madd9": (0, 3, 7, 2),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mMaj7": (0, 3, 7, 11),
    "7sus4": (0, 5, 7, 10),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "7#5": (0, 4, 8, 10),
    "maj7#5": (0, 4, 8, 11),
    "9": (0, 4, 7, 10, 2),
    "m9": (0, 3, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2),
}
"""Semitones above the root by the quality of a chord symbol."""
SPELLINGS = {
    "maj": "",
    "M": "",
    "min": "m",
    "-": "m",
    "+": "aug",
    "sus": "sus4",
    "M7": "maj7",
    "min7": "m7",
    "-7": "m7",
}
"""Other spellings of qualities."""
NO_CHORD = ("N", "N.C.", "NC")
"""Symbols of times without a chord."""
CHANNELS = 25
"""Channels of a chart's features."""

_NOTE = re.compile(r"([A-G])([#b♯♭]?)")


@dataclass(frozen=True)
class TimedChord:
    """A chord in seconds.

    Attributes:
        start: Onset in seconds.
        end: End in seconds; infinite for a chord that goes on.
        bass: Pitch class of the lowest tone, 0 is C: the root, or the tone after the slash.
        pitch_classes: Pitch classes of all tones, with the lowest one among them.
        symbol: Chord symbol that it was read from; empty for other chords. It does not count for equality.

    Example:
        >>> TimedChord(0.0, 2.0, bass=4, pitch_classes=(0, 4, 7)).bass  # C/E
        4
    """

    start: float
    end: float
    bass: int
    pitch_classes: tuple[int, ...]
    symbol: str = field(default="", compare=False)

    @classmethod
    def of(cls, symbol: str, start: float, end: float) -> "TimedChord":
        """Read a chord symbol, such as "Am7", "Bbmaj7", "F#m7b5" or "C/E".

        Args:
            symbol: Root, quality and, after a slash, the lowest tone where that is not the root.
            start: Onset in seconds.
            end: End in seconds.

        Raises:
            ValueError: The symbol cannot be read.

        Example:
            >>> TimedChord.of("Am7/G", 0.0, 1.0).pitch_classes
            (9, 0, 4, 7)
        """
        upper, slash, lowest = symbol.partition("/")
        note, below = _NOTE.match(upper), _NOTE.fullmatch(lowest)
        quality = upper[note.end() :] if note else ""
        intervals = QUALITIES.get(SPELLINGS.get(quality, quality))
        if note is None or intervals is None or (slash and below is None):
            raise ValueError(
                f"cannot read the chord {short(symbol)}; expected a root from A to G, with # or b, one of the "
                f"qualities {' '.join(filter(None, QUALITIES))} or none, and after a slash the lowest tone; or N for "
                "no chord"
            )
        root = _pitch_class(note)
        tones = tuple((root + interval) % 12 for interval in intervals)
        bass = _pitch_class(below) if below else root
        return cls(start, end, bass, tones if bass in tones else (*tones, bass), symbol)


@dataclass(frozen=True)
class ChordChart:
    """The chords of a song.

    Attributes:
        chords: Chords in order, none over another; no chord is known between them and after them.

    Example:
        >>> chart = ChordChart.parse("| C | Am7 F | % | N |", bpm=120.0)
        >>> [(chord.start, chord.bass) for chord in chart.chords]
        [(0.0, 0), (2.0, 9), (3.0, 5), (4.0, 9), (5.0, 5)]
        >>> chart.features(frames=86, frames_per_second=44100 / 4096).shape
        torch.Size([25, 86])
    """

    chords: tuple[TimedChord, ...]

    @classmethod
    def parse(cls, text: str, bpm: float | None = None, beats_per_bar: int = 4, downbeat: float = 0.0) -> "ChordChart":
        """Read a chart: chords with times, `"C:0 Am7:2.5 N:5"`, or bars, `"| C | Am7 F | % | N |"`.

        A chord with a time in seconds lasts until the next one, the last without end. The chords of a bar share it
        evenly, `%` repeats the bar before, and after the last bar no chord is known. `N` is no chord. A chart may have
        several lines.

        Args:
            text: Chart.
            bpm: Beats a minute, of bars.
            beats_per_bar: Number of beats in a bar.
            downbeat: Time in seconds at which the first bar begins.

        Raises:
            ValueError: Something cannot be read, or bars come without a tempo; the message names it.

        Example:
            >>> chart = ChordChart.parse("C:0 G/B:2.5 N:5")
            >>> [(chord.start, chord.end, chord.bass) for chord in chart.chords]
            [(0.0, 2.5, 0), (2.5, 5.0, 11)]
        """
        if not isinstance(text, str):
            raise TypeError(f"got {short(text)} as a chart of chords; expected a text such as 'C:0 Am7:2.5'")
        if "|" not in text:
            timed = _read_times(text)
        elif bpm is None:
            raise ValueError(
                f"got the bars {short(text.split()[:6])} without a tempo; give bpm, or chords with times: C:0 F:2"
            )
        elif not (math.isfinite(bpm) and bpm > 0 and beats_per_bar >= 1 and math.isfinite(downbeat)):
            raise ValueError(
                f"got {bpm} beats a minute, {beats_per_bar} a bar, from {downbeat} s; expected positive numbers"
            )
        else:
            timed = _place_bars(_read_bars(text), downbeat, 60.0 / bpm * beats_per_bar)
        return cls(tuple(TimedChord.of(*chord) for chord in timed if chord[0] not in NO_CHORD))

    def features(self, frames: int, frames_per_second: float) -> Tensor:
        """Compute the mean over the time of each frame of what the chords are.

        Args:
            frames: Number of frames.
            frames_per_second: Rate of the frames; frame k lasts from `k / frames_per_second` until the next.

        Returns:
            `(25, frames)`: 12 pitch classes from C, 1 where they belong to the chord; 12 pitch classes, 1 for the
            lowest tone of the chord; and 1 where a chord is known. Frames in which chords change hold fractions.
        """
        edges = np.arange(frames + 1) / frames_per_second
        features = np.zeros((CHANNELS, frames))
        for chord in self.chords:
            first, last = np.clip(np.multiply((chord.start, chord.end), frames_per_second), 0, frames)
            cells = slice(math.floor(first), math.ceil(last))
            covered = np.minimum(edges[1:][cells], chord.end) - np.maximum(edges[:-1][cells], chord.start)
            rows = [*chord.pitch_classes, 12 + chord.bass, 24]
            features[rows, cells] += covered.clip(min=0) * frames_per_second
        return torch.from_numpy(features).float()


def _pitch_class(note: re.Match[str]) -> int:
    return (NATURALS[note[1]] + {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(note[2], 0)) % 12


def _read_times(text: str) -> Iterator[tuple[str, float, float]]:
    """Read symbols with times into symbols with start and end."""
    symbols, starts = [], []
    for word in text.split():
        symbol, _, seconds = word.rpartition(":")
        try:
            start = float(seconds)
        except ValueError:
            start = math.nan
        if not symbol or not math.isfinite(start):
            raise ValueError(
                f"cannot read {short(word)}; expected SYMBOL:SECONDS, such as Am7:2.5, or bars: | C | Am7 F |"
            )
        if starts and start <= starts[-1]:
            raise ValueError(f"got {short(word)} after a chord at {starts[-1]:g} s; expected times that ascend")
        symbols.append(symbol)
        starts.append(start)
    if not symbols:
        raise ValueError("got an empty chart; expected chords with times, such as C:0 F:2, or bars: | C | Am7 F |")
    return zip(symbols, starts, [*starts[1:], math.inf], strict=True)


def _read_bars(text: str) -> list[list[str]]:
    """Read the symbols of each bar, with repeated bars written out."""
    bars: list[list[str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        for bar in line.strip("|").split("|"):
            symbols = bar.split()
            if not symbols or (symbols == ["%"] and not bars):
                found = "%" if symbols else "nothing"
                raise ValueError(f"bar {len(bars) + 1} has {found} in {line!r}; expected chords, N, or % after a bar")
            bars.append(bars[-1] if symbols == ["%"] else symbols)
    return bars


def _place_bars(bars: Sequence[Sequence[str]], start: float, bar: float) -> Iterator[tuple[str, float, float]]:
    for number, symbols in enumerate(bars):
        for index, symbol in enumerate(symbols):
            share = 1 / len(symbols)
            yield symbol, start + (number + index * share) * bar, start + (number + (index + 1) * share) * bar
