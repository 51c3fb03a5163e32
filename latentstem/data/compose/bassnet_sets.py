"""The artificial data sets A1 to A4 of BassNet (Grachten, Lattner and Deruty 2020, section 5.1).

In each of them the bass follows the chords and drums by one of a few patterns, which changes now and then at a bar
line: ground truth for what a model has learnt of harmony, timbre and rhythm. The published sets have 1000 songs each,
rendered with the soundfont FluidR3_GM; write them by

    write_corpus("A1", range(1000), ("fluidr3",), 60.0, compose=functools.partial(compose_artificial, "A1"))
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.harmony import SCALES, diatonic
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Chord, Key, Note, Part, Section, Song

Dataset = Literal["A1", "A2", "A3", "A4"]

BEATS = 4
ORGAN, GUITAR = 16, 24
"""Drawbar organ and acoustic guitar, which the paper counts from 1 as General MIDI programs 17 and 25."""
INSTRUMENTS = (*range(8), *range(16, 24), *range(24, 32), *range(48, 56))
"""The General MIDI groups piano, organ, guitar and (orchestral) ensemble."""
BASS = 33
"""Finger bass: the paper names no program for the bass."""
KICK, SNARE, HI_HAT = 36, 38, 42
TRANSITION = 0.2
"""Probability that the bass takes another pattern at a bar line: the paper gives no value."""

# Section 5.1: the notes of each pattern over a measure, as (beat, length in beats, chord degree). For A2 and A3 the
# degree depends on the chord or its instrument: see CONDITIONED.
_QUARTERS = tuple(range(BEATS))


def _quarters(*degrees: int) -> tuple[tuple[float, float, int], ...]:
    return tuple((float(beat), 1.0, degrees[beat % len(degrees)]) for beat in _QUARTERS)


_STAIRCASE = tuple((step / 2, 0.5, degree) for step, degree in enumerate((1, 2, 3, 4, 5, 4, 3, 2)))
PATTERNS = {
    "A1": (_quarters(1), _quarters(3), _quarters(5)),
    "A4": (_quarters(1, 5), _quarters(5, 1), _quarters(1, 3, 5, 3), _STAIRCASE, ((0.0, 1.0, 1),)),
}
CONDITIONED = {
    "A2": ({"minor": 1, "major": 5}, {"minor": 5, "major": 1}),
    "A3": ({"guitar": 1, "organ": 5}, {"guitar": 5, "organ": 1}),
}


@dataclass(frozen=True)
class _ChosenChord:
    """A chord of one or two measures, its scale degree, its root as a MIDI pitch, and the program that plays it in A3.

    Example:
        >>> _ChosenChord(BeatChord(diatonic(0, "major", 0, False), 0.0, 4.0, 0, "major"), 0, 48, ORGAN).bass_pitch(5)
        43
    """

    chord: BeatChord
    degree: int
    root: int
    program: int

    def bass_pitch(self, degree: int) -> int:
        """Return the MIDI pitch of chord degree 1 to 5 of the scale on the root, in the octave below the root."""
        scale = SCALES[self.chord.mode]
        steps = scale[(self.degree + degree - 1) % 7] - scale[self.degree]
        return self.root - 12 + steps % 12

    @property
    def conditions(self) -> set[str]:
        """Conditions of the patterns of A2 and A3 that the chord meets; a diminished triad counts as minor."""
        return {
            "major" if self.chord.harmony.intervals[1] == 4 else "minor",
            "organ" if self.program == ORGAN else "guitar",
        }


def compose_artificial(
    dataset: Dataset,
    seed: int,
    duration: float = 60.0,
    transition: float = TRANSITION,
    first_range: tuple[float, float] = (0.25, 0.75),
) -> Song:
    """Compose a song of BassNet's artificial data sets.

    Args:
        dataset: Name of the data set: "A1", "A2", "A3" or "A4".
        seed: Seed of the song; equal arguments give equal songs on every machine, and the sets share no songs.
        duration: Length in seconds, rounded to whole measures, at least one.
        transition: Probability that the bass takes another pattern at a bar line; the paper gives no value.
        first_range: Range of the first chord instrument's fraction of the mix's amplitude, of which the second has the
            rest; the paper gives no value.

    Returns:
        The song. Its sections are its measures, and the `bass_style` of each names the pattern, as the paper counts
        them: "A4.1" to "A4.5".

    Raises:
        ValueError: If `dataset` is unknown, or `duration` is not positive.

    Example:
        >>> song = compose_artificial("A1", seed=1, duration=8.0)
        >>> [section.bass_style for section in song.sections], len(song.bars)
        (['A1.3', 'A1.2', 'A1.2', 'A1.2'], 4)
    """
    if dataset not in (*PATTERNS, *CONDITIONED):
        raise ValueError(f"unknown data set {dataset!r}, expected one of A1, A2, A3, A4")
    if not duration > 0:
        raise ValueError(f"duration is {duration}, expected a positive number of seconds")
    rng = SeededRandom(seed).child(dataset)
    tonic, mode = rng.child("tonic").integer(12), rng.child("mode").choice(("major", "minor"))
    beat = 60.0 / round(rng.child("tempo").uniform(100.0, 200.0), 1)
    bars = max(1, round(duration / (BEATS * beat)))
    programs = (ORGAN, GUITAR) if dataset == "A3" else _draw_two(rng.child("programs"), INSTRUMENTS)
    first_fraction = 0.5 if dataset == "A3" else rng.child("share").uniform(*first_range)
    chosen_chords = _draw_chords(rng.child("chords"), bars, tonic, mode, programs)
    patterns = _draw_patterns(rng.child("bass"), bars, len({**PATTERNS, **CONDITIONED}[dataset]), transition)

    clock = _BeatClock(beat)
    chord_parts = []
    for index, (program, level) in enumerate(zip(programs, (first_fraction, 1.0 - first_fraction), strict=True)):
        # In A3 one of the two plays at a time, in the others both do.
        sounding = [chosen for chosen in chosen_chords if dataset != "A3" or chosen.program == program]
        notes = tuple(
            clock.note(start, 1.0, chosen.root + interval)
            for chosen in sounding
            for start in range(int(chosen.chord.start), int(chosen.chord.end))
            for interval in chosen.chord.harmony.intervals
        )
        if notes:
            chord_parts.append(Part(f"chords{index + 1}", program, False, notes, round(20 * math.log10(2 * level), 2)))
    drums = Part("drums", 0, True, _drums(clock, bars, doubled=dataset == "A4"), -3.0)
    bass_notes = []
    for bar, pattern in enumerate(patterns):
        chosen = next(chosen for chosen in chosen_chords if chosen.chord.start <= bar * BEATS < chosen.chord.end)
        for start, length, degree in _measure(dataset, pattern, chosen):
            bass_notes.append(clock.note(bar * BEATS + start, length, chosen.bass_pitch(degree)))

    beats = tuple(clock.seconds(index) for index in range(bars * BEATS + 1))
    styles = [f"{dataset}.{pattern + 1}" for pattern in patterns]
    return Song(
        seed=seed,
        duration=beats[-1],
        tempo=60.0 / beat,
        metre="4/4",
        swing=0.5,
        beats=beats[:-1],
        bars=beats[:-1:BEATS],
        sections=tuple(
            Section(beats[bar * BEATS], beats[(bar + 1) * BEATS], "measure", style) for bar, style in enumerate(styles)
        ),
        keys=(Key(0.0, beats[-1], tonic, mode),),
        chords=tuple(_chord(chosen, beats) for chosen in chosen_chords),
        parts=(Part("bass", BASS, False, tuple(bass_notes), 0.0), *chord_parts, drums),
        bass_style=Counter(styles).most_common(1)[0][0],
    )


@dataclass(frozen=True)
class _BeatClock:
    beat: float

    def seconds(self, beats: float) -> float:
        return round(beats * self.beat, 4)

    def note(self, start: float, length: float, pitch: int) -> Note:
        # 5 ms of silence, so that a repeated pitch begins anew.
        return Note(self.seconds(start), round(self.seconds(start + length) - 0.005, 4), pitch, 100)


def _draw_two(rng: SeededRandom, options: Sequence[int]) -> tuple[int, int]:
    first = rng.choice(options)
    return first, rng.choice([option for option in options if option != first])


def _draw_chords(rng: SeededRandom, bars: int, tonic: int, mode: str, programs: tuple[int, int]) -> list[_ChosenChord]:
    """Draw diatonic triads of one or two measures in root position, the root within MIDI 48 to 60."""
    chosen_chords: list[_ChosenChord] = []
    bar, degree, program = 0, -1, rng.choice(programs)
    while bar < bars:
        # No chord follows itself: it would last longer than two measures.
        degree = rng.choice([other for other in range(7) if other != degree])
        harmony = diatonic(tonic, mode, degree, seventh=False)
        stop = min(bar + rng.choice((1, 2)), bars)
        root = rng.choice([pitch for pitch in range(48, 61) if pitch % 12 == harmony.root])
        if chosen_chords and rng.bernoulli(0.5):
            program = programs[1 - programs.index(program)]
        chord = BeatChord(harmony, float(bar * BEATS), float(stop * BEATS), tonic, mode)
        chosen_chords.append(_ChosenChord(chord, degree, root, program))
        bar = stop
    return chosen_chords


def _draw_patterns(rng: SeededRandom, bars: int, count: int, transition: float) -> list[int]:
    """Draw the index of the pattern that the bass follows in each measure."""
    patterns = [rng.integer(count)]
    while len(patterns) < bars:
        others = [pattern for pattern in range(count) if pattern != patterns[-1]]
        patterns.append(rng.choice(others) if rng.bernoulli(transition) else patterns[-1])
    return patterns


def _measure(dataset: str, pattern: int, chosen: _ChosenChord) -> Sequence[tuple[float, float, int]]:
    """Return the notes of a pattern in a measure of a chord, as (beat, length in beats, chord degree)."""
    if dataset in PATTERNS:
        return PATTERNS[dataset][pattern]
    rule = CONDITIONED[dataset][pattern]
    return _quarters(*(degree for condition, degree in rule.items() if condition in chosen.conditions))


def _drums(clock: _BeatClock, bars: int, doubled: bool) -> tuple[Note, ...]:
    """Write bass drum on one and three, snare on two and four, hi-hat in eighths; A4 doubles the bass drum on three."""
    measure = [(step / 2, HI_HAT) for step in range(2 * BEATS)]
    measure += [(0.0, KICK), (2.0, KICK), (1.0, SNARE), (3.0, SNARE), *([(2.5, KICK)] if doubled else [])]
    return tuple(clock.note(bar * BEATS + start, 0.5, pitch) for bar in range(bars) for start, pitch in sorted(measure))


def _chord(chosen: _ChosenChord, beats: Sequence[float]) -> Chord:
    chord = chosen.chord
    root, pitch_classes = chord.harmony.root, chord.harmony.pitch_classes
    return Chord(beats[int(chord.start)], beats[int(chord.end)], root, root, pitch_classes, chord.symbol)
