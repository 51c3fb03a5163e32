"""A song as data: notes, parts, chords and the beat grid, in seconds, with a lossless form for JSON.

These are the annotations that come with every track of the band corpus; the figures of `latentstem.evaluation`
(chord share, onset and beat F1) are computed against them.
"""

from dataclasses import asdict, dataclass

REGISTER_BASS = (28, 52)
"""Lowest and highest MIDI pitch of a composed bass: the low E of a bass guitar to the E two octaves above."""


@dataclass(frozen=True)
class Note:
    """One note: `start` and `end` in seconds, MIDI `pitch` and `velocity`."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays.

    Attributes:
        name: the stem's file name without suffix ("bass", "drums", "chords1", "lead").
        program: General MIDI program 0-127; for drums, the kit.
        is_drum: whether the notes are drum keys.
        notes: in order of their start.
        gain_db: loudness of the sounding part against the project's reference loudness.
    """

    name: str
    program: int
    is_drum: bool
    notes: tuple[Note, ...]
    gain_db: float


@dataclass(frozen=True)
class Chord:
    """A chord from `start` to `end` seconds; `root` and `pitch_classes` count semitones from C (0-11)."""

    start: float
    end: float
    root: int
    pitch_classes: tuple[int, ...]
    symbol: str


@dataclass(frozen=True)
class Song:
    """A composed song with its annotation.

    Attributes:
        seed: the seed it was composed from.
        duration: length in seconds.
        tempo: beats a minute.
        tonic: pitch class of the tonic (0 is C).
        mode: "major", "minor", "dorian" or "mixolydian".
        beats: times of the beats in seconds.
        bars: times of the downbeats, a subset of `beats`.
        chords: they tile [0, duration] without gaps.
        parts: everything but the bass; the first one sounds every chord whole.
        bass: a monophonic line.
        bass_style: the name of the pattern that the bass follows.

    Example:
        >>> from latentstem.data.composer import compose
        >>> song = compose(3, duration=8.0)
        >>> Song.from_dict(song.to_dict()) == song
        True
    """

    seed: int
    duration: float
    tempo: float
    tonic: int
    mode: str
    beats: tuple[float, ...]
    bars: tuple[float, ...]
    chords: tuple[Chord, ...]
    parts: tuple[Part, ...]
    bass: Part
    bass_style: str

    @property
    def stems(self) -> tuple[Part, ...]:
        """Every part of the song, the bass first."""
        return (self.bass, *self.parts)

    def to_dict(self) -> dict:
        """Return plain dicts, lists, numbers and strings, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "Song":
        """Rebuild a song from `to_dict`, also after a trip through JSON (where tuples become lists)."""
        return cls(
            **{
                **data,
                "beats": tuple(data["beats"]),
                "bars": tuple(data["bars"]),
                "chords": tuple(
                    Chord(**{**chord, "pitch_classes": tuple(chord["pitch_classes"])}) for chord in data["chords"]
                ),
                "parts": tuple(_part(part) for part in data["parts"]),
                "bass": _part(data["bass"]),
            }
        )


def _part(data: dict) -> Part:
    return Part(**{**data, "notes": tuple(Note(**note) for note in data["notes"])})
