"""Composer of the band corpus: form, keys, chords, drums, comping, lead and bass of a song from one seed.

It widens the artificial data sets of BassNet (Grachten, Lattner and Deruty 2020, section 4.1: random diatonic triads,
two instruments, one drum pattern) in every direction in which a model could otherwise learn the corpus instead of the
music.
"""

from dataclasses import replace
from itertools import pairwise

from latentstem.data.compose.bass import Bassist
from latentstem.data.compose.beats import BeatChord, BeatNote, BeatSection
from latentstem.data.compose.chords import write_chords, write_loops
from latentstem.data.compose.comping import Comper
from latentstem.data.compose.drums import Drummer
from latentstem.data.compose.form import ENERGY, PLANS, RESTS, Arrangement, lay_out
from latentstem.data.compose.genre import BassPart, Genre
from latentstem.data.compose.genres import draw_genre
from latentstem.data.compose.groove import Groove
from latentstem.data.compose.melody import write_melody
from latentstem.data.compose.programs import LEADS, VOICES
from latentstem.data.compose.timing import TIME_SIGNATURES, Humanization, TimeMap, TimeSignature
from latentstem.data.compose.voice import write_voice
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Chord, Key, Note, Part, Section, Song

__all__ = [
    "Chord",
    "Key",
    "Note",
    "Part",
    "Section",
    "Song",
    "compose",
]


def compose(seed: int, duration: float = 30.0, bass_player: int = 0, genre: str | None = None) -> Song:
    """Compose a song.

    Args:
        seed: Seed of the song; one seed and duration give one song on every machine.
        duration: Length in seconds, above 0.
        bass_player: Number of the bass player, from 0. Each writes another bass, in a style and a rhythm of its own,
            for an otherwise equal song: what they agree in is what the rest of the song determines of its bass.
        genre: Name of the song's genre, a key of `genres.GENRES`, or an empty string for none; drawn from the seed by
            default.

    Returns:
        The song. Its chords, keys and sections tile [0, duration], its bass is monophonic and follows the chords,
        and its part "chords1" sounds every chord whole.

    Raises:
        ValueError: If `duration` is not positive, or there is no such genre.

    Example:
        >>> song = compose(0, duration=10.0)
        >>> song == compose(0, duration=10.0), song.chords[-1].end
        (True, 10.0)
    """
    if not duration > 0:
        raise ValueError(f"duration is {duration}, expected a positive number of seconds")
    rng = SeededRandom(seed)
    drawn = draw_genre(rng.child("genre"), genre)
    time_map = _time_map(rng.child("timing"), duration, drawn)
    metre, swung = time_map.metre, time_map.swing > 0.5
    bars = -(-time_map.beats // metre.beats)
    form = rng.child("form")
    blue = not drawn and bars >= 16 and form.child("blues").bernoulli(0.05)
    unit = 12 if blue else _unit(form.child("unit"), bars, time_map)
    sections = lay_out(form.child("sections"), bars, unit, drawn.plans if drawn else PLANS)
    harmony = rng.child("harmony")
    if drawn:
        chords = write_loops(harmony, drawn, sections, metre.beats)
    else:
        chords = write_chords(harmony, sections, time_map, blue)
    chords = _within(chords, time_map)
    if chords[-1].start < sections[-1].first * metre.beats:
        # No chord of the last section is left: the one before goes on to the end.
        sections = [*sections[:-2], replace(sections[-2], stop=sections[-1].stop)]

    names = _band(rng.child("band"), drawn)
    probabilities = {**RESTS, **drawn.rests} if drawn else RESTS
    arrangement = Arrangement(rng.child("arrangement"), sections, names, probabilities)
    # Each part draws from a stream of its own: what is added to one of them leaves the others as they are.
    streams = {name: rng.child(name) for name in names}
    if bass_player:
        streams["bass"] = streams["bass"].child(f"player {bass_player}")

    def make_part(name: str, program: int, notes: list[BeatNote], tightness: float, gains: tuple[float, float]) -> Part:
        stream = streams[name]
        sounding = arrangement.apply_rests(name, notes, metre.beats)
        humanization = _humanization(stream.child("feel"), tightness * drawn.looseness if drawn else tightness)
        timed = time_map.to_notes(
            stream.child("timing"), sounding, humanization, arrangement.arc, monophonic=name in ("bass", "voice")
        )
        # A part that was left out everywhere in a short song has no notes and is rendered as silence.
        return Part(name, program, name == "drums", timed, round(stream.child("gain").uniform(*gains), 2))

    parts, compers = [], []
    for name in names:
        if name.startswith("chords"):
            part = streams[name].child("part").choice(drawn.comping[len(compers)]) if drawn else None
            player = Comper(streams[name].child("player"), metre, complete=not compers, part=part)
            gains = part.gains if part else (-10.0, -3.0) if compers else (-8.0, -1.0)
            parts.append(make_part(name, player.program, player.play(chords), 1.0, gains))
            compers.append(player)
    if "lead" in names:
        program = streams["lead"].child("program").choice(drawn.leads if drawn else LEADS)
        parts.append(
            make_part("lead", program, write_melody(streams["lead"].child("player"), chords, metre), 1.2, (-8.0, -2.0))
        )
    if "voice" in names:
        program = streams["voice"].child("program").choice(VOICES)
        notes = write_voice(streams["voice"].child("player"), sections, chords, time_map)
        parts.append(make_part("voice", program, notes, 1.2, (-5.0, 0.0)))
    drummer = in_chorus = None
    if "drums" in names:
        drummer = Drummer(streams["drums"].child("player"), metre, swung, drawn.drums if drawn else None)
        notes, in_chorus = _write_drums(streams["drums"].child("sections"), drummer, sections, metre)
        parts.append(make_part("drums", drummer.kit, notes, 0.5, (-6.0, 1.0)))

    groove, chorus = (Groove.of(metre, player, compers) for player in (drummer, in_chorus))
    bassists = _bassists(streams["bass"], groove, chorus, swung, drawn.bass if drawn else None)
    notes, styles = [], []
    for section in sections:
        player = bassists[section.name]
        first, stop = section.first * metre.beats, section.stop * metre.beats
        notes += player.play([chord for chord in chords if first <= chord.start < stop])
        rests = set(range(section.first, section.stop)) <= arrangement.rests["bass"]
        styles.append("" if rests else player.style)
    bass = make_part("bass", bassists["verse"].program, notes, 0.7, (-4.0, 1.0))

    beats = tuple(round(time_map.seconds(beat), 4) for beat in range(time_map.beats))
    timed_sections = _sections(sections, styles, time_map)
    return Song(
        seed=seed,
        duration=duration,
        tempo=time_map.tempo,
        metre=metre.name,
        swing=round(time_map.swing, 3),
        beats=beats,
        bars=beats[:: metre.beats],
        sections=timed_sections,
        keys=_keys(chords, time_map),
        chords=_chords(chords, time_map),
        parts=(bass, *parts),
        bass_style=_prevailing(timed_sections),
        genre=drawn.name if drawn else "",
    )


def _time_map(rng: SeededRandom, duration: float, genre: Genre | None) -> TimeMap:
    offset = min(0.15, duration / 8)
    if genre:
        (metre,) = (metre for metre in TIME_SIGNATURES if metre.name == genre.metre)
        tempo, shuffle = round(rng.uniform(*genre.tempo), 1), round(rng.uniform(*genre.shuffle), 3)
        return TimeMap(tempo, metre, round(rng.uniform(0, offset), 3), 0.5, duration, shuffle)
    metre = TIME_SIGNATURES[rng.weighted_choice({0: 75, 1: 12, 2: 13})]
    if metre.division == 3:
        tempo, swing = rng.uniform(60, 110), 0.5
    else:
        tempo = rng.uniform(60, 180) if rng.bernoulli(0.5) else rng.uniform(80, 140)
        swing = rng.uniform(0.57, 0.67) if rng.bernoulli(0.22) else 0.5
    return TimeMap(round(tempo, 1), metre, round(rng.uniform(0, offset), 3), swing, duration)


def _unit(rng: SeededRandom, bars: int, time_map: TimeMap) -> int:
    """Draw the bars of a verse: the song has more than two sections and, if the tempo allows, at most about six."""
    longest = 32.0 * time_map.tempo / 60.0 / time_map.metre.beats  # half a minute
    units = [unit for unit in (2, 4, 8, 16) if unit <= longest]
    fitting = [unit for unit in units if 2.5 * unit <= bars <= 6 * unit]
    return rng.choice(fitting) if fitting else min(bars, units[0] if bars < 2.5 * units[0] else units[-1])


def _band(rng: SeededRandom, genre: Genre | None) -> list[str]:
    """Draw the names of the parts: bass, one to three chord instruments, and most often drums, a lead or a voice."""
    count = rng.child("chords").weighted_choice(genre.comping_parts if genre else {1: 1, 2: 3, 3: 1.5})
    names = ["bass", *(f"chords{index + 1}" for index in range(count))]
    fractions = {"drums": 0.85, "lead": 0.4}
    if genre:
        fractions = {"drums": genre.drums.probability, "lead": genre.lead, "voice": genre.voice}
    return names + [name for name, fraction in fractions.items() if rng.child(name).bernoulli(fraction)]


def _humanization(rng: SeededRandom, tightness: float) -> Humanization:
    """Draw a player's timing and dynamics; the greatest deviations are those of an amateur, most are far smaller."""
    looseness = tightness * rng.choice((0.0, 0.006, 0.01, 0.016, 0.024))
    push = tightness * rng.choice((0.0, 0.0, rng.uniform(-0.012, 0.018)))
    return Humanization(push, looseness, rng.choice((2.0, 6.0, 10.0)))


def _within(chords: list[BeatChord], time_map: TimeMap) -> list[BeatChord]:
    """Cut the song at its duration; a chord of less than 0.4 s there is left out and the last one goes on."""
    stop = (time_map.duration - time_map.offset) * time_map.tempo / 60.0
    kept = [chords[0], *(chord for chord in chords[1:] if time_map.seconds(chord.start) < time_map.duration - 0.4)]
    return [*kept[:-1], replace(kept[-1], end=stop)]


def _write_drums(
    rng: SeededRandom, drummer: Drummer, sections: list[BeatSection], metre: TimeSignature
) -> tuple[list[BeatNote], Drummer]:
    """Write the drums: a pattern, mostly another one in the chorus, fills at the end of sections and crashes after.

    In a genre whose drums build up, the last four bars of a break are one roll.

    Returns:
        The notes, and the drummer of the chorus.
    """
    fills, crashes = rng.bernoulli(0.6), rng.bernoulli(0.6)
    other = drummer.variation() if rng.bernoulli(0.6) else drummer
    notes: list[BeatNote] = []
    for section in sections:
        if section.name == "break" and drummer.part.builds_up:
            bars = min(4, section.stop - section.first)
            notes += [note.moved((section.stop - bars) * metre.beats) for note in drummer.build_up(bars)]
            continue
        player = other if section.name == "chorus" else drummer
        for bar in range(section.first, section.stop):
            ends = bar == section.stop - 1 or ((bar - section.first) % 4 == 3 and rng.bernoulli(0.25))
            played = player.bar(fill=fills and ends, opening=crashes and bar == section.first)
            notes += [note.moved(bar * metre.beats) for note in played]
    return notes, other


def _bassists(
    rng: SeededRandom, groove: Groove, chorus: Groove, swung: bool, part: BassPart | None
) -> dict[str, Bassist]:
    """Return the bass player of each section name: one instrument, in another style in some of the sections."""
    bassist = Bassist(rng.child("player"), groove, swung, part)
    rng = rng.child("sections")
    restyled = rng.choice((("chorus",), ("chorus",), ("chorus", "bridge"), ("bridge",))) if rng.bernoulli(0.6) else ()
    bassists = dict.fromkeys(ENERGY, bassist)
    for name, its_groove in (("chorus", chorus), ("bridge", groove)):
        if name in restyled or its_groove != groove:
            bassists[name] = bassist.variation(its_groove, restyled=name in restyled)
    return bassists


def _tiles(starts: list[float], time_map: TimeMap) -> list[tuple[float, float]]:
    """Return start and end in seconds of each span between `starts`; the first starts at 0, the last ends the song."""
    times = [0.0, *(round(time_map.seconds(start), 4) for start in starts[1:]), time_map.duration]
    return list(pairwise(times))


def _chords(chords: list[BeatChord], time_map: TimeMap) -> tuple[Chord, ...]:
    tiles = _tiles([chord.start for chord in chords], time_map)
    timed = []
    for chord, (start, end) in zip(chords, tiles, strict=True):
        harmony = chord.harmony
        bass = harmony.root if harmony.bass is None else harmony.bass
        timed.append(Chord(start, end, harmony.root, bass, harmony.pitch_classes, chord.symbol))
    return tuple(timed)


def _keys(chords: list[BeatChord], time_map: TimeMap) -> tuple[Key, ...]:
    changes = [after for before, after in pairwise(chords) if (before.tonic, before.mode) != (after.tonic, after.mode)]
    firsts = [chords[0], *changes]
    tiles = _tiles([chord.start for chord in firsts], time_map)
    return tuple(Key(start, end, chord.tonic, chord.mode) for chord, (start, end) in zip(firsts, tiles, strict=True))


def _sections(sections: list[BeatSection], styles: list[str], time_map: TimeMap) -> tuple[Section, ...]:
    tiles = _tiles([float(section.first * time_map.metre.beats) for section in sections], time_map)
    return tuple(
        Section(start, end, section.name, style)
        for section, style, (start, end) in zip(sections, styles, tiles, strict=True)
    )


def _prevailing(sections: tuple[Section, ...]) -> str:
    times: dict[str, float] = {}
    for section in sections:
        if section.bass_style:
            times[section.bass_style] = times.get(section.bass_style, 0.0) + section.end - section.start
    return max(times, key=lambda style: times[style])
