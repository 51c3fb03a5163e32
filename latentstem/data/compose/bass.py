"""Monophonic bass lines over chords, in one of sixteen styles chosen by the groove of the band.

Most styles read a pattern (`latentstem.data.compose.bass_patterns`) whose signs name tones of the chord; walking lines,
the moving voice and the pedal choose each pitch from the pitch before it.
"""

import copy
from collections.abc import Sequence
from math import ldexp

from latentstem.data.compose.bass_patterns import ARTICULATION, ARTICULATIONS, KICKS, LONGEST, PATTERNS
from latentstem.data.compose.beats import BeatChord, BeatNote
from latentstem.data.compose.genre import BassPart
from latentstem.data.compose.groove import Groove
from latentstem.data.compose.harmony import ChordType
from latentstem.data.compose.melody import scale_over
from latentstem.data.compose.patterns import CLOSE, draw_pattern, onsets
from latentstem.data.compose.programs import BASSES, STYLES
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS

__all__ = ["STYLES", "Bassist"]

GROOVE_FOLLOWERS = 0.9  # fraction of the players who choose style and pattern by the groove
# A pattern (the best pattern of a style) that fits the groove wholly is 2 to this power likelier than one that never
# meets it.
GROOVE_EXPONENT, STYLE_EXPONENT = 56, 20
RIFFS = 12  # random patterns of which the style "riff" keeps one
# Styles in which the last note before another chord may step into it.
LEADING = ("roots", "eighths", "root_fifth", "arpeggio", "riff", "half_time", "kick", "syncopated")


class Bassist:
    """One song's bass player.

    Args:
        rng: Source of the random draws.
        groove: Rhythm of the band in a bar; most players choose style and pattern by it.
        swung: Whether the song swings, which favours the walking style.
        part: Instruments and styles that a genre gives the player; without it those of `BASSES`.

    Attributes:
        program: General MIDI program, a key of `BASSES`.
        style: Bass style, a key of `STYLES` or of `part.styles`.
        pattern: Pattern of the style, one sign a sixteenth.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> bassist = Bassist(SeededRandom(0), Groove.of(TIME_SIGNATURES[0], drummer=None, compers=()), swung=False)
        >>> notes = bassist.play([BeatChord(ChordType(9, (0, 3, 7)), 0.0, 4.0, 9, "minor")])
        >>> notes[0].pitch % 12
        9
    """

    def __init__(self, rng: SeededRandom, groove: Groove, swung: bool, part: BassPart | None = None):
        self.metre, self.swung, self.part = groove.metre, swung, part
        self.groove = groove
        programs = dict.fromkeys(part.programs, 1.0) if part else {key: voice.weight for key, voice in BASSES.items()}
        self.program = rng.child("program").weighted_choice(programs)
        self.rng, self._styles = rng.child("playing"), rng.child("style")
        rng = rng.child("habits")
        self.lowest = BASSES[self.program].lowest
        # Low, in the middle, or now and then high: the song's lowest root.
        register = rng.weighted_choice({part.floor: 1.0} if part else {(28, 31): 4.0, (31, 36): 4.0, (37, 41): 1.0})
        self.floor = max(self.lowest, int(rng.uniform(register[0], register[1] + 1)))
        self.approach = rng.choice((0.0, 0.2, 0.5))
        self.chromatic = rng.choice((0.0, 0.3, 0.6))
        self.passing = rng.choice((0.0, 0.2, 0.4))
        self.rests = rng.choice((0.0, 0.0, 0.03, 0.07))
        self.ghosts = rng.choice((0.0, 0.0, 0.0, 0.05))
        self.below = rng.bernoulli(0.35)
        self.velocity = rng.uniform(85, 112)
        self.follows_groove = part.follows_groove if part else rng.bernoulli(GROOVE_FOLLOWERS)
        self._choose_style(self._styles.weighted_choice(self._style_weights()))

    def variation(self, groove: Groove, restyled: bool) -> "Bassist":
        """Return this player, on the instrument it has, for another section.

        Args:
            groove: Rhythm of the band in that section.
            restyled: Whether to take another style than this player's.
        """
        other = copy.copy(self)
        other.groove = groove
        other._choose_style(
            self._styles.weighted_choice({**other._style_weights(), self.style: 0.0}) if restyled else self.style
        )
        return other

    def bottom(self, harmony: ChordType) -> int:
        """Return the lowest bass note of the chord at or above `floor`: the root, or the inversion's tone."""
        bass = harmony.root if harmony.bass is None else harmony.bass
        return self.floor + (bass - self.floor) % 12

    def tone(self, harmony: ChordType, sign: str) -> int:
        """Return the pitch that a sign of a pattern names ("1", "3", "5", "7", "8"), within the register."""
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

    def play(self, chords: list[BeatChord]) -> list[BeatNote]:
        """Write the notes over the chords.

        Each chord gets at least one note, and its bass note first except in the styles pedal and moving voice.
        """
        notes: list[BeatNote] = []
        longest = LONGEST.get(self.style, 64.0)
        for chord, next_chord in zip(chords, [*chords[1:], None], strict=True):
            events = self._events(chord)
            pitches = self._pitches(chord, events, next_chord)
            ends = [*(onset for onset, _ in events[1:]), chord.end]
            first = True
            for (start, sign), end, pitch in zip(events, ends, pitches, strict=True):
                if sign == "r" or (not first and self.rng.bernoulli(self.rests)):
                    continue
                ghost = sign == "g" or (not first and end - start < 0.6 and self.rng.bernoulli(self.ghosts))
                length = min(end - start, longest) * (0.4 if ghost else self.length)
                accent = 7 if abs(start / self.metre.beats - round(start / self.metre.beats)) < CLOSE else 0
                velocity = self.rng.uniform(32, 48) if ghost else self.velocity + accent
                notes.append(BeatNote(start, start + length, pitch, int(velocity)))
                first = False
        return notes

    def _style_weights(self) -> dict[str, float]:
        """Weigh each style by the program, by swing, and by how well its best pattern fits the groove.

        A genre has weights of its own.
        """
        if self.part:
            return dict(self.part.styles)
        weights = {}
        for style, weight in BASSES[self.program].styles.items():
            fit = max(self._groove_weight(pattern, STYLE_EXPONENT) for pattern in self._patterns(style))
            weights[style] = weight * (4.0 if self.swung and style == "walking" else 1.0) * fit
        return weights

    def _groove_weight(self, pattern: str, exponent: int) -> float:
        # A power of two is exact on every machine, exp is not.
        return ldexp(1.0, round(exponent * self.groove.fit(pattern)) if self.follows_groove else 0)

    def _choose_style(self, style: str) -> None:
        self.style = style
        patterns = self._patterns(style)
        weights = {index: self._groove_weight(pattern, GROOVE_EXPONENT) for index, pattern in enumerate(patterns)}
        rng = self._styles
        self.pattern = patterns[rng.weighted_choice(weights)]
        self.length = rng.uniform(*ARTICULATION.get(style) or rng.choice(ARTICULATIONS))
        self.preference = rng.choice((0, 0, 7))
        self.last: int | None = None
        self.rising = rng.bernoulli(0.5)

    def _patterns(self, style: str) -> Sequence[str]:
        """Return the patterns of a style; those of the style "riff" are drawn anew each time."""
        if style == "riff":
            return [self._riff() for _ in range(RIFFS)]
        kicks = self.groove.pattern or KICKS[self.metre.name]
        if style == "kick":
            return [kicks]
        if style == "808":
            return [self._slides(kicks)]
        if style == "unison":
            # Muted or not, every stroke of the riff is a note of the bass.
            return ["".join("." if sign == "." else "1" for sign in self.groove.riff) or kicks]
        return PATTERNS[style][self.metre.name]

    def _riff(self) -> str:
        signs = {"1": 4.0, "3": 1.0, "5": 2.0, "8": 1.5, "7": 0.7, "a": 1.2, "r": 0.6}
        density, bars = self._styles.uniform(0.35, 0.8), self._styles.choice((1, 1, 2))
        drawn = draw_pattern(self._styles, self.metre, signs, density, bars)
        # More than one step outside the chord would blur which chord it is.
        before, step, after = drawn.rpartition("a")
        return before.replace("a", "1") + step + after

    def _slides(self, pattern: str) -> str:
        """Let some of the long notes slide in their last sixteenth, to the octave or into the next note."""
        signs = list(pattern)
        for step in range(2, len(signs)):
            following = signs[(step + 1) % len(signs)]
            if following == "1" and signs[step - 1] == signs[step] == "." and self._styles.bernoulli(0.35):
                signs[step] = self._styles.choice("8a")
        return "".join(signs)

    def _events(self, chord: BeatChord) -> list[tuple[float, str]]:
        """Return position and sign of the pattern's notes within a chord; the first note is the chord's bass note."""
        events = onsets(self.pattern, self.metre, chord.start, chord.end)
        late = self.pattern[0] in ".r" and any(sign not in "r" for _, sign in events)
        if not late and (not events or events[0][0] > chord.start + CLOSE):
            events.insert(0, (chord.start, "1"))
        sounding = next((index for index, (_, sign) in enumerate(events) if sign != "r"), 0)
        events[sounding] = (events[sounding][0], "1")
        return events

    def _pitches(self, chord: BeatChord, events: list[tuple[float, str]], next_chord: BeatChord | None) -> list[int]:
        if self.style == "walking":
            return self._walk(chord, [onset for onset, _ in events], next_chord)
        if self.style == "moving_voice":
            return [self._move(chord.harmony, order == 0) for order in range(len(events))]
        if self.style == "pedal":
            base = self._pedal(chord)
            return [base + 12 * (sign == "8" and base + 12 <= REGISTER_BASS[1]) for _, sign in events]
        pitches = [self.tone(chord.harmony, sign) for _, sign in events]
        for order, (_, sign) in enumerate(events[:-1]):
            if sign == "a":
                pitches[order] = self._approach_pitch(chord, pitches[order + 1], self.chromatic)
        if len(events) > 1 and events[-1][1] == "a":
            pitches[-1] = self._approach_pitch(chord, self.bottom((next_chord or chord).harmony), self.chromatic)
        # After rests the last note may be the only one of its chord, and then it belongs to that chord.
        others = any(sign != "r" for _, sign in events[:-1])
        short = chord.end - events[-1][0] <= 1.0 + CLOSE and len(events) > 2 and others
        leaving = next_chord is not None and next_chord.harmony != chord.harmony and self.style in LEADING
        if short and leaving and next_chord is not None and self.rng.bernoulli(self.approach):
            pitches[-1] = self._approach_pitch(chord, self.bottom(next_chord.harmony), self.chromatic)
        return pitches

    def _approach_pitch(self, chord: BeatChord, target: int, chromatic: float) -> int:
        """Draw a pitch one step from the note that follows: a step of the scale, or at random a semitone.

        Args:
            chord: Chord under the approaching note.
            target: MIDI pitch of the note that follows.
            chromatic: Probability of a semitone.
        """
        inside = [step for step in (-2, -1, 1, 2) if self.lowest <= target + step <= REGISTER_BASS[1]]
        scale = scale_over(chord)
        steps = [step for step in inside if (target + step) % 12 in scale]
        if not steps or self.rng.bernoulli(chromatic):
            steps = [step for step in inside if abs(step) == 1]
        return target + self.rng.choice(steps)

    def _compass(self, tones: set[int]) -> list[int]:
        """Return the MIDI pitches of those pitch classes within the range of a walking or moving line."""
        highest = min(self.floor + 19, REGISTER_BASS[1])
        return [pitch for pitch in range(self.lowest, highest + 1) if pitch % 12 in tones]

    def _step(self, pitches: list[int], last: int, stay: float) -> int:
        """Draw one of the nearest pitches, preferring the line's direction; a repeated pitch costs `stay` semitones."""
        if self.rng.bernoulli(0.12):
            self.rising = not self.rising

        def cost(pitch: int) -> float:
            return (abs(pitch - last) or stay) + (3.5 if (pitch > last) != self.rising else 0.0)

        chosen = sorted(pitches, key=cost)[: 2 if self.rng.bernoulli(0.3) else 1]
        pitch = self.rng.choice(chosen)
        if pitch != last:
            self.rising = pitch > last
        return pitch

    def _walk(self, chord: BeatChord, beats: list[float], next_chord: BeatChord | None) -> list[int]:
        """Walk: chord tones on the strong beats, steps of the scale between, and a step into the next chord."""
        harmony, chord_tones = chord.harmony, set(chord.harmony.pitch_classes)
        near = self.floor + 7 if self.last is None else self.last
        roots = self._compass({self.bottom(harmony) % 12})
        last = min(roots, key=lambda pitch: (abs(pitch - near), pitch))
        line = [last]
        for order, beat in enumerate(beats[1:], start=1):
            strong = abs(beat - round(beat)) < CLOSE and (round(beat) % 2 == 0 or self.metre.beats != 4)
            leaving = next_chord is not None and next_chord.harmony != harmony and order == len(beats) - 1
            if leaving and next_chord is not None and self.rng.bernoulli(0.25 + self.approach):
                targets = self._compass({self.bottom(next_chord.harmony) % 12})
                last = self._approach_pitch(chord, min(targets, key=lambda pitch: abs(pitch - last)), 0.5)
            else:
                passing = not strong and self.rng.bernoulli(self.passing)
                last = self._step(self._compass(scale_over(chord) if passing else chord_tones), last, stay=9.0)
            line.append(last)
        self.last = last
        return line

    def _move(self, harmony: ChordType, first: bool) -> int:
        """Move to a near chord tone up or down, as a fourth voice under the harmony."""
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

    def _pedal(self, chord: BeatChord) -> int:
        """Return the key's first or fifth tone where it belongs to the chord, else the chord's own bass."""
        for tone in ((chord.tonic + self.preference) % 12, (chord.tonic + 7 - self.preference) % 12):
            if chord.harmony.bass is None and tone in chord.harmony.pitch_classes:
                return self.floor + (tone - self.floor) % 12
        return self.bottom(chord.harmony)
