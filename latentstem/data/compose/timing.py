"""Musical time: beats to seconds with swing, and the human unevenness on top."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from latentstem.data.compose.beats import BeatNote
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note


@dataclass(frozen=True)
class TimeSignature:
    """How bars are counted: `beats` a bar, each of `division` equal parts.

    4/4 is `TimeSignature("4/4", 4, 2)`, 3/4 is `TimeSignature("3/4", 3, 2)`, and 6/8 has two beats of three eighths,
    `TimeSignature("6/8", 2, 3)`. Every position in the composer is counted in these beats.
    """

    name: str
    beats: int
    division: int


TIME_SIGNATURES = (TimeSignature("4/4", 4, 2), TimeSignature("3/4", 3, 2), TimeSignature("6/8", 2, 3))


@dataclass(frozen=True)
class Humanization:
    """How a player sits in time.

    Attributes:
        push: seconds by which the player is always late; below 0, ahead.
        looseness: greatest further deviation in seconds; half of it wanders slowly, half is new with every note.
        force: greatest random deviation of the velocity.
    """

    push: float
    looseness: float
    force: float


@dataclass(frozen=True)
class TimeMap:
    """The map from beats to seconds.

    Attributes:
        tempo: beats a minute.
        metre: how the beats are counted.
        offset: seconds before the first beat.
        swing: where the off-beat eighth falls in its beat; 0.5 is straight, 2/3 is a triplet shuffle.
        duration: length of the song in seconds; nothing sounds after it.

    Example:
        >>> TimeMap(tempo=60.0, metre=TIME_SIGNATURES[0], offset=0.0, swing=0.6, duration=10.0).seconds(1.5)
        1.6
    """

    tempo: float
    metre: TimeSignature
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

    def to_notes(
        self,
        rng: SeededRandom,
        strokes: Sequence[BeatNote],
        feel: Humanization,
        arc: Sequence[float] = (),
        monophonic: bool = False,
    ) -> tuple[Note, ...]:
        """Turn strokes into notes of at least 40 ms, within the song, uneven as the player's feel says.

        Args:
            rng: source of the deviations.
            strokes: in any order.
            feel: the player's.
            arc: what is added to the velocities at the start of each bar; between, it moves in a straight line.
            monophonic: each note ends before the next one starts.

        Returns:
            The notes in order of their start.
        """
        notes, wander, beats = [], 0.0, self.metre.beats
        for stroke in sorted(strokes, key=lambda stroke: (stroke.start, stroke.pitch)):
            wander = 0.8 * wander + 0.2 * rng.uniform(-1.0, 1.0)
            late = feel.push + feel.looseness * 0.5 * (wander + rng.uniform(-1.0, 1.0))
            start = max(0.0, self.seconds(stroke.start) + late)
            end = min(self.duration, max(self.seconds(stroke.end), start + 0.05))
            if end - start < 0.04:
                continue
            loudness = stroke.velocity + rng.uniform(-feel.force, feel.force)
            if arc:
                bar, beat = divmod(stroke.start, beats)
                now, then = arc[min(int(bar), len(arc) - 1)], arc[min(int(bar) + 1, len(arc) - 1)]
                loudness += now + (then - now) * beat / beats
            velocity = min(127, max(1, int(loudness)))
            notes.append(Note(round(start, 4), round(end, 4), stroke.pitch, velocity))
        notes.sort(key=lambda note: (note.start, note.pitch))
        return tuple(self._one_at_a_time(notes) if monophonic else notes)

    def _one_at_a_time(self, notes: list[Note]) -> list[Note]:
        stops = [*(note.start - 0.005 for note in notes[1:]), self.duration][: len(notes)]
        cut = [replace(note, end=round(min(note.end, stop), 4)) for note, stop in zip(notes, stops, strict=True)]
        # Two notes nearly at once: the second is the one that is heard.
        return [note for note in cut if note.end - note.start >= 0.02]
