"""A small band that writes its own songs: tonic, mode, chords, drums, comping, lead and bass from one seed.

`compose(seed)` is the composer of the band corpus. It widens the artificial data sets of BassNet (Grachten,
Lattner and Deruty 2020, section 4.1: random diatonic triads, two instruments, one drum pattern) in every
direction in which a model could otherwise learn the corpus instead of the music.
"""

from dataclasses import replace

from latentstem.data.bassline import Bassist
from latentstem.data.comping import LEADS, Comper, Span, lead
from latentstem.data.dice import Dice
from latentstem.data.drums import Drummer
from latentstem.data.grid import Grid, Stroke
from latentstem.data.harmony import Grammar, Harmony
from latentstem.data.score import Chord, Note, Part, Song

__all__ = ["TEST_SEEDS", "TRAIN_SEEDS", "VALIDATION_SEEDS", "Chord", "Note", "Part", "Song", "compose"]

TRAIN_SEEDS = range(100_000)
VALIDATION_SEEDS = range(100_000, 101_000)
TEST_SEEDS = range(101_000, 102_000)


def compose(seed: int, duration: float = 30.0) -> Song:
    """Compose a song.

    Args:
        seed: the same seed and duration give the same song on every machine.
        duration: length in seconds; positive.

    Returns:
        The song. Its chords tile [0, duration], its bass is monophonic and follows them, and its first part
        sounds every chord whole.

    Raises:
        ValueError: if `duration` is not positive.

    Example:
        >>> song = compose(0, duration=10.0)
        >>> song == compose(0, duration=10.0), song.chords[-1].end
        (True, 10.0)
    """
    if not duration > 0:
        raise ValueError(f"duration is {duration}, expected a positive number of seconds")
    dice = Dice(seed)
    tonic, mode = dice.below(12), dice.weighted({"major": 4, "minor": 4, "dorian": 1.2, "mixolydian": 1.2})
    beats_per_bar = 4 if dice.chance(0.87) else 3
    swing = dice.uniform(0.57, 0.67) if dice.chance(0.22) else 0.5
    grid = Grid(round(dice.uniform(70, 170), 1), beats_per_bar, round(dice.uniform(0, 0.15), 3), swing, duration)

    bars = -(-grid.beats // beats_per_bar)
    phrase_bars = dice.pick((4, 4, 8))
    spans = _spans(dice, Grammar(dice, tonic, mode), bars, phrase_bars, beats_per_bar)
    # The song stops at its duration, in the middle of a chord; a chord of a quarter second or less is left out.
    stop = (duration - grid.offset) * grid.tempo / 60.0
    spans = [replace(span, end=min(span.end, stop)) for span in spans if grid.seconds(span.start) < duration - 0.25]

    drummer = Drummer(dice, beats_per_bar, swung=swing > 0.5)
    has_drums = dice.chance(0.85)
    parts: list[Part] = []
    if has_drums:
        strokes = _drums(dice, drummer, bars, phrase_bars)
        parts.append(_part("drums", drummer.kit, grid.play(dice, strokes, 0.004), dice.uniform(-6, 1), is_drum=True))
    comping = []
    for number in range(dice.weighted({2: 3, 3: 1.2})):
        player = Comper(dice, beats_per_bar, complete=number == 0)
        strokes = player.play(spans)
        if number and dice.chance(0.3):
            strokes = _leave_out(dice, strokes, phrase_bars * beats_per_bar)
        notes = grid.play(dice, strokes, 0.008)
        comping.append(_part(f"chords{number + 1}", player.program, notes, dice.uniform(-8, -1) - 2 * (number > 0)))
    if dice.chance(0.4):
        notes = grid.play(dice, lead(dice, spans, tonic, mode), 0.01)
        comping.append(_part("lead", dice.pick(LEADS), notes, dice.uniform(-8, -2)))

    bassist = Bassist(dice, beats_per_bar, drummer.kicks if has_drums else (), swung=swing > 0.5)
    bass_notes = grid.play(dice, bassist.play(spans), dice.pick((0.003, 0.008)), monophonic=True)
    bass = _part("bass", bassist.program, bass_notes, dice.uniform(-4, 1))

    beats = tuple(round(grid.seconds(beat), 4) for beat in range(grid.beats))
    return Song(
        seed=seed,
        duration=duration,
        tempo=grid.tempo,
        tonic=tonic,
        mode=mode,
        beats=beats,
        bars=beats[::beats_per_bar],
        chords=_chords(spans, grid),
        parts=(*comping, *parts),
        bass=bass,
        bass_style=bassist.style,
    )


def _part(name: str, program: int, notes: tuple[Note, ...], gain_db: float, is_drum: bool = False) -> Part:
    # A part that was left out everywhere in a short song has no notes and is rendered as silence.
    return Part(name, program, is_drum, notes, round(gain_db, 2))


def _spans(dice: Dice, grammar: Grammar, bars: int, phrase_bars: int, beats_per_bar: int) -> list[Span]:
    """Lay phrases end to end in a form like A A B A, each chord half a bar, one bar or two."""
    lengths = dice.pick(((1.0,), (1.0,), (1.0,), (2.0,), (0.5, 1.0), (1.0, 2.0), (0.5, 0.5, 1.0)))
    if beats_per_bar == 3:
        lengths = tuple(max(length, 1.0) for length in lengths)
    phrases = [_phrase(dice, grammar, phrase_bars, lengths) for _ in range(2)]
    form = dice.pick(("AABA", "AAAA", "ABAB", "AABB"))
    spans: list[Span] = []
    for number in range(-(-bars // phrase_bars)):
        position = float(number * phrase_bars * beats_per_bar)
        for harmony, length in phrases["AB".index(form[number % 4])]:
            spans.append(Span(harmony, position, position + length * beats_per_bar))
            position += length * beats_per_bar
    return spans


def _phrase(dice: Dice, grammar: Grammar, bars: int, lengths: tuple[float, ...]) -> list[tuple[Harmony, float]]:
    drawn: list[float] = []
    while sum(drawn) < bars:
        # Two halves share a bar, so a half is always drawn as a pair.
        length = dice.pick(lengths)
        drawn += [0.5, 0.5] if length == 0.5 else [min(length, bars - sum(drawn))]
    return list(zip(grammar.phrase(len(drawn)), drawn, strict=True))


def _chords(spans: list[Span], grid: Grid) -> tuple[Chord, ...]:
    starts = [0.0, *(round(grid.seconds(span.start), 4) for span in spans[1:])]
    ends = [*starts[1:], grid.duration]
    return tuple(
        Chord(start, end, span.harmony.root, span.harmony.pitch_classes, span.harmony.symbol)
        for span, start, end in zip(spans, starts, ends, strict=True)
    )


def _drums(dice: Dice, drummer: Drummer, bars: int, phrase_bars: int) -> list[Stroke]:
    fills, crashes = dice.chance(0.6), dice.chance(0.6)
    strokes: list[Stroke] = []
    for bar in range(bars):
        played = drummer.bar(
            fill=fills and bar % phrase_bars == phrase_bars - 1, opening=crashes and bar % phrase_bars == 0
        )
        strokes += [stroke.moved(bar * drummer.beats_per_bar) for stroke in played]
    return strokes


def _leave_out(dice: Dice, strokes: list[Stroke], phrase_beats: int) -> list[Stroke]:
    """Let a player sit out every other phrase, as arrangements do."""
    parity = dice.below(2)
    return [stroke for stroke in strokes if int(stroke.start // phrase_beats) % 2 == parity]
