"""Notes, chords and sections of a song while it is written: counted in beats and bars, not in seconds."""

from dataclasses import dataclass, replace

from latentstem.data.compose.harmony import ChordType, names_in


@dataclass(frozen=True)
class BeatNote:
    """A note in beats: `start` and `end` in beats, MIDI `pitch` and `velocity`."""

    start: float
    end: float
    pitch: int
    velocity: int

    def moved(self, beats: float) -> "BeatNote":
        """Return the note `beats` later."""
        return replace(self, start=self.start + beats, end=self.end + beats)


@dataclass(frozen=True)
class BeatChord:
    """A chord on the beat grid: `harmony` from beat `start` to beat `end`, in the key of `tonic` and `mode`."""

    harmony: ChordType
    start: float
    end: float
    tonic: int
    mode: str

    @property
    def symbol(self) -> str:
        """The chord's symbol, spelled as its key is."""
        return self.harmony.written(names_in(self.tonic, self.mode))


@dataclass(frozen=True)
class BeatSection:
    """A section in bars: from bar `first` up to, not including, bar `stop`; `last` is said of the last chorus."""

    name: str
    first: int
    stop: int
    last: bool = False
