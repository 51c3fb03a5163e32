"""Comping parts: chord instruments that play every chord in a role such as strum, arpeggio or pad.

A role turns a chord into notes; the voicing of each chord lies near that of the chord before.
"""

from latentstem.data.compose.beats import BeatChord, BeatNote
from latentstem.data.compose.comping_patterns import PATTERNS
from latentstem.data.compose.genre import CompingPart
from latentstem.data.compose.harmony import ChordType
from latentstem.data.compose.patterns import CLOSE, draw_pattern, onsets, steps_per_bar
from latentstem.data.compose.programs import CLEAR, FAMILIES, SPARSE
from latentstem.data.compose.timing import TimeSignature
from latentstem.data.compose.voicing import ClosePositionVoicer, FourPartVoicer
from latentstem.data.rng import SeededRandom

POWER = ("power", "metal")
"""Roles of power chords: roots and fifths, without the third."""
OFFBEAT = ("house_stabs", "skank", "bubble")
"""Roles that begin a chord after its first beat, also where the player must sound every chord whole."""
CONTOURS = ("up", "down", "updown", "broken", "alberti", "rolling", "inward")


class Comper:
    """One comping player.

    Args:
        rng: Source of the random draws.
        metre: Time signature of the song.
        complete: Whether the player must sound all tones of each chord: a clear program, and no sparse role.
        part: Programs and role that a genre gives the player; drawn from `FAMILIES` without it.

    Attributes:
        program: General MIDI program.
        role: Way of playing, a role of the program's family in `FAMILIES` or of `part`.
        pattern: Repeated rhythm, one sign a sixteenth; nothing but dots where chords are held or arpeggiated.

    Example:
        >>> player = Comper(SeededRandom(1), TimeSignature("4/4", 4, 2), complete=True)
        >>> notes = player.play([BeatChord(ChordType(0, (0, 4, 7)), 0.0, 4.0, 0, "major")])
        >>> sorted({note.pitch % 12 for note in notes})
        [0, 4, 7]
    """

    def __init__(self, rng: SeededRandom, metre: TimeSignature, complete: bool, part: CompingPart | None = None):
        self.metre, self.complete = metre, complete
        program = rng.child("program")
        self.program = program.choice(part.programs) if part else _program(program, complete)
        self.rng = rng.child("playing")
        pattern, voicing = rng.child("figure"), rng.child("voicing")
        rng = rng.child("habits")
        roles = part.roles if part else next(family.roles for family in FAMILIES if self.program in family.programs)
        self.role = rng.weighted_choice(
            {role: weight for role, weight in roles.items() if not complete or role not in SPARSE}
        )
        self.doubled = rng.bernoulli(0.35)
        self.length = rng.uniform(*(part.length if part else (0.35, 0.98)))
        self.velocity = rng.uniform(70, 100)
        self.roll = rng.uniform(0.0, 0.04) if self.role == "strum" or rng.bernoulli(0.15) else 0.0
        self.per_beat = metre.division * rng.choice((1, 1, 2))
        self.contour = rng.choice(CONTOURS)
        self.voicer = (
            FourPartVoicer() if self.role == "voices" else ClosePositionVoicer(voicing, voicing.uniform(56, 71))
        )
        self.pattern = self._pattern(pattern)

    def play(self, chords: list[BeatChord]) -> list[BeatNote]:
        """Write the notes over the chords; every note lies within its chord."""
        notes: list[BeatNote] = []
        for chord in chords:
            voicing = self._voicing(chord.harmony)
            if self.role == "arpeggio":
                notes += self._arpeggio(voicing, chord)
            elif self.role == "riff":
                notes += self._riff(voicing, chord)
            else:
                notes += self._chords(voicing, chord)
        return notes

    def _pattern(self, rng: SeededRandom) -> str:
        held = "." * steps_per_bar(self.metre)
        if self.role in ("pad", "voices"):
            # Held through the chord, or struck anew in every bar.
            return rng.choice((held, held, "x" + held[1:]))
        if self.role == "rhythm":
            return draw_pattern(rng, self.metre, {"x": 1.0}, 0.45, rng.choice((1, 1, 2)))
        if self.role == "riff":
            signs = {"0": 2.0, "1": 1.5, "2": 1.5, "3": 1.0}
            return draw_pattern(rng, self.metre, signs, rng.uniform(0.4, 0.85), rng.choice((1, 2)))
        return rng.choice(PATTERNS[self.role][self.metre.name]) if self.role in PATTERNS else held

    def _voicing(self, harmony: ChordType) -> list[int]:
        if self.role in POWER:
            root = 40 + (harmony.root - 40) % 12
            return [root, root + harmony.intervals[2], *([root + 12] if self.doubled else [])]
        voicing = self.voicer.voice(harmony)
        if self.role == "strum":
            # A guitar's strings: the chord over two octaves.
            return [*voicing, *(pitch + 12 for pitch in voicing[: 3 if self.doubled else 1])]
        return [*voicing, voicing[0] + 12] if self.doubled and self.role != "voices" else voicing

    def _chords(self, voicing: list[int], chord: BeatChord) -> list[BeatNote]:
        hits = onsets(self.pattern, self.metre, chord.start, chord.end)
        held = set(self.pattern) == {"."}
        # A hit in the last half beat of a chord would not sound for long enough to complete it.
        delayed = self.role in OFFBEAT and any(start <= chord.end - 0.5 + CLOSE for start, _ in hits)
        if (held or (self.complete and not delayed)) and (not hits or hits[0][0] > chord.start + CLOSE):
            hits.insert(0, (chord.start, "x"))
        elif self.complete:
            hits[0] = (hits[0][0], "d" if self.role == "strum" else "x")
        notes: list[BeatNote] = []
        length = self.rng.uniform(0.93, 1.0) if held or self.role in ("pad", "voices") else self.length
        for index, (start, sign) in enumerate(hits):
            room = (hits[index + 1][0] if index + 1 < len(hits) else chord.end) - start
            end = start + room * length
            velocity = self.velocity + (8 if start % self.metre.beats < CLOSE else 0)
            pitches = voicing
            if sign == "m":
                end, velocity = start + min(room, 0.15), velocity - 30
            elif sign == "u":
                pitches, velocity = voicing[::-1][: max(3, len(voicing) - 2)], velocity - 10
            # A rolled chord is whole well before the next one.
            roll = min(self.roll, 0.3 * (end - start) / len(pitches))
            notes += [BeatNote(start + roll * order, end, pitch, int(velocity)) for order, pitch in enumerate(pitches)]
        return notes

    def _arpeggio(self, voicing: list[int], chord: BeatChord) -> list[BeatNote]:
        low, *inner, high = voicing
        order = {
            "up": voicing,
            "down": voicing[::-1],
            "updown": voicing + voicing[-2:0:-1],
            "broken": [low, high, *inner],
            "alberti": [tone for middle in inner for tone in (low, high, middle, high)],
            "rolling": [low, *inner, high, *inner],
            "inward": [high, low, *inner[::-1], high],
        }[self.contour]
        length = chord.end - chord.start
        # A short chord must still sound all its tones, so its notes come faster.
        step = min(1 / self.per_beat, length / len(order)) if self.complete else min(1 / self.per_beat, length)
        count = int(length / step + CLOSE)
        ring = max(1.0, 2 * step) if self.complete else step * self.length
        notes = []
        for index in range(count):
            start = chord.start + index * step
            accent = 6 if index % len(order) == 0 else 0
            pitch = order[index % len(order)]
            notes.append(BeatNote(start, min(start + ring, chord.end), pitch, int(self.velocity + accent)))
        return notes

    def _riff(self, voicing: list[int], chord: BeatChord) -> list[BeatNote]:
        """Write single notes: the signs of the pattern count the voicing's tones from below."""
        events = onsets(self.pattern, self.metre, chord.start, chord.end)
        ends = [*(start for start, _ in events[1:]), chord.end][: len(events)]
        return [
            BeatNote(start, start + self.length * (end - start), voicing[int(sign) % len(voicing)], int(self.velocity))
            for (start, sign), end in zip(events, ends, strict=True)
        ]


def _program(rng: SeededRandom, complete: bool) -> int:
    if complete:
        return rng.choice(CLEAR)
    # By index, since a family holds a dict and has no hash.
    index = rng.weighted_choice({index: family.weight for index, family in enumerate(FAMILIES)})
    return rng.choice(FAMILIES[index].programs)
