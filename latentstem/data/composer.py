"""A small band that writes its own songs: form, keys, chords, drums, comping, lead and bass from one seed.

`compose(seed)` is the composer of the band corpus. It widens the artificial data sets of BassNet (Grachten,
Lattner and Deruty 2020, section 4.1: random diatonic triads, two instruments, one drum pattern) in every
direction in which a model could otherwise learn the corpus instead of the music.
"""

from dataclasses import replace
from itertools import pairwise

from latentstem.data.bassline import Bassist
from latentstem.data.comping import Comper
from latentstem.data.drums import Drummer
from latentstem.data.form import ENERGY, Arrangement, Passage, lay_out
from latentstem.data.grid import METRES, Feel, Grid, Metre, Stroke
from latentstem.data.groove import Groove
from latentstem.data.harmony import Span
from latentstem.data.melody import lead
from latentstem.data.programs import LEADS
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Chord, Key, Note, Part, Section, Song
from latentstem.data.songwriter import write_chords

__all__ = [
    "TEST_SEEDS",
    "TRAIN_SEEDS",
    "VALIDATION_SEEDS",
    "Chord",
    "Key",
    "Note",
    "Part",
    "Section",
    "Song",
    "compose",
]

TRAIN_SEEDS = range(100_000)
VALIDATION_SEEDS = range(100_000, 101_000)
TEST_SEEDS = range(101_000, 102_000)


def compose(seed: int, duration: float = 30.0, bass_player: int = 0) -> Song:
    """Compose a song.

    Args:
        seed: the same seed and duration give the same song on every machine.
        duration: length in seconds; positive.
        bass_player: who plays the bass. All of them play the same song, each in a style and a rhythm of their own: what
            they agree in is what the rest of the song says about its bass.

    Returns:
        The song. Its chords, keys and sections tile [0, duration], its bass is monophonic and follows the chords,
        and its part "chords1" sounds every chord whole.

    Raises:
        ValueError: if `duration` is not positive.

    Example:
        >>> song = compose(0, duration=10.0)
        >>> song == compose(0, duration=10.0), song.chords[-1].end
        (True, 10.0)
    """
    if not duration > 0:
        raise ValueError(f"duration is {duration}, expected a positive number of seconds")
    rng = SeededRandom(seed)
    grid = _grid(rng.child("timing"), duration)
    metre, swung = grid.metre, grid.swing > 0.5
    bars = -(-grid.beats // metre.beats)
    form = rng.child("form")
    blue = bars >= 16 and form.child("blues").bernoulli(0.05)
    passages = lay_out(form.child("sections"), bars, 12 if blue else _unit(form.child("unit"), bars, grid))
    spans = _within(write_chords(rng.child("harmony"), passages, grid, blue), grid)
    if spans[-1].start < passages[-1].first * metre.beats:
        # No chord of the last section is left: the one before goes on to the end.
        passages = [*passages[:-2], replace(passages[-2], stop=passages[-1].stop)]

    names = _band(rng.child("band"))
    arrangement = Arrangement(rng.child("arrangement"), passages, names)
    # Each part draws from a stream of its own: what is added to one of them leaves the others as they are.
    streams = {name: rng.child(name) for name in names}
    if bass_player:
        streams["bass"] = streams["bass"].child(f"player {bass_player}")

    def part(name: str, program: int, strokes: list[Stroke], tightness: float, gains: tuple[float, float]) -> Part:
        stream = streams[name]
        heard = arrangement.heard(name, strokes, metre.beats)
        feel = _feel(stream.child("feel"), tightness)
        notes = grid.play(stream.child("timing"), heard, feel, arrangement.arc, monophonic=name == "bass")
        # A part that was left out everywhere in a short song has no notes and is rendered as silence.
        return Part(name, program, name == "drums", notes, round(stream.child("gain").uniform(*gains), 2))

    parts, compers = [], []
    for name in names:
        if name.startswith("chords"):
            player = Comper(streams[name].child("player"), metre, complete=not compers)
            gains = (-10.0, -3.0) if compers else (-8.0, -1.0)
            parts.append(part(name, player.program, player.play(spans), 1.0, gains))
            compers.append(player)
    if "lead" in names:
        program = streams["lead"].child("program").choice(LEADS)
        parts.append(part("lead", program, lead(streams["lead"].child("player"), spans, metre), 1.2, (-8.0, -2.0)))
    drummer = in_chorus = None
    if "drums" in names:
        drummer = Drummer(streams["drums"].child("player"), metre, swung)
        strokes, in_chorus = _drums(streams["drums"].child("sections"), drummer, passages, metre)
        parts.append(part("drums", drummer.kit, strokes, 0.5, (-6.0, 1.0)))

    groove, chorus = (Groove.of(metre, player, compers) for player in (drummer, in_chorus))
    bassists = _bassists(streams["bass"], groove, chorus, swung)
    strokes, styles = [], []
    for passage in passages:
        player = bassists[passage.name]
        first, stop = passage.first * metre.beats, passage.stop * metre.beats
        strokes += player.play([span for span in spans if first <= span.start < stop])
        rests = set(range(passage.first, passage.stop)) <= arrangement.rests["bass"]
        styles.append("" if rests else player.style)
    bass = part("bass", bassists["verse"].program, strokes, 0.7, (-4.0, 1.0))

    beats = tuple(round(grid.seconds(beat), 4) for beat in range(grid.beats))
    sections = _sections(passages, styles, grid)
    return Song(
        seed=seed,
        duration=duration,
        tempo=grid.tempo,
        metre=metre.name,
        swing=round(grid.swing, 3),
        beats=beats,
        bars=beats[:: metre.beats],
        sections=sections,
        keys=_keys(spans, grid),
        chords=_chords(spans, grid),
        parts=(bass, *parts),
        bass_style=_prevailing(sections),
    )


def _grid(rng: SeededRandom, duration: float) -> Grid:
    metre = METRES[rng.weighted_choice({0: 75, 1: 12, 2: 13})]
    if metre.division == 3:
        tempo, swing = rng.uniform(60, 110), 0.5
    else:
        tempo = rng.uniform(60, 180) if rng.bernoulli(0.5) else rng.uniform(80, 140)
        swing = rng.uniform(0.57, 0.67) if rng.bernoulli(0.22) else 0.5
    return Grid(round(tempo, 1), metre, round(rng.uniform(0, min(0.15, duration / 8)), 3), swing, duration)


def _unit(rng: SeededRandom, bars: int, grid: Grid) -> int:
    """Bars of a verse: few enough for more than one section, enough for a long song to be no patchwork."""
    longest = 32.0 * grid.tempo / 60.0 / grid.metre.beats  # half a minute
    units = [unit for unit in (2, 4, 8, 16) if unit <= longest]
    fitting = [unit for unit in units if 2.5 * unit <= bars <= 6 * unit]
    return rng.choice(fitting) if fitting else min(bars, units[0] if bars < 2.5 * units[0] else units[-1])


def _band(rng: SeededRandom) -> list[str]:
    """Names of the parts: the bass, one to three chord instruments, and most often drums or a lead."""
    count = rng.child("chords").weighted_choice({1: 1, 2: 3, 3: 1.5})
    names = ["bass", *(f"chords{number + 1}" for number in range(count))]
    return names + [name for name, share in (("drums", 0.85), ("lead", 0.4)) if rng.child(name).bernoulli(share)]


def _feel(rng: SeededRandom, tightness: float) -> Feel:
    """A player's habits; the greatest deviations are those of an amateur, most are far smaller."""
    looseness = tightness * rng.choice((0.0, 0.006, 0.01, 0.016, 0.024))
    push = tightness * rng.choice((0.0, 0.0, rng.uniform(-0.012, 0.018)))
    return Feel(push, looseness, rng.choice((2.0, 6.0, 10.0)))


def _within(spans: list[Span], grid: Grid) -> list[Span]:
    """Cut the song at its duration; a chord of less than 0.4 s there is left out and the last one goes on."""
    stop = (grid.duration - grid.offset) * grid.tempo / 60.0
    kept = [spans[0], *(span for span in spans[1:] if grid.seconds(span.start) < grid.duration - 0.4)]
    return [*kept[:-1], replace(kept[-1], end=stop)]


def _drums(rng: SeededRandom, drummer: Drummer, passages: list[Passage], metre: Metre) -> tuple[list[Stroke], Drummer]:
    """The verse's pattern, another one in the chorus, fills before what is new and crashes on it.

    Returns:
        The strokes, and the drummer as the chorus hears it.
    """
    fills, crashes = rng.bernoulli(0.6), rng.bernoulli(0.6)
    other = drummer.variation() if rng.bernoulli(0.6) else drummer
    strokes: list[Stroke] = []
    for passage in passages:
        player = other if passage.name == "chorus" else drummer
        for bar in range(passage.first, passage.stop):
            ends = bar == passage.stop - 1 or ((bar - passage.first) % 4 == 3 and rng.bernoulli(0.25))
            played = player.bar(fill=fills and ends, opening=crashes and bar == passage.first)
            strokes += [stroke.moved(bar * metre.beats) for stroke in played]
    return strokes, other


def _bassists(rng: SeededRandom, groove: Groove, chorus: Groove, swung: bool) -> dict[str, Bassist]:
    """Who plays the bass in each kind of section: one person, who takes up another style in some and listens in all."""
    bassist = Bassist(rng.child("player"), groove, swung)
    rng = rng.child("sections")
    restyled = rng.choice((("chorus",), ("chorus",), ("chorus", "bridge"), ("bridge",))) if rng.bernoulli(0.6) else ()
    players = dict.fromkeys(ENERGY, bassist)
    for name, its_groove in (("chorus", chorus), ("bridge", groove)):
        if name in restyled or its_groove != groove:
            players[name] = bassist.variation(its_groove, restyled=name in restyled)
    return players


def _tiles(starts: list[float], grid: Grid) -> list[tuple[float, float]]:
    """Seconds from each beat to the next one; the first tile starts at 0 and the last one ends with the song."""
    times = [0.0, *(round(grid.seconds(start), 4) for start in starts[1:]), grid.duration]
    return list(pairwise(times))


def _chords(spans: list[Span], grid: Grid) -> tuple[Chord, ...]:
    tiles = _tiles([span.start for span in spans], grid)
    chords = []
    for span, (start, end) in zip(spans, tiles, strict=True):
        harmony = span.harmony
        bass = harmony.root if harmony.bass is None else harmony.bass
        chords.append(Chord(start, end, harmony.root, bass, harmony.pitch_classes, span.symbol))
    return tuple(chords)


def _keys(spans: list[Span], grid: Grid) -> tuple[Key, ...]:
    changes = [after for before, after in pairwise(spans) if (before.tonic, before.mode) != (after.tonic, after.mode)]
    firsts = [spans[0], *changes]
    tiles = _tiles([span.start for span in firsts], grid)
    return tuple(Key(start, end, span.tonic, span.mode) for span, (start, end) in zip(firsts, tiles, strict=True))


def _sections(passages: list[Passage], styles: list[str], grid: Grid) -> tuple[Section, ...]:
    tiles = _tiles([float(passage.first * grid.metre.beats) for passage in passages], grid)
    return tuple(
        Section(start, end, passage.name, style)
        for passage, style, (start, end) in zip(passages, styles, tiles, strict=True)
    )


def _prevailing(sections: tuple[Section, ...]) -> str:
    times: dict[str, float] = {}
    for section in sections:
        if section.bass_style:
            times[section.bass_style] = times.get(section.bass_style, 0.0) + section.end - section.start
    return max(times, key=lambda style: times[style])
