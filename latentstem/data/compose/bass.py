"""Bass lines: one note at a time, following the sounding chord in one of sixteen styles.

Most styles read a figure (`latentstem.data.compose.bass_patterns`) whose signs name tones of the chord; walking lines,
the moving voice and the pedal choose each pitch from where the line stands.
"""

import copy
from collections.abc import Sequence
from math import ldexp

from latentstem.data.compose.bass_patterns import ARTICULATION, ARTICULATIONS, FIGURES, KICKS, LONGEST
from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.groove import Groove
from latentstem.data.compose.harmony import ChordType
from latentstem.data.compose.melody import scale_over
from latentstem.data.compose.patterns import CLOSE, drawn_figure, onsets
from latentstem.data.compose.programs import BASSES, STYLES
from latentstem.data.compose.timing import BeatNote
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS

__all__ = ["STYLES", "Bassist"]

LISTENERS = 0.9  # share of the players who choose by the groove; the others play as if alone
# What sits on the groove wholly is 2 to this power likelier than what misses it wholly: a figure, the best of a style.
ATTENTION, STYLE_ATTENTION = 56, 20
RIFFS = 12  # that a player tries before keeping one
# Styles in which the last note before another chord may step into it.
LEADING = ("roots", "eighths", "root_fifth", "arpeggio", "riff", "half_time", "kick", "syncopated")


class Bassist:
    """One song's bass player.

    Args:
        rng: source of the draws.
        groove: what the band strikes in a bar; most players choose style and figure by it.
        swung: whether the song swings, which favours walking.

    Attributes:
        program: General MIDI program, a key of `BASSES`.
        style: a key of `STYLES`.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> bassist = Bassist(SeededRandom(0), Groove.of(TIME_SIGNATURES[0], drummer=None, compers=()), swung=False)
        >>> strokes = bassist.play([BeatChord(ChordType(9, (0, 3, 7)), 0.0, 4.0, 9, "minor")])
        >>> strokes[0].pitch % 12
        9
    """

    def __init__(self, rng: SeededRandom, groove: Groove, swung: bool):
        self.metre, self.swung = groove.metre, swung
        self.groove = groove
        self.program = rng.child("program").weighted_choice(
            {program: voice.weight for program, voice in BASSES.items()}
        )
        self.rng, self._styles = rng.child("playing"), rng.child("style")
        rng = rng.child("habits")
        self.lowest = BASSES[self.program].lowest
        # Low, in the middle, or now and then high: the song's lowest root.
        register = rng.weighted_choice({(28, 31): 4.0, (31, 36): 4.0, (37, 41): 1.0})
        self.floor = max(self.lowest, int(rng.uniform(register[0], register[1] + 1)))
        self.approach = rng.choice((0.0, 0.2, 0.5))
        self.chromatic = rng.choice((0.0, 0.3, 0.6))
        self.passing = rng.choice((0.0, 0.2, 0.4))
        self.rests = rng.choice((0.0, 0.0, 0.03, 0.07))
        self.ghosts = rng.choice((0.0, 0.0, 0.0, 0.05))
        self.below = rng.bernoulli(0.35)
        self.velocity = rng.uniform(85, 112)
        self.listens = rng.bernoulli(LISTENERS)
        self._choose_style(self._styles.weighted_choice(self._style_weights()))

    def variation(self, groove: Groove, restyled: bool) -> "Bassist":
        """The same player on the same instrument for another section: to its groove, in another style if asked."""
        other = copy.copy(self)
        other.groove = groove
        other._choose_style(
            self._styles.weighted_choice({**other._style_weights(), self.style: 0.0}) if restyled else self.style
        )
        return other

    def bottom(self, harmony: ChordType) -> int:
        """The lowest bass note of the chord from the song's floor up: the root, or the inversion's tone."""
        bass = harmony.root if harmony.bass is None else harmony.bass
        return self.floor + (bass - self.floor) % 12

    def tone(self, harmony: ChordType, sign: str) -> int:
        """The pitch that a sign of a figure names ("1", "3", "5", "7", "8"), within the register."""
        base = self.bottom(harmony)
        if sign not in "3578":
            return base
        if sign == "8":
            return next((pitch for pitch in (base + 12, base - 12) if self.lowest <= pitch <= REGISTER_BASS[1]), base)
        tones = harmony.pitch_classes
        pitch_class = tones[min("_357".index(sign), len(tones) - 1)]
        # Over an inversion the root takes the place of the tone that already lies in the bass.
        above = ((pitch_class - base) % 12) or (harmony.root - base) % 12
        pitch = base + above
        if pitch - 12 >= self.lowest and (pitch > REGISTER_BASS[1] or (sign == "5" and self.below)):
            return pitch - 12
        return pitch if pitch <= REGISTER_BASS[1] else base

    def play(self, spans: list[BeatChord]) -> list[BeatNote]:
        """Play through the chords: at least one note each, its bass note first except in pedal and moving voice."""
        strokes: list[BeatNote] = []
        longest = LONGEST.get(self.style, 64.0)
        for span, follower in zip(spans, [*spans[1:], None], strict=True):
            marks = self._marks(span)
            pitches = self._pitches(span, marks, follower)
            ends = [*(onset for onset, _ in marks[1:]), span.end]
            first = True
            for (start, sign), end, pitch in zip(marks, ends, pitches, strict=True):
                if sign == "r" or (not first and self.rng.bernoulli(self.rests)):
                    continue
                ghost = sign == "g" or (not first and end - start < 0.6 and self.rng.bernoulli(self.ghosts))
                length = min(end - start, longest) * (0.4 if ghost else self.length)
                accent = 7 if abs(start / self.metre.beats - round(start / self.metre.beats)) < CLOSE else 0
                velocity = self.rng.uniform(32, 48) if ghost else self.velocity + accent
                strokes.append(BeatNote(start, start + length, pitch, int(velocity)))
                first = False
        return strokes

    def _style_weights(self) -> dict[str, float]:
        """How likely each style is: the program's own leaning, swing, and how well the style can sit on the groove."""
        leaning = {}
        for style, weight in BASSES[self.program].styles.items():
            liking = max(self._groove_weight(figure, STYLE_ATTENTION) for figure in self._figures(style))
            leaning[style] = weight * (4.0 if self.swung and style == "walking" else 1.0) * liking
        return leaning

    def _groove_weight(self, figure: str, attention: int) -> float:
        # A power of two is exact on every machine, exp is not.
        return ldexp(1.0, round(attention * self.groove.fit(figure)) if self.listens else 0)

    def _choose_style(self, style: str) -> None:
        self.style = style
        figures = self._figures(style)
        likings = {number: self._groove_weight(figure, ATTENTION) for number, figure in enumerate(figures)}
        rng = self._styles
        self.figure = figures[rng.weighted_choice(likings)]
        self.length = rng.uniform(*ARTICULATION.get(style) or rng.choice(ARTICULATIONS))
        self.preference = rng.choice((0, 0, 7))
        self.last: int | None = None
        self.rising = rng.bernoulli(0.5)

    def _figures(self, style: str) -> Sequence[str]:
        """What a style may play; riffs are made up anew each time."""
        if style == "riff":
            return [self._riff() for _ in range(RIFFS)]
        if style == "kick":
            return [self.groove.figure or KICKS[self.metre.name]]
        return FIGURES[style][self.metre.name]

    def _riff(self) -> str:
        signs = {"1": 4.0, "3": 1.0, "5": 2.0, "8": 1.5, "7": 0.7, "a": 1.2, "r": 0.6}
        density, bars = self._styles.uniform(0.35, 0.8), self._styles.choice((1, 1, 2))
        drawn = drawn_figure(self._styles, self.metre, signs, density, bars)
        # One step out of the chord is a colour; with more of them the chord is lost.
        before, step, after = drawn.rpartition("a")
        return before.replace("a", "1") + step + after

    def _marks(self, span: BeatChord) -> list[tuple[float, str]]:
        """What the figure holds within a chord, its first note made the chord's bass note."""
        marks = onsets(self.figure, self.metre, span.start, span.end)
        late = self.figure[0] in ".r" and any(sign not in "r" for _, sign in marks)
        if not late and (not marks or marks[0][0] > span.start + CLOSE):
            marks.insert(0, (span.start, "1"))
        sounding = next((number for number, (_, sign) in enumerate(marks) if sign != "r"), 0)
        marks[sounding] = (marks[sounding][0], "1")
        return marks

    def _pitches(self, span: BeatChord, marks: list[tuple[float, str]], follower: BeatChord | None) -> list[int]:
        if self.style == "walking":
            return self._walk(span, [onset for onset, _ in marks], follower)
        if self.style == "moving_voice":
            return [self._move(span.harmony, order == 0) for order in range(len(marks))]
        if self.style == "pedal":
            base = self._pedal(span)
            return [base + 12 * (sign == "8" and base + 12 <= REGISTER_BASS[1]) for _, sign in marks]
        pitches = [self.tone(span.harmony, sign) for _, sign in marks]
        for order, (_, sign) in enumerate(marks[:-1]):
            if sign == "a":
                pitches[order] = self._into(span, pitches[order + 1], self.chromatic)
        if len(marks) > 1 and marks[-1][1] == "a":
            pitches[-1] = self._into(span, self.bottom((follower or span).harmony), self.chromatic)
        # After rests the last note may be the only one of its chord, and then it belongs to that chord.
        others = any(sign != "r" for _, sign in marks[:-1])
        short = span.end - marks[-1][0] <= 1.0 + CLOSE and len(marks) > 2 and others
        leaving = follower is not None and follower.harmony != span.harmony and self.style in LEADING
        if short and leaving and follower is not None and self.rng.bernoulli(self.approach):
            pitches[-1] = self._into(span, self.bottom(follower.harmony), self.chromatic)
        return pitches

    def _into(self, span: BeatChord, target: int, chromatic: float) -> int:
        """A step below or above a note to come: of the scale, or by that chance a semitone."""
        inside = [step for step in (-2, -1, 1, 2) if self.lowest <= target + step <= REGISTER_BASS[1]]
        scale = scale_over(span)
        steps = [step for step in inside if (target + step) % 12 in scale]
        if not steps or self.rng.bernoulli(chromatic):
            steps = [step for step in inside if abs(step) == 1]
        return target + self.rng.choice(steps)

    def _compass(self, tones: set[int]) -> list[int]:
        """Where those pitch classes lie in a moving line's compass."""
        highest = min(self.floor + 19, REGISTER_BASS[1])
        return [pitch for pitch in range(self.lowest, highest + 1) if pitch % 12 in tones]

    def _step(self, pitches: list[int], last: int, stay: float) -> int:
        """One of the nearest pitches, rather in the direction of the line; to stay costs `stay` semitones."""
        if self.rng.bernoulli(0.12):
            self.rising = not self.rising

        def cost(pitch: int) -> float:
            return (abs(pitch - last) or stay) + (3.5 if (pitch > last) != self.rising else 0.0)

        chosen = sorted(pitches, key=cost)[: 2 if self.rng.bernoulli(0.3) else 1]
        pitch = self.rng.choice(chosen)
        if pitch != last:
            self.rising = pitch > last
        return pitch

    def _walk(self, span: BeatChord, beats: list[float], follower: BeatChord | None) -> list[int]:
        """Chord tones on the strong beats, steps of the scale between, and a step into the next chord."""
        harmony, chord = span.harmony, set(span.harmony.pitch_classes)
        near = self.floor + 7 if self.last is None else self.last
        roots = self._compass({self.bottom(harmony) % 12})
        last = min(roots, key=lambda pitch: (abs(pitch - near), pitch))
        line = [last]
        for order, beat in enumerate(beats[1:], start=1):
            strong = abs(beat - round(beat)) < CLOSE and (round(beat) % 2 == 0 or self.metre.beats != 4)
            leaving = follower is not None and follower.harmony != harmony and order == len(beats) - 1
            if leaving and follower is not None and self.rng.bernoulli(0.25 + self.approach):
                targets = self._compass({self.bottom(follower.harmony) % 12})
                last = self._into(span, min(targets, key=lambda pitch: abs(pitch - last)), 0.5)
            else:
                passing = not strong and self.rng.bernoulli(self.passing)
                last = self._step(self._compass(scale_over(span) if passing else chord), last, stay=9.0)
            line.append(last)
        self.last = last
        return line

    def _move(self, harmony: ChordType, first: bool) -> int:
        """The next chord tone up or down: a fourth voice under the harmony."""
        tones = set(harmony.pitch_classes)
        if first and (harmony.bass is not None or self.last is None):
            tones = {self.bottom(harmony) % 12}
        last = self.floor + 7 if self.last is None else self.last
        pitches = self._compass(tones)
        if last <= self.floor + 1:
            self.rising = True
        elif last >= pitches[-1] - 1:
            self.rising = False
        self.last = self._step(pitches, last, stay=2.5)
        return self.last

    def _pedal(self, span: BeatChord) -> int:
        """The key's first or fifth tone where it belongs to the chord, else the chord's own bass."""
        for tone in ((span.tonic + self.preference) % 12, (span.tonic + 7 - self.preference) % 12):
            if span.harmony.bass is None and tone in span.harmony.pitch_classes:
                return self.floor + (tone - self.floor) % 12
        return self.bottom(span.harmony)
