"""A song as data: notes, parts, chords, keys, sections and the beat grid, with a lossless form for JSON.

These are the annotations that come with every track of the band corpus; the figures of `latentstem.evaluation`
(chord share, onset and beat F1) are computed against them. Times are seconds from the start of the song, pitches
are MIDI numbers, pitch classes count semitones from C (0-11). The JSON form is one object with the fields of `Song`
under their own names, nested objects with the fields of `Section`, `Key`, `Chord`, `Part` and `Note`, lists for
tuples, and `"schema": SCHEMA_VERSION`. The page on the corpus in the docs lists every field.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

SCHEMA_VERSION = 3
"""Version of the JSON form; it grows when a field changes its name or its meaning.

In version 2 the bass stood apart from `parts`, under `bass`; it is still read.
"""
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
        name: of its own in the song, and the stem's file name without suffix ("bass", "drums", "chords1", "lead").
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
    """A chord from `start` to `end` seconds.

    Attributes:
        start: in seconds.
        end: in seconds.
        root: pitch class of the root.
        bass: pitch class of the lowest tone: the root, or another one in an inversion or over a foreign bass.
        pitch_classes: all that sounds, the root first, a foreign bass last.
        symbol: as a chart writes it, spelled in its key: "Am7", "C/E".
    """

    start: float
    end: float
    root: int
    bass: int
    pitch_classes: tuple[int, ...]
    symbol: str


@dataclass(frozen=True)
class Key:
    """A key from `start` to `end` seconds: pitch class of the `tonic`, and `mode`, a key of `harmony.SCALES`."""

    start: float
    end: float
    tonic: int
    mode: str


@dataclass(frozen=True)
class Section:
    """A section from `start` to `end` seconds.

    Attributes:
        start: in seconds.
        end: in seconds.
        name: "intro", "verse", "chorus", "bridge", "break" or "outro".
        bass_style: the pattern that the bass follows here; empty where it rests throughout.
    """

    start: float
    end: float
    name: str
    bass_style: str


@dataclass(frozen=True)
class Song:
    """A composed song with its annotation.

    Attributes:
        seed: the seed it was composed from.
        duration: length in seconds.
        tempo: beats a minute; in 6/8 a beat is a dotted quarter, two a bar.
        metre: "4/4", "3/4" or "6/8".
        swing: where the off-beat eighth falls in its beat: 0.5 is straight, 2/3 a triplet shuffle.
        beats: times of the beats in seconds.
        bars: times of the downbeats, a subset of `beats`.
        sections: they tile [0, duration] without gaps.
        keys: they tile [0, duration]; neighbours differ.
        chords: they tile [0, duration]; neighbours may be the same chord.
        parts: what the instruments play, each under a name of its own. The composer's bands have a "bass", a
            monophonic line, and "chords1", which sounds every chord whole.
        bass_style: the pattern that the bass follows in most of the song.

    Example:
        >>> from latentstem.data.composer import compose
        >>> song = compose(3, duration=8.0)
        >>> Song.from_dict(song.to_dict()) == song
        True
    """

    seed: int
    duration: float
    tempo: float
    metre: str
    swing: float
    beats: tuple[float, ...]
    bars: tuple[float, ...]
    sections: tuple[Section, ...]
    keys: tuple[Key, ...]
    chords: tuple[Chord, ...]
    parts: tuple[Part, ...]
    bass_style: str

    def part(self, name: str) -> Part:
        """Find a part by its name.

        Raises:
            ValueError: if the song has no such part.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise ValueError(f"song {self.seed} has no part {name!r}, expected one of {', '.join(self.names)}")

    def others(self, target: str) -> tuple[Part, ...]:
        """Give every part but the one of that name: what a mix without the target holds."""
        return tuple(part for part in self.parts if part.name != target)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts, in their order."""
        return tuple(part.name for part in self.parts)

    def beginning(self, duration: float) -> "Song":
        """The first `duration` seconds of the song: what starts later is left out, what lasts longer is cut."""

        def kept(spans: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(replace(span, end=min(span.end, duration)) for span in spans if span.start < duration)

        return replace(
            self,
            duration=min(self.duration, duration),
            beats=tuple(beat for beat in self.beats if beat < duration),
            bars=tuple(bar for bar in self.bars if bar < duration),
            sections=kept(self.sections),
            keys=kept(self.keys),
            chords=kept(self.chords),
            parts=tuple(replace(part, notes=kept(part.notes)) for part in self.parts),
        )

    def to_dict(self) -> dict:
        """Return plain dicts, lists, numbers and strings, ready for `json.dumps`."""
        return {"schema": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict) -> "Song":
        """Rebuild a song from `to_dict`, also after a trip through JSON (where tuples become lists).

        Args:
            data: written in the present version of the schema or in version 2.

        Raises:
            ValueError: if the data were written in another version of the schema.
        """
        version = data.get("schema", 1)
        if version not in (2, SCHEMA_VERSION):
            raise ValueError(
                f"the song is written in schema {version}, expected 2 or {SCHEMA_VERSION}: render the corpus again"
            )
        fields = {name: value for name, value in data.items() if name not in ("schema", "bass")}
        parts = [data["bass"], *data["parts"]] if version == 2 else data["parts"]
        return cls(
            **{
                **fields,
                "beats": tuple(data["beats"]),
                "bars": tuple(data["bars"]),
                "sections": tuple(Section(**section) for section in data["sections"]),
                "keys": tuple(Key(**key) for key in data["keys"]),
                "chords": tuple(
                    Chord(**{**chord, "pitch_classes": tuple(chord["pitch_classes"])}) for chord in data["chords"]
                ),
                "parts": tuple(_part(part) for part in parts),
            }
        )


def _part(data: dict) -> Part:
    return Part(**{**data, "notes": tuple(Note(**note) for note in data["notes"])})
