"""Notes, chords and sections counted in beats and bars, from which `timing.TimeMap` makes those in seconds."""

from dataclasses import dataclass, replace

from latentstem.data.compose.harmony import ChordType, names_in


@dataclass(frozen=True)
class BeatNote:
    """A note in beats.

    Attributes:
        start: Onset in beats from the start of the song.
        end: End in beats from the start of the song.
        pitch: MIDI pitch, 0 to 127.
        velocity: MIDI velocity, 1 to 127.

    Example:
        >>> BeatNote(0.5, 1.0, pitch=33, velocity=90).moved(4.0).start
        4.5
    """

    start: float
    end: float
    pitch: int
    velocity: int

    def moved(self, beats: float) -> "BeatNote":
        """Return the note `beats` later."""
        return replace(self, start=self.start + beats, end=self.end + beats)


@dataclass(frozen=True)
class BeatChord:
    """A chord in beats.

    Attributes:
        harmony: Root, intervals and bass of the chord.
        start: First beat, counted from the start of the song.
        end: Beat at which the next chord begins.
        tonic: Pitch class of the key's tonic, 0 is C.
        mode: Name of the key's scale, a key of `harmony.SCALES`.

    Example:
        >>> BeatChord(ChordType(8, (0, 4, 7)), 0.0, 4.0, tonic=4, mode="major").symbol
        'G#'
    """

    harmony: ChordType
    start: float
    end: float
    tonic: int
    mode: str

    @property
    def symbol(self) -> str:
        """Symbol of the chord, spelled as its key is."""
        return self.harmony.written(names_in(self.tonic, self.mode))


@dataclass(frozen=True)
class BeatSection:
    """A section in bars.

    Attributes:
        name: "intro", "verse", "chorus", "bridge", "break" or "outro".
        first: First bar, counted from 0.
        stop: First bar of the next section.
        last: Whether this is the song's last chorus.

    Example:
        >>> BeatSection("verse", first=0, stop=8).last
        False
    """

    name: str
    first: int
    stop: int
    last: bool = False
