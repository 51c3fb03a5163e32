"""Chords of a song in beats: one phrase a section name, modulations between sections, and cadences.

A song of a genre has loops of that genre in place of phrases, in one key.
"""

from collections.abc import Sequence
from dataclasses import replace

from latentstem.data.compose.beats import BeatChord, BeatSection
from latentstem.data.compose.form import SHORT
from latentstem.data.compose.genre import Genre
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


def write_chords(rng: SeededRandom, sections: Sequence[BeatSection], time_map: TimeMap, blue: bool) -> list[BeatChord]:
    """Write the chords of a song.

    Args:
        rng: Source of the random draws.
        sections: Sections of the song, from `lay_out`.
        time_map: Time signature and tempo of the song; a chord lasts between about half a second and five.
        blue: Whether the phrases are twelve-bar blues.

    Returns:
        The chords; they tile the bars of the sections. Sections of one name have one phrase.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> sections = [BeatSection("verse", 0, 4), BeatSection("chorus", 4, 8)]
        >>> chords = write_chords(SeededRandom(0), sections, TimeMap(120.0, TIME_SIGNATURES[0], 0.0, 0.5, 20.0), False)
        >>> chords[0].start, chords[-1].end
        (0.0, 32.0)
    """
    keys = _keys(rng.child("keys"), blue)
    lifts = rng.child("lift")
    lift = lifts.choice((1, 2, 2)) if lifts.bernoulli(0.14) else 0
    style = HarmonyStyle(rng.child("style"))
    paces = _paces(rng.child("pace"), time_map)
    phrases: dict[str, Phrase] = {}
    for name, (tonic, mode) in keys.items():
        if blue and name != "bridge":
            phrases[name] = [(harmony, float(time_map.metre.beats)) for harmony in blues(tonic, mode)]
        else:
            phrases[name] = _phrase(rng.child(name), style, tonic, mode, time_map, paces)
    # The short sections repeat the phrase of the verse or the chorus.
    for name in SHORT:
        source = rng.child(name).choice(("verse", "chorus"))
        keys[name], phrases[name] = keys[source], phrases[source]

    rng = rng.child("cadences")
    turnarounds, cadences = rng.bernoulli(0.3), rng.bernoulli(0.6)
    chords: list[BeatChord] = []
    shift = 0
    for index, section in enumerate(sections):
        shift = lift if section.last else shift
        tonic, mode = (keys[section.name][0] + shift) % 12, keys[section.name][1]
        if chords and section.stop - section.first > 1:
            # A dominant leads into a new key, and in some songs into every section.
            moves = (chords[-1].tonic, chords[-1].mode) != (tonic, mode)
            if cadences if moves else turnarounds:
                dominant = roman(rng.choice(("V", "V7", "V7", "V7sus4")), tonic)
                chords[-1] = replace(chords[-1], harmony=dominant)
        chords += _fill(section, phrases[section.name], shift, tonic, mode, time_map.metre.beats)
        if section.name == "outro" and index == len(sections) - 1 and section.stop - section.first > 1:
            # The last bar is the tonic.
            start = float((section.stop - 1) * time_map.metre.beats)
            chords = [replace(chord, end=min(chord.end, start)) for chord in chords if chord.start < start]
            ending = ChordType(tonic, (0, 3, 7) if SCALES[mode][2] == 3 else (0, 4, 7))
            chords.append(BeatChord(ending, start, start + time_map.metre.beats, tonic, mode))
    return chords


def write_loops(rng: SeededRandom, genre: Genre, sections: Sequence[BeatSection], beats: int) -> list[BeatChord]:
    """Write the chords of a song of a genre: one loop, or one for each kind of section, in one key.

    Args:
        rng: Source of the random draws.
        genre: Genre of the song.
        sections: Sections of the song, from `lay_out`.
        beats: Beats a bar.

    Returns:
        The chords; they tile the bars of the sections. Sections of one name have one loop.

    Example:
        >>> from latentstem.data.compose.genres import GENRES
        >>> chords = write_loops(SeededRandom(0), GENRES["techno"][0], [BeatSection("verse", 0, 4)], beats=4)
        >>> chords[0].start, chords[-1].end
        (0.0, 16.0)
    """
    tonic = rng.child("tonic").integer(12)
    mode = rng.child("mode").weighted_choice({mode: float(len(loops)) for mode, loops in genre.loops.items()})
    length = rng.child("pace").choice(genre.chord_bars) * beats
    lifts = rng.child("lift")
    lift = lifts.choice((1, 2, 2)) if lifts.bernoulli(genre.lift) else 0
    rng = rng.child("loops")
    loops = {"verse": rng.choice(genre.loops[mode])}
    for name in ("chorus", "bridge"):
        loops[name] = rng.choice(genre.loops[mode]) if rng.bernoulli(genre.contrast) else loops["verse"]
    for name in SHORT:
        loops[name] = loops[rng.choice(("verse", "chorus"))]
    chords: list[BeatChord] = []
    shift = 0
    for section in sections:
        shift = lift if section.last else shift
        phrase = [(roman(numeral, tonic), length) for numeral in loops[section.name].split()]
        chords += _fill(section, phrase, shift, (tonic + shift) % 12, mode, beats)
    return chords


def _keys(rng: SeededRandom, blue: bool) -> dict[str, tuple[int, str]]:
    """Draw tonic and mode of the verse, and of the chorus and the bridge, which are mostly in the verse's key."""
    tonic = rng.integer(12)
    mode = rng.choice(("major", "major", "mixolydian", "minor")) if blue else rng.weighted_choice(MODES)
    keys = {"verse": (tonic, mode)}
    for name, fraction in (("chorus", 0.1), ("bridge", 0.3)):
        own = rng.child(name)
        keys[name] = _other_key(own, tonic, mode) if own.bernoulli(fraction) else (tonic, mode)
    return keys


def _other_key(rng: SeededRandom, tonic: int, mode: str) -> tuple[int, str]:
    """Draw the key a half-step, a step, a fourth or a fifth up, the relative or the parallel key."""
    dark = SCALES[mode][2] == 3
    relative = (tonic + 3, "major") if dark else (tonic - 3, "minor")
    parallel = (tonic, "major" if dark else "minor")
    moved = [(tonic + step, mode) for step in (1, 2, 5, 7)]
    weights = {relative: 3.0, parallel: 1.0} | dict(zip(moved, (0.7, 2.0, 2.0, 1.0), strict=True))
    other, mode = rng.weighted_choice(weights)
    return other % 12, mode


def _paces(rng: SeededRandom, time_map: TimeMap) -> tuple[float, ...]:
    """Draw the lengths of this song's chords in bars, each between 0.5 and 5 seconds at its tempo."""
    bar = time_map.metre.beats * 60.0 / time_map.tempo
    options = [(1.0,), (1.0,), (1.0,), (2.0,), (1.0, 2.0), (4.0,)]
    if time_map.metre.beats != 3:
        options += [(0.5,), (0.5, 1.0), (0.5, 0.5, 1.0)]
    fitting = [lengths for lengths in options if min(lengths) * bar >= 0.5 and max(lengths) * bar <= 5.0]
    return rng.choice(fitting)


def _phrase(
    rng: SeededRandom, style: HarmonyStyle, tonic: int, mode: str, time_map: TimeMap, paces: tuple[float, ...]
) -> Phrase:
    """Draw a phrase of four or eight bars, or of two where chords change twice a bar."""
    bars = rng.choice((4, 4, 8) if max(paces) > 0.5 else (2, 4))
    drawn: list[float] = []
    while sum(drawn) < bars:
        # Two halves share a bar, so a half is always drawn as a pair.
        length = rng.choice(paces)
        drawn += [0.5, 0.5] if length == 0.5 else [min(length, bars - sum(drawn))]
    beats = [length * time_map.metre.beats for length in drawn]
    if time_map.metre.beats == 3 and rng.bernoulli(0.2):
        beats = [part for length in beats for part in ([2.0, 1.0] if length == 3 and rng.bernoulli(0.3) else [length])]
    return list(zip(style.phrase(rng.child("chords"), tonic, mode, len(beats)), beats, strict=True))


def _fill(section: BeatSection, phrase: Phrase, shift: int, tonic: int, mode: str, beats: int) -> list[BeatChord]:
    """Repeat a phrase over a section, in the section's key."""
    chords: list[BeatChord] = []
    position, stop, index = float(section.first * beats), float(section.stop * beats), 0
    while position < stop:
        harmony, length = phrase[index % len(phrase)]
        end = min(position + length, stop)
        chords.append(BeatChord(harmony.moved(shift), position, end, tonic, mode))
        position, index = end, index + 1
    return chords
