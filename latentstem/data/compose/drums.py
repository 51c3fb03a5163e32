"""Drum parts: one bar of notes at a time, varied from bar to bar, in beats from the downbeat."""

import copy

from latentstem.data.compose.beats import BeatNote
from latentstem.data.compose.drum_patterns import (
    BACKBEAT,
    CLAP,
    CLOSED,
    CRASH,
    HAT,
    KICK,
    PATTERNS,
    RIDE,
    SNARE,
    STICK,
    SWUNG,
    TAMBOURINE,
    TOMS,
    WEIGHTS,
)
from latentstem.data.compose.genre import DrumPart
from latentstem.data.compose.patterns import CLOSE, onsets
from latentstem.data.compose.timing import TimeSignature
from latentstem.data.rng import SeededRandom

LOUDNESS = {"X": 108, "x": 92, "g": 45}
# Cymbals stay behind the drums.
SOFTER = {CLOSED: 10, RIDE: 8, TAMBOURINE: 12}
STEADY = ("house", "techno", "steppers")
"""Styles whose bass drum goes on through a fill."""
ROLLED = ("trap",)
"""Styles whose cymbal breaks into rolls."""
FILLS = {"toms": 4.0, "snare": 2.0, "build": 1.5, "kick_snare": 1.0, "stop": 1.0, "sparse": 1.5}


class Drummer:
    """One song's drummer: a pattern, a cymbal, and how often the playing departs from them.

    Args:
        rng: Source of the random draws.
        metre: Time signature of the song.
        swung: Whether the song swings, which favours the shuffle.
        part: Styles and sounds that a genre gives the drummer; without it those of `WEIGHTS`, or of `SWUNG`.

    Attributes:
        kit: General MIDI drum kit.
        kicks: Beats of the bass drum within a bar; may be empty.
        pulse: Pattern of the cymbal, one sign a sixteenth; may be empty.
        style: Drum style, a key of `PATTERNS[metre.name]`.

    Example:
        >>> drummer = Drummer(SeededRandom(0), TimeSignature("4/4", 4, 2), swung=False)
        >>> all(0 <= note.start < 4 for note in drummer.bar(fill=False, opening=True))
        True
    """

    def __init__(self, rng: SeededRandom, metre: TimeSignature, swung: bool, part: DrumPart | None = None):
        part = part or DrumPart((SWUNG if swung else WEIGHTS)[metre.name], backbeats=(SNARE, SNARE, SNARE, STICK, CLAP))
        self.metre, self.part = metre, part
        self.kit = rng.child("kit").choice(part.kits)
        self.rng, self._patterns = rng.child("playing"), rng.child("pattern")
        self.restlessness = rng.child("restlessness").choice((0.0, 0.1, 0.3))
        self.backbeat = rng.child("backbeat").choice(part.backbeats)
        self.style = self._patterns.weighted_choice(part.styles)
        self._choose_pattern(self._patterns.choice(part.cymbals))

    def variation(self) -> "Drummer":
        """Return this drummer with the other cymbal and another pattern, often of this drummer's style."""
        other = copy.copy(self)
        if self._patterns.bernoulli(0.35):
            other.style = self._patterns.weighted_choice(self.part.styles)
        other._choose_pattern(next((key for key in self.part.cymbals if key != self.cymbal), self.cymbal))
        return other

    def bar(self, fill: bool, opening: bool) -> list[BeatNote]:
        """Write one bar.

        Args:
            fill: Whether the bar ends with a fill.
            opening: Whether the bar starts with a crash.

        Returns:
            The notes, in beats from the downbeat.
        """
        rng, beats = self.rng, float(self.metre.beats)
        stop = beats - (rng.choice((1.0, 2.0)) if fill and beats > 2 else 1.0 if fill else 0.0)
        notes = [
            self._hit(beat, key, loudness + rng.uniform(-8, 8))
            for beat, key, loudness in self.hits
            if beat < stop - CLOSE or (key == KICK and self.style in STEADY)
        ]
        if self.style in ROLLED and rng.bernoulli(0.6):
            notes += self._roll(stop)
        if rng.bernoulli(self.restlessness):
            # One more kick, on an eighth where none is.
            taken = {round(beat * self.metre.division) for beat in self.kicks}
            free = [step for step in range(1, int(stop * self.metre.division + CLOSE)) if step not in taken]
            if free:
                notes.append(self._hit(rng.choice(free) / self.metre.division, KICK, rng.uniform(80, 100)))
        if opening:
            notes.append(self._hit(0.0, CRASH, rng.uniform(85, 105)))
        return notes + (self._fill(stop) if fill else [])

    def build_up(self, bars: int) -> list[BeatNote]:
        """Write a snare roll over some bars, without the bass drum: it grows denser and louder to the end.

        Args:
            bars: Length of the roll.

        Returns:
            The notes, in beats from the first downbeat.
        """
        end = float(bars * self.metre.beats)
        notes, beat = [], 0.0
        while beat < end - CLOSE:
            part = beat / end
            bar = beat // self.metre.beats * self.metre.beats
            hit = self._hit(beat - bar, self.backbeat, 45 + 65 * part + self.rng.uniform(-5, 5))
            notes.append(hit.moved(bar))
            beat += 1.0 if part < 0.5 else 0.5 if part < 0.75 else 0.25
        return notes

    def _choose_pattern(self, cymbal: int) -> None:
        self.cymbal = cymbal
        sounds = {HAT: cymbal, BACKBEAT: self.backbeat}
        pattern = self._patterns.choice(PATTERNS[self.metre.name][self.style])
        self.hits = [
            (beat, sounds.get(key, key), LOUDNESS[sign])
            for key, line in pattern.items()
            for beat, sign in onsets(line, self.metre, 0.0, float(self.metre.beats))
        ]
        self.kicks = tuple(beat for beat, key, _ in self.hits if key == KICK)
        self.pulse = pattern.get(HAT, "")

    def _hit(self, beat: float, key: int, velocity: float) -> BeatNote:
        loudness = min(127, max(1, int(velocity - SOFTER.get(key, 0))))
        return BeatNote(beat, min(beat + 0.2, float(self.metre.beats)), key, loudness)

    def _roll(self, stop: float) -> list[BeatNote]:
        """Divide one eighth before beat `stop` into thirds or quarters on the cymbal."""
        eighth = self.rng.integer(int(stop * 2)) / 2
        count, growing = self.rng.choice((3, 4, 4)), self.rng.bernoulli(0.5)
        return [
            self._hit(eighth + order / (2 * count), self.cymbal, 60 + 12 * (order if growing else count - order))
            for order in range(1, count)
        ]

    def _fill(self, stop: float) -> list[BeatNote]:
        """Fill the bar from beat `stop` to its end."""
        rng, per_beat = self.rng, self.metre.division * self.rng.choice((1, 2, 2))
        kind = rng.weighted_choice(FILLS)
        count = round((self.metre.beats - stop) * per_beat)
        notes = []
        for step in range(count):
            beat, part = stop + step / per_beat, step / count
            if kind == "stop":
                if step == 0:
                    notes += [self._hit(beat, key, rng.uniform(100, 115)) for key in (KICK, SNARE)]
            elif kind == "toms":
                tom = TOMS[int(part * len(TOMS))]
                notes.append(self._hit(beat, rng.choice((tom, tom, tom, SNARE)), rng.uniform(80, 110)))
            elif kind in ("snare", "build"):
                swell = 50 + 60 * part if kind == "build" else rng.uniform(75, 110)
                notes.append(self._hit(beat, SNARE, swell))
            elif kind == "kick_snare":
                notes.append(self._hit(beat, KICK if step % 2 else SNARE, rng.uniform(85, 110)))
            elif rng.bernoulli(0.5):
                notes.append(self._hit(beat, rng.choice((SNARE, *TOMS)), rng.uniform(75, 105)))
        return notes
