"""Musical time: beats to seconds with swing, and the small human unevenness on top."""

from dataclasses import dataclass, replace

from latentstem.data.dice import Dice
from latentstem.data.score import Note


@dataclass(frozen=True)
class Stroke:
    """A note in beats: `start` and `end` in beats, MIDI `pitch` and `velocity`."""

    start: float
    end: float
    pitch: int
    velocity: int

    def moved(self, beats: float) -> "Stroke":
        """Return the stroke `beats` later."""
        return replace(self, start=self.start + beats, end=self.end + beats)


@dataclass(frozen=True)
class Grid:
    """The map from beats to seconds.

    Attributes:
        tempo: beats a minute.
        beats_per_bar: 3 or 4.
        offset: seconds before the first beat.
        swing: where the off-beat eighth falls in its beat; 0.5 is straight, 2/3 is a triplet shuffle.
        duration: length of the song in seconds; nothing sounds after it.

    Example:
        >>> Grid(tempo=60.0, beats_per_bar=4, offset=0.0, swing=0.6, duration=10.0).seconds(1.5)
        1.6
    """

    tempo: float
    beats_per_bar: int
    offset: float
    swing: float
    duration: float

    def seconds(self, beat: float) -> float:
        """Return the time of a position in beats; both halves of a beat are stretched to swing."""
        whole = beat // 1
        part = beat - whole
        bent = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return self.offset + (whole + bent) * 60.0 / self.tempo

    @property
    def beats(self) -> int:
        """How many beats begin before the end of the song."""
        count = 0
        while self.seconds(count) < self.duration:
            count += 1
        return count

    def play(self, dice: Dice, strokes: list[Stroke], looseness: float, monophonic: bool = False) -> tuple[Note, ...]:
        """Turn strokes into notes of at least 40 ms, within the song, at times uneven by up to `looseness` seconds.

        In a monophonic line each note ends before the next one starts.
        """
        notes = []
        for stroke in sorted(strokes, key=lambda stroke: (stroke.start, stroke.pitch)):
            late = dice.uniform(-looseness, looseness)
            start = max(0.0, self.seconds(stroke.start) + late)
            end = min(self.duration, max(self.seconds(stroke.end), start + 0.05))
            velocity = min(127, max(1, stroke.velocity + int(dice.uniform(-6, 7))))
            if end - start >= 0.04:
                notes.append(Note(round(start, 4), round(end, 4), stroke.pitch, velocity))
        if monophonic:
            stops = [*(note.start - 0.005 for note in notes[1:]), self.duration]
            notes = [replace(note, end=round(min(note.end, stop), 4)) for note, stop in zip(notes, stops, strict=True)]
        return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))
