"""Comping instruments: what is heard of the harmony without the bass.

Each player has one role, a way to turn a chord into strokes, and lays every chord near the last one.
"""

from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.harmony import ChordType
from latentstem.data.compose.patterns import CLOSE, drawn_figure, onsets, steps_per_bar
from latentstem.data.compose.programs import CLEAR, FAMILIES, SPARSE
from latentstem.data.compose.timing import BeatNote, TimeSignature
from latentstem.data.compose.voicing import ClosePositionVoicer, FourPartVoicer
from latentstem.data.rng import SeededRandom

# One sign a sixteenth: "x" a hit, "m" a muted one, "d" a strum down, "u" one up.
FIGURES: dict[str, dict[str, tuple[str, ...]]] = {
    "block": {
        "4/4": ("x...x...x...x...", "x.......x.......", "x.x.x.x.x.x.x.x.", "x..............."),
        "3/4": ("x...x...x...", "x.x.x.x.x.x.", "x..........."),
        "6/8": ("x.....x.....", "x.x.x.x.x.x.", "x...x.x...x."),
    },
    "strum": {
        "4/4": (
            "d...d.u...u.d.u.",
            "d...d.u.d...d.u.",
            "d.u.d.u.d.u.d.u.",
            "d...d...d...d...",
            "d.......d...d.u.",
            "d..ud.u..u.ud.u.",
        ),
        "3/4": ("d...d.u.d.u.", "d...d...d...", "d.u.d.u.d.u.", "d.....u.d.u."),
        "6/8": ("d.u.u.d.u.u.", "d.....d.u.u.", "d...u.d...u.", "d.u.d.u.d.u."),
    },
    "stabs": {
        "4/4": (
            "x.....x.........",
            "x.....x.....x...",
            "..x.....x.......",
            "x.........x.....",
            "x..x..x...x..x..",
            "x...........x...",
            "....x.......x...",
        ),
        "3/4": ("x.....x.....", "x...x.......", "..x...x.....", "x.....x...x."),
        "6/8": ("x.......x...", "x.....x...x.", "..x...x.....", "x...x...x..."),
    },
    "offbeats": {
        "4/4": ("..x...x...x...x.", "..x...x...x...x.", "....x.......x...", "..xx..xx..xx..xx", "....x.x.....x.x."),
        "3/4": ("....x...x...", "....x...x...", "..x...x...x."),
        "6/8": ("..x.x...x.x.", "....x.....x.", "......x....."),
    },
    "funk": {
        "4/4": ("x.mmx.mxm.x.mmxm", "m.x.mmx.m.xmm.x.", "x.mm..xmm.xmm..x", "x..xm.mxm..xm.x."),
        "3/4": ("x.mmx.mxm.xm", "m.x.mmx.m.xm"),
        "6/8": ("x.mxm.x.mxm.", "x.m.x.mmx.m."),
    },
    "power": {
        "4/4": (
            "x.x.x.x.x.x.x.x.",
            "x..x..x...x...x.",
            "x...............",
            "x.xxx.xxx.xxx.xx",
            "x.......x...x.x.",
            "x.m.m.m.x.m.m.m.",
        ),
        "3/4": ("x.x.x.x.x.x.", "x...........", "x..x..x...x.", "x.m.m.x.m.m."),
        "6/8": ("x.x.x.x.x.x.", "x.....x.....", "x.m.m.x.m.m.", "x...x.x...x."),
    },
}
CONTOURS = ("up", "down", "updown", "broken", "alberti", "rolling", "inward")


class Comper:
    """One comping player.

    Args:
        rng: source of the draws.
        metre: of the song.
        complete: this player must sound each whole chord within each chord: a clear program, no sparse role.

    Attributes:
        program: General MIDI program.
        role: how it plays, a role of its family in `FAMILIES`.
        figure: the rhythm that it repeats, in tablature; nothing but dots where it holds or breaks its chords.

    Example:
        >>> player = Comper(SeededRandom(1), TimeSignature("4/4", 4, 2), complete=True)
        >>> strokes = player.play([BeatChord(ChordType(0, (0, 4, 7)), 0.0, 4.0, 0, "major")])
        >>> sorted({stroke.pitch % 12 for stroke in strokes})
        [0, 4, 7]
    """

    def __init__(self, rng: SeededRandom, metre: TimeSignature, complete: bool):
        self.metre, self.complete = metre, complete
        self.program = _program(rng.child("program"), complete)
        self.rng = rng.child("playing")
        figure, voicing = rng.child("figure"), rng.child("voicing")
        rng = rng.child("habits")
        roles = next(family.roles for family in FAMILIES if self.program in family.programs)
        self.role = rng.weighted_choice(
            {role: weight for role, weight in roles.items() if not complete or role not in SPARSE}
        )
        self.doubled = rng.bernoulli(0.35)
        self.length = rng.uniform(0.35, 0.98)
        self.velocity = rng.uniform(70, 100)
        self.roll = rng.uniform(0.0, 0.04) if self.role == "strum" or rng.bernoulli(0.15) else 0.0
        self.per_beat = metre.division * rng.choice((1, 1, 2))
        self.contour = rng.choice(CONTOURS)
        self.hand = FourPartVoicer() if self.role == "voices" else ClosePositionVoicer(voicing, voicing.uniform(56, 71))
        self.figure = self._figure(figure)

    def play(self, spans: list[BeatChord]) -> list[BeatNote]:
        """Play the chords through; every stroke lies within its chord."""
        strokes: list[BeatNote] = []
        for span in spans:
            voicing = self._voicing(span.harmony)
            if self.role == "arpeggio":
                strokes += self._arpeggio(voicing, span)
            elif self.role == "riff":
                strokes += self._riff(voicing, span)
            else:
                strokes += self._chords(voicing, span)
        return strokes

    def _figure(self, rng: SeededRandom) -> str:
        held = "." * steps_per_bar(self.metre)
        if self.role in ("pad", "voices"):
            # Held through the chord, or struck anew in every bar.
            return rng.choice((held, held, "x" + held[1:]))
        if self.role == "rhythm":
            return drawn_figure(rng, self.metre, {"x": 1.0}, 0.45, rng.choice((1, 1, 2)))
        if self.role == "riff":
            signs = {"0": 2.0, "1": 1.5, "2": 1.5, "3": 1.0}
            return drawn_figure(rng, self.metre, signs, rng.uniform(0.4, 0.85), rng.choice((1, 2)))
        return rng.choice(FIGURES[self.role][self.metre.name]) if self.role in FIGURES else held

    def _voicing(self, harmony: ChordType) -> list[int]:
        if self.role == "power":
            root = 40 + (harmony.root - 40) % 12
            return [root, root + harmony.intervals[2], *([root + 12] if self.doubled else [])]
        voicing = self.hand.voice(harmony)
        if self.role == "strum":
            # A guitar's strings: the chord over two octaves.
            return [*voicing, *(pitch + 12 for pitch in voicing[: 3 if self.doubled else 1])]
        return [*voicing, voicing[0] + 12] if self.doubled and self.role != "voices" else voicing

    def _chords(self, voicing: list[int], span: BeatChord) -> list[BeatNote]:
        hits = onsets(self.figure, self.metre, span.start, span.end)
        held = set(self.figure) == {"."}
        if (held or self.complete) and (not hits or hits[0][0] > span.start + CLOSE):
            hits.insert(0, (span.start, "x"))
        elif self.complete:
            hits[0] = (hits[0][0], "d" if self.role == "strum" else "x")
        strokes: list[BeatNote] = []
        length = self.rng.uniform(0.93, 1.0) if held or self.role in ("pad", "voices") else self.length
        for number, (start, sign) in enumerate(hits):
            room = (hits[number + 1][0] if number + 1 < len(hits) else span.end) - start
            end = start + room * length
            velocity = self.velocity + (8 if start % self.metre.beats < CLOSE else 0)
            notes = voicing
            if sign == "m":
                end, velocity = start + min(room, 0.15), velocity - 30
            elif sign == "u":
                notes, velocity = voicing[::-1][: max(3, len(voicing) - 2)], velocity - 10
            # A rolled chord is whole well before the next one.
            roll = min(self.roll, 0.3 * (end - start) / len(notes))
            strokes += [BeatNote(start + roll * order, end, pitch, int(velocity)) for order, pitch in enumerate(notes)]
        return strokes

    def _arpeggio(self, voicing: list[int], span: BeatChord) -> list[BeatNote]:
        low, *inner, high = voicing
        order = {
            "up": voicing,
            "down": voicing[::-1],
            "updown": voicing + voicing[-2:0:-1],
            "broken": [low, high, *inner],
            "alberti": [note for middle in inner for note in (low, high, middle, high)],
            "rolling": [low, *inner, high, *inner],
            "inward": [high, low, *inner[::-1], high],
        }[self.contour]
        length = span.end - span.start
        # A short chord must still be heard whole, so its strokes come faster.
        step = min(1 / self.per_beat, length / len(order)) if self.complete else min(1 / self.per_beat, length)
        count = int(length / step + CLOSE)
        ring = max(1.0, 2 * step) if self.complete else step * self.length
        strokes = []
        for index in range(count):
            start = span.start + index * step
            accent = 6 if index % len(order) == 0 else 0
            pitch = order[index % len(order)]
            strokes.append(BeatNote(start, min(start + ring, span.end), pitch, int(self.velocity + accent)))
        return strokes

    def _riff(self, voicing: list[int], span: BeatChord) -> list[BeatNote]:
        """Single notes: the figure's signs count the voicing's tones from below."""
        marks = onsets(self.figure, self.metre, span.start, span.end)
        ends = [*(start for start, _ in marks[1:]), span.end][: len(marks)]
        return [
            BeatNote(start, start + self.length * (end - start), voicing[int(sign) % len(voicing)], int(self.velocity))
            for (start, sign), end in zip(marks, ends, strict=True)
        ]


def _program(rng: SeededRandom, complete: bool) -> int:
    if complete:
        return rng.choice(CLEAR)
    # Families by number, since their tables have no hash.
    number = rng.weighted_choice({number: family.weight for number, family in enumerate(FAMILIES)})
    return rng.choice(FAMILIES[number].programs)
