"""Beats to seconds: tempo, swing, and the humanization of onsets and velocities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from latentstem.data.compose.beats import BeatNote
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note


@dataclass(frozen=True)
class TimeSignature:
    """A time signature: `beats` a bar, each of `division` equal parts.

    4/4 is `TimeSignature("4/4", 4, 2)`, 3/4 is `TimeSignature("3/4", 3, 2)`, and 6/8 has two beats of three eighths,
    `TimeSignature("6/8", 2, 3)`. Every position in the composer is counted in these beats.

    Attributes:
        name: Name as written: "4/4", "3/4" or "6/8".
        beats: Beats a bar.
        division: Eighths a beat.

    Example:
        >>> [signature.beats * signature.division for signature in TIME_SIGNATURES]  # eighths a bar
        [8, 6, 6]
    """

    name: str
    beats: int
    division: int


TIME_SIGNATURES = (TimeSignature("4/4", 4, 2), TimeSignature("3/4", 3, 2), TimeSignature("6/8", 2, 3))


@dataclass(frozen=True)
class Humanization:
    """Deviations of a player from the beat grid and the written velocities.

    Attributes:
        push: Constant delay of the onsets in seconds; below 0, ahead of the beat.
        looseness: Greatest random deviation of an onset in seconds; half of it varies slowly, half from note to note.
        force: Greatest random deviation of the velocity.

    Example:
        >>> Humanization(push=0.01, looseness=0.0, force=0.0).push
        0.01
    """

    push: float
    looseness: float
    force: float


@dataclass(frozen=True)
class TimeMap:
    """The map from beats to seconds.

    Attributes:
        tempo: Beats a minute.
        metre: Time signature of the song.
        offset: Seconds before the first beat.
        swing: Position of the off-beat eighth in its beat; 0.5 is straight, 2/3 is a triplet shuffle.
        duration: Length of the song in seconds; no note sounds after it.
        shuffle: Position of the off-beat sixteenth in its eighth, where a beat has two eighths; 0.5 is straight.

    Example:
        >>> TimeMap(tempo=60.0, metre=TIME_SIGNATURES[0], offset=0.0, swing=0.6, duration=10.0).seconds(1.5)
        1.6
    """

    tempo: float
    metre: TimeSignature
    offset: float
    swing: float
    duration: float
    shuffle: float = 0.5

    def seconds(self, beat: float) -> float:
        """Return the time in seconds of a position in beats.

        Swing stretches the first half of each beat, a shuffle the first half of each eighth.
        """
        whole = beat // 1
        part = beat - whole
        if self.shuffle != 0.5:
            eighth = part * 2 // 1
            part = (eighth + _stretch(part * 2 - eighth, self.shuffle)) / 2
        return self.offset + (whole + _stretch(part, self.swing)) * 60.0 / self.tempo

    @property
    def beats(self) -> int:
        """Number of beats that begin before the end of the song."""
        count = 0
        while self.seconds(count) < self.duration:
            count += 1
        return count

    def to_notes(
        self,
        rng: SeededRandom,
        notes: Sequence[BeatNote],
        humanization: Humanization,
        arc: Sequence[float] = (),
        monophonic: bool = False,
    ) -> tuple[Note, ...]:
        """Turn notes in beats into humanized notes in seconds of at least 40 ms, within the song.

        Args:
            rng: Source of the random deviations.
            notes: Notes in beats, in any order.
            humanization: Deviations of the player.
            arc: Velocity added at the start of each bar, interpolated linearly between; empty adds nothing.
            monophonic: Whether each note must end before the next one starts.

        Returns:
            The notes in order of their start.
        """
        timed, wander, beats = [], 0.0, self.metre.beats
        for note in sorted(notes, key=lambda note: (note.start, note.pitch)):
            wander = 0.8 * wander + 0.2 * rng.uniform(-1.0, 1.0)
            late = humanization.push + humanization.looseness * 0.5 * (wander + rng.uniform(-1.0, 1.0))
            start = max(0.0, self.seconds(note.start) + late)
            end = min(self.duration, max(self.seconds(note.end), start + 0.05))
            if end - start < 0.04:
                continue
            loudness = note.velocity + rng.uniform(-humanization.force, humanization.force)
            if arc:
                bar, beat = divmod(note.start, beats)
                now, then = arc[min(int(bar), len(arc) - 1)], arc[min(int(bar) + 1, len(arc) - 1)]
                loudness += now + (then - now) * beat / beats
            velocity = min(127, max(1, int(loudness)))
            timed.append(Note(round(start, 4), round(end, 4), note.pitch, velocity))
        timed.sort(key=lambda note: (note.start, note.pitch))
        return tuple(self._one_at_a_time(timed) if monophonic else timed)

    def _one_at_a_time(self, notes: list[Note]) -> list[Note]:
        stops = [*(note.start - 0.005 for note in notes[1:]), self.duration][: len(notes)]
        cut = [replace(note, end=round(min(note.end, stop), 4)) for note, stop in zip(notes, stops, strict=True)]
        # Of two notes nearly at once the second is kept.
        return [note for note in cut if note.end - note.start >= 0.02]


def _stretch(part: float, middle: float) -> float:
    """Move the middle of a unit of time to `middle`, and what lies on either side in proportion."""
    return part * 2 * middle if part < 0.5 else middle + (part - 0.5) * 2 * (1 - middle)
