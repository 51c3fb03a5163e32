"""A song as data: notes, parts, chords, keys, sections and the beat grid, with a lossless form for JSON.

These are the annotations of every track of the band corpus; the metrics of `latentstem.evaluation`
(chord share, onset and beat F1) are computed against them. Times are seconds from the start of the song, pitches
are MIDI numbers, pitch classes count semitones from C (0-11). The JSON form is one object with the fields of `Song`
under their own names, nested objects with the fields of `Section`, `Key`, `Chord`, `Part` and `Note`, lists for
tuples, and `"schema": SCHEMA_VERSION`. The page on the corpus in the docs lists every field.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

SCHEMA_VERSION = 4
"""Version of the JSON form, counted up when fields change.

Versions 2 and 3 are still read. They have no `genre`, and in version 2 the bass stood apart from `parts`, under `bass`.
"""
REGISTER_BASS = (28, 52)
"""Lowest and highest MIDI pitch of a composed bass: the low E of a bass guitar to the E two octaves above."""


@dataclass(frozen=True)
class Note:
    """A note in seconds.

    Attributes:
        start: Onset in seconds.
        end: End in seconds.
        pitch: MIDI pitch, 0 to 127.
        velocity: MIDI velocity, 1 to 127.

    Example:
        >>> Note(0.5, 1.0, pitch=33, velocity=90).end
        1.0
    """

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """The notes of one instrument.

    Attributes:
        name: Name of the part, unique in the song; also the stem's file name without suffix ("bass", "drums",
            "chords1", "lead", "voice").
        program: General MIDI program 0-127; for drums, the kit.
        is_drum: Whether the notes are drum keys.
        notes: Notes in order of their start.
        gain_db: Loudness of the part in dB over the reference loudness, by `latentstem.audio.active_rms`.

    Example:
        >>> Part("bass", program=33, is_drum=False, notes=(Note(0.0, 1.0, 33, 90),), gain_db=-3.0).name
        'bass'
    """

    name: str
    program: int
    is_drum: bool
    notes: tuple[Note, ...]
    gain_db: float


@dataclass(frozen=True)
class Chord:
    """A chord in seconds.

    Attributes:
        start: Onset in seconds.
        end: End in seconds.
        root: Pitch class of the root, 0 is C.
        bass: Pitch class of the lowest tone: the root, or another one in an inversion or over a foreign bass.
        pitch_classes: Pitch classes of all tones, the root first, a foreign bass last.
        symbol: Chord symbol, spelled in its key: "Am7", "C/E".

    Example:
        >>> Chord(0.0, 2.0, root=0, bass=4, pitch_classes=(0, 4, 7), symbol="C/E").symbol
        'C/E'
    """

    start: float
    end: float
    root: int
    bass: int
    pitch_classes: tuple[int, ...]
    symbol: str


@dataclass(frozen=True)
class Key:
    """A musical key in seconds.

    Attributes:
        start: Onset in seconds.
        end: End in seconds.
        tonic: Pitch class of the tonic, 0 is C.
        mode: Name of the scale, a key of `latentstem.data.compose.harmony.SCALES`.

    Example:
        >>> Key(0.0, 20.0, tonic=9, mode="minor").mode
        'minor'
    """

    start: float
    end: float
    tonic: int
    mode: str


@dataclass(frozen=True)
class Section:
    """A section of a song in seconds.

    Attributes:
        start: Onset in seconds.
        end: End in seconds.
        name: Name of the section: "intro", "verse", "chorus", "bridge", "break" or "outro".
        bass_style: Style of the bass in the section; empty where the bass rests throughout.

    Example:
        >>> Section(0.0, 16.0, name="verse", bass_style="walking").name
        'verse'
    """

    start: float
    end: float
    name: str
    bass_style: str


@dataclass(frozen=True)
class Song:
    """A composed song with its annotation.

    Attributes:
        seed: Seed of the song.
        duration: Length in seconds.
        tempo: Beats a minute; in 6/8 a beat is a dotted quarter, two a bar.
        metre: Time signature: "4/4", "3/4" or "6/8".
        swing: Position of the off-beat eighth in its beat: 0.5 is straight, 2/3 a triplet shuffle.
        beats: Times of the beats in seconds.
        bars: Times of the downbeats in seconds, a subset of `beats`.
        sections: Sections, which tile [0, duration] without gaps.
        keys: Keys, which tile [0, duration]; neighbours differ.
        chords: Chords, which tile [0, duration]; neighbours may be equal.
        parts: Notes of the instruments, each under a unique name. The composer's bands have a "bass", a monophonic
            line, and "chords1", which sounds every chord whole; some have a "voice", a monophonic melody.
        bass_style: Style of the bass in most of the song.
        genre: Name of the genre, a key of `latentstem.data.compose.genres.GENRES`; empty for a song without one.

    Example:
        >>> from latentstem.data.compose.composer import compose
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
    genre: str = ""

    def part(self, name: str) -> Part:
        """Find a part by its name.

        Raises:
            ValueError: If the song has no part of that name.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise ValueError(f"song {self.seed} has no part {name!r}, expected one of {', '.join(self.names)}")

    def others(self, target: str) -> tuple[Part, ...]:
        """Return every part but the one of that name: the parts of a mix without the target."""
        return tuple(part for part in self.parts if part.name != target)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts, in order."""
        return tuple(part.name for part in self.parts)

    def beginning(self, duration: float) -> "Song":
        """Cut the song to its first `duration` seconds: later items are left out, longer ones end with it."""

        def cut(items: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(replace(item, end=min(item.end, duration)) for item in items if item.start < duration)

        return replace(
            self,
            duration=min(self.duration, duration),
            beats=tuple(beat for beat in self.beats if beat < duration),
            bars=tuple(bar for bar in self.bars if bar < duration),
            sections=cut(self.sections),
            keys=cut(self.keys),
            chords=cut(self.chords),
            parts=tuple(replace(part, notes=cut(part.notes)) for part in self.parts),
        )

    def to_dict(self) -> dict:
        """Return plain dicts, lists, numbers and strings, ready for `json.dumps`."""
        return {"schema": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict) -> "Song":
        """Rebuild a song from the result of `to_dict`, also after JSON has made lists of its tuples.

        Args:
            data: Song as plain data in version 2, 3 or 4 of the schema.

        Raises:
            ValueError: If the data have another version of the schema.
        """
        version = data.get("schema", 1)
        if version not in (2, 3, SCHEMA_VERSION):
            raise ValueError(
                f"the song is written in schema {version}, expected 2, 3 or {SCHEMA_VERSION}: render the corpus again"
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
