"""Bass lines: one note at a time, following the sounding chord in one of ten styles."""

from collections.abc import Sequence

from latentstem.data.comping import Span
from latentstem.data.dice import Dice
from latentstem.data.grid import Stroke
from latentstem.data.harmony import Harmony
from latentstem.data.score import REGISTER_BASS

STYLES = {
    "roots": 2.0,
    "eighths": 2.0,
    "root_fifth": 1.5,
    "octaves": 1.2,
    "arpeggio": 1.5,
    "walking": 1.5,
    "syncopated": 1.5,
    "kick": 1.5,
    "sustained": 1.5,
    "riff": 1.2,
}
SYNCOPATIONS = ((0, 0.75, 1.5), (0, 1.5, 2.5, 3.5), (0, 0.5, 1.5, 2, 3.5), (0, 1.5, 2, 3), (0, 0.75, 2, 2.75))


class Bassist:
    """One song's bass player.

    Args:
        dice: source of the draws.
        beats_per_bar: 3 or 4.
        kicks: beats of the bass drum within a bar; the style "kick" plays on them.
        swung: whether the song swings, which favours walking.

    Example:
        >>> bassist = Bassist(Dice(0), beats_per_bar=4, kicks=(0.0, 2.0), swung=False)
        >>> strokes = bassist.play([Span(Harmony(9, (0, 3, 7)), 0.0, 4.0)])
        >>> strokes[0].pitch % 12
        9
    """

    def __init__(self, dice: Dice, beats_per_bar: int, kicks: Sequence[float], swung: bool):
        self.dice, self.beats_per_bar = dice, beats_per_bar
        self.style = dice.weighted({**STYLES, "walking": 5.0} if swung else STYLES)
        self.program = 32 + dice.below(8)
        self.floor = 28 + dice.below(8)
        self.kicks = tuple(kicks) if kicks else (0.0, 1.5, 2.0)
        self.syncopation = dice.pick(SYNCOPATIONS)
        self.figure = [step / 2 for step in range(2 * beats_per_bar) if step == 0 or dice.chance(0.5)]
        self.degrees = [0] + [dice.weighted({0: 4, 1: 1, 2: 2, 3: 1.5}) for _ in self.figure[1:]]
        self.contour = dice.pick(((0, 1, 2, 3), (0, 2, 3, 2), (0, 1, 2, 1), (0, 3, 2, 1)))
        self.quick = dice.chance(0.4)
        self.length = dice.uniform(0.55, 1.0)
        self.rests = dice.pick((0.0, 0.03, 0.07))
        self.approach = dice.pick((0.0, 0.1, 0.25))
        self.velocity = dice.uniform(85, 112)

    def root(self, harmony: Harmony) -> int:
        """The lowest root from the song's floor up: MIDI 28 to 46."""
        return self.floor + (harmony.root - self.floor) % 12

    def tone(self, harmony: Harmony, index: int) -> int:
        """Chord tone 0 (root), 1 (third), 2 (fifth) or 3 (octave) above the root, an octave lower at the top."""
        pitch = self.root(harmony) + (*harmony.intervals[:3], 12)[index]
        return pitch if pitch <= REGISTER_BASS[1] else pitch - 12

    def play(self, spans: list[Span]) -> list[Stroke]:
        """Play through the chords; a chord's first note is never left out."""
        strokes: list[Stroke] = []
        for span, follower in zip(spans, [*spans[1:], None], strict=True):
            onsets = self._onsets(span)
            pitches = self._pitches(span, onsets, follower)
            ends = [*onsets[1:], span.end]
            for order, (start, end, pitch) in enumerate(zip(onsets, ends, pitches, strict=True)):
                if order and self.dice.chance(self.rests):
                    continue
                length = 1.0 if self.style in ("sustained", "walking") else self.length
                accent = 6 if order == 0 else 0
                strokes.append(Stroke(start, start + length * (end - start), pitch, int(self.velocity + accent)))
        return strokes

    def _onsets(self, span: Span) -> list[float]:
        bar = self.beats_per_bar
        within: Sequence[float]
        if self.style == "sustained":
            return [span.start]
        if self.style in ("eighths", "octaves") or (self.style == "arpeggio" and self.quick):
            within = [step / 2 for step in range(2 * bar)]
        elif self.style == "syncopated":
            within = self.syncopation
        elif self.style == "kick":
            within = self.kicks
        elif self.style == "riff":
            within = self.figure
        elif self.style == "root_fifth" and bar == 4 and self.quick:
            within = (0, 2)
        else:
            within = range(bar)
        first, last = int(span.start // bar), int((span.end - 1e-6) // bar)
        onsets = [number * bar + beat for number in range(first, last + 1) for beat in within if beat < bar]
        return sorted({float(span.start), *(float(onset) for onset in onsets if span.start < onset < span.end)})

    def _pitches(self, span: Span, onsets: list[float], follower: Span | None) -> list[int]:
        harmony, dice = span.harmony, self.dice
        orders = range(len(onsets))
        if self.style == "root_fifth":
            indices = [(0, 2)[order % 2] for order in orders]
        elif self.style == "octaves":
            indices = [3 if onset % 1 else 0 for onset in onsets]
        elif self.style == "arpeggio":
            indices = [self.contour[order % 4] for order in orders]
        elif self.style == "walking":
            indices = [0 if order == 0 else dice.weighted({0: 1, 1: 3, 2: 3, 3: 1.5}) for order in orders]
        elif self.style == "riff":
            degree_on = dict(zip(self.figure, self.degrees, strict=True))
            indices = [0, *(degree_on[onset % self.beats_per_bar] for onset in onsets[1:])]
        else:
            indices = [0 for _ in orders]
        pitches = [self.tone(harmony, index) for index in indices]
        may_lead = self.style in ("walking", "riff", "eighths") and len(pitches) > 2
        if may_lead and follower and follower.harmony != harmony and dice.chance(self.approach):
            # A step into the next root, on the last note only, so that nearly all the time stays in the chord.
            step = self.root(follower.harmony) + dice.pick((-1, 1, -2, 2))
            pitches[-1] = min(max(step, REGISTER_BASS[0]), REGISTER_BASS[1])
        return pitches
