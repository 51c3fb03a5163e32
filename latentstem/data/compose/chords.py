"""A song's chords on the beat grid: a phrase for each kind of section, keys that move between them, and endings."""

from collections.abc import Sequence
from dataclasses import replace

from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.form import BeatSection
from latentstem.data.compose.harmony import SCALES, ChordType, roman
from latentstem.data.compose.progressions import HarmonyStyle, blues
from latentstem.data.compose.timing import TimeMap
from latentstem.data.rng import SeededRandom

Phrase = list[tuple[ChordType, float]]
"""Chords with their lengths in beats."""
MODES = {
    "major": 4.0,
    "minor": 4.0,
    "dorian": 1.2,
    "mixolydian": 1.2,
    "phrygian": 0.3,
    "lydian": 0.3,
    "harmonic minor": 0.4,
}


def write_chords(rng: SeededRandom, passages: Sequence[BeatSection], grid: TimeMap, blue: bool) -> list[BeatChord]:
    """Set the chords of a song.

    Args:
        rng: source of the draws.
        passages: the sections, from `lay_out`.
        grid: metre and tempo; a chord lasts between about half a second and five.
        blue: whether the phrases are twelve-bar blues.

    Returns:
        The spans; they tile the bars of the passages. A section has the phrase of its kind whenever it returns.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> passages = [BeatSection("verse", 0, 4), BeatSection("chorus", 4, 8)]
        >>> spans = write_chords(SeededRandom(0), passages, TimeMap(120.0, TIME_SIGNATURES[0], 0.0, 0.5, 20.0), False)
        >>> spans[0].start, spans[-1].end
        (0.0, 32.0)
    """
    keys = _keys(rng.child("keys"), blue)
    lifts = rng.child("lift")
    lift = lifts.choice((1, 2, 2)) if lifts.bernoulli(0.14) else 0
    taste = HarmonyStyle(rng.child("style"))
    paces = _paces(rng.child("pace"), grid)
    phrases: dict[str, Phrase] = {}
    for name, (tonic, mode) in keys.items():
        if blue and name != "bridge":
            phrases[name] = [(harmony, float(grid.metre.beats)) for harmony in blues(tonic, mode)]
        else:
            phrases[name] = _phrase(rng.child(name), taste, tonic, mode, grid, paces)
    # The short sections are made of what the song has already.
    for name in ("intro", "break", "outro"):
        source = rng.child(name).choice(("verse", "chorus"))
        keys[name], phrases[name] = keys[source], phrases[source]

    rng = rng.child("cadences")
    turnarounds, cadences = rng.bernoulli(0.3), rng.bernoulli(0.6)
    spans: list[BeatChord] = []
    shift = 0
    for number, passage in enumerate(passages):
        shift = lift if passage.last else shift
        tonic, mode = (keys[passage.name][0] + shift) % 12, keys[passage.name][1]
        if spans and passage.stop - passage.first > 1:
            # A dominant leads into a new key, and in some songs into every section.
            moves = (spans[-1].tonic, spans[-1].mode) != (tonic, mode)
            if cadences if moves else turnarounds:
                dominant = roman(rng.choice(("V", "V7", "V7", "V7sus4")), tonic)
                spans[-1] = replace(spans[-1], harmony=dominant)
        spans += _fill(passage, phrases[passage.name], shift, tonic, mode, grid.metre.beats)
        if passage.name == "outro" and number == len(passages) - 1 and passage.stop - passage.first > 1:
            # The last bar comes home.
            start = float((passage.stop - 1) * grid.metre.beats)
            spans = [replace(span, end=min(span.end, start)) for span in spans if span.start < start]
            ending = ChordType(tonic, (0, 3, 7) if SCALES[mode][2] == 3 else (0, 4, 7))
            spans.append(BeatChord(ending, start, start + grid.metre.beats, tonic, mode))
    return spans


def _keys(rng: SeededRandom, blue: bool) -> dict[str, tuple[int, str]]:
    """Tonic and mode of the verse, and of the chorus and the bridge, which seldom have another."""
    tonic = rng.integer(12)
    mode = rng.choice(("major", "major", "mixolydian", "minor")) if blue else rng.weighted_choice(MODES)
    keys = {"verse": (tonic, mode)}
    for name, share in (("chorus", 0.1), ("bridge", 0.3)):
        own = rng.child(name)
        keys[name] = _other_key(own, tonic, mode) if own.bernoulli(share) else (tonic, mode)
    return keys


def _other_key(rng: SeededRandom, tonic: int, mode: str) -> tuple[int, str]:
    """A step or a half-step up, the fourth, the fifth, the relative or the parallel key."""
    dark = SCALES[mode][2] == 3
    relative = (tonic + 3, "major") if dark else (tonic - 3, "minor")
    parallel = (tonic, "major" if dark else "minor")
    moved = [(tonic + step, mode) for step in (1, 2, 5, 7)]
    weights = {relative: 3.0, parallel: 1.0} | dict(zip(moved, (0.7, 2.0, 2.0, 1.0), strict=True))
    other, mode = rng.weighted_choice(weights)
    return other % 12, mode


def _paces(rng: SeededRandom, grid: TimeMap) -> tuple[float, ...]:
    """Lengths of this song's chords in bars, neither hurried nor endless at its tempo."""
    bar = grid.metre.beats * 60.0 / grid.tempo
    options = [(1.0,), (1.0,), (1.0,), (2.0,), (1.0, 2.0), (4.0,)]
    if grid.metre.beats != 3:
        options += [(0.5,), (0.5, 1.0), (0.5, 0.5, 1.0)]
    fitting = [lengths for lengths in options if min(lengths) * bar >= 0.5 and max(lengths) * bar <= 5.0]
    return rng.choice(fitting)


def _phrase(
    rng: SeededRandom, taste: HarmonyStyle, tonic: int, mode: str, grid: TimeMap, paces: tuple[float, ...]
) -> Phrase:
    """Draw a phrase of four or eight bars, or of two where chords change twice a bar."""
    bars = rng.choice((4, 4, 8) if max(paces) > 0.5 else (2, 4))
    drawn: list[float] = []
    while sum(drawn) < bars:
        # Two halves share a bar, so a half is always drawn as a pair.
        length = rng.choice(paces)
        drawn += [0.5, 0.5] if length == 0.5 else [min(length, bars - sum(drawn))]
    beats = [length * grid.metre.beats for length in drawn]
    if grid.metre.beats == 3 and rng.bernoulli(0.2):
        beats = [part for length in beats for part in ([2.0, 1.0] if length == 3 and rng.bernoulli(0.3) else [length])]
    return list(zip(taste.phrase(rng.child("chords"), tonic, mode, len(beats)), beats, strict=True))


def _fill(passage: BeatSection, phrase: Phrase, shift: int, tonic: int, mode: str, beats: int) -> list[BeatChord]:
    """Repeat a phrase over a section, in the section's key."""
    spans: list[BeatChord] = []
    position, stop, number = float(passage.first * beats), float(passage.stop * beats), 0
    while position < stop:
        harmony, length = phrase[number % len(phrase)]
        end = min(position + length, stop)
        spans.append(BeatChord(harmony.moved(shift), position, end, tonic, mode))
        position, number = end, number + 1
    return spans
