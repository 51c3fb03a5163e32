"""Loops: some bars of a song of an electronic genre, at a tempo of their own, over and over.

The data of LADMG ("Latent audio diffusion for music generation with expressive control") are loops of minimal house and
techno at 120 to 130 beats a minute. Here tempo and genre are drawn apart from each other in half of the loops, so that
a net cannot take the one for the other.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from latentstem.data.compose.composer import compose
from latentstem.data.compose.drum_patterns import CLAP, CLOSED, CRASH, KICK, OPEN, PEDAL, RIDE, SNARE, STICK
from latentstem.data.compose.timing import TIME_SIGNATURES
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Chord, Note, Part, Song

LOOP_GENRES = ("house", "techno", "drum and bass", "hip-hop", "reggae")
"""Genres of the songs that loops are cut from, all equally likely."""
LOOP_TEMPOS = (60.0, 180.0)
"""Range of the tempo, in beats a minute, of the loops whose tempo is not that of their genre."""
BARS = (1, 2, 4, 8)
SONG_DURATION = 90.0
"""Seconds of the song that a loop is cut from."""
DRUM_GROUPS = {"kick": {35, KICK}, "snare": {STICK, SNARE, CLAP, 40}, "hats": {CLOSED, PEDAL, OPEN, RIDE, CRASH}}
"""Keys of the drums by what people call them."""
_LEFT_OUT = {"kick": 0.15, "snare": 0.2, "hats": 0.25}
"""Probability that a loop's drums are without a group: a net learns what "no hats" means from such loops."""
EARLY = 0.03
"""Seconds before a bar from which on a note belongs to it: players are early."""


def compose_loop(seed: int, duration: float = 20.0) -> Song:
    """Compose a loop of 1 to 8 bars, as often as it fits in some seconds, at least twice.

    Args:
        seed: Seed of the loop; one seed and duration give one loop on every machine.
        duration: Greatest length of all turns in seconds, at least 8: one bar of four beats at the lowest tempo is 4.

    Returns:
        The song of all turns, without a form: its one section is called "chorus". All parts of the song that sound in
        these bars are there, or some of them, and the drums may lack the kick, the snare or the hats; the notes of each
        turn are equal.

    Raises:
        ValueError: `duration` is below 8.

    Example:
        >>> loop = compose_loop(3)
        >>> turns = round(len(loop.bars) / 4)
        >>> loop.genre in LOOP_GENRES, loop.duration <= 20.0, loop == compose_loop(3)
        (True, True, True)
    """
    if not duration >= 8:
        raise ValueError(f"got a duration of {duration} s; expected 8 or more, two bars at the lowest tempo")
    rng = SeededRandom(seed).child("loop")
    song = compose(seed, SONG_DURATION, genre=rng.child("genre").choice(LOOP_GENRES))
    tempo = song.tempo if rng.child("tempo is free").bernoulli(0.5) else rng.child("tempo").uniform(*LOOP_TEMPOS)
    tempo = round(tempo, 1)
    (beats_per_bar,) = (signature.beats for signature in TIME_SIGNATURES if signature.name == song.metre)
    longest = duration / 2 * tempo / 60.0 / beats_per_bar
    bars = rng.child("bars").choice([count for count in BARS if count <= longest])
    first = _first_bar(rng.child("place"), song, bars)
    turn = _cut(song, first, bars, tempo, beats_per_bar)
    kept = _some_parts(rng.child("parts"), [_some_drums(rng.child("drums"), part) for part in turn.parts])
    return repeat_song(replace(turn, parts=kept), int(duration / turn.duration))


def repeat_song(song: Song, turns: int) -> Song:
    """Play a song over and over.

    Args:
        song: One turn, whose length is a whole number of bars and which begins with a beat.
        turns: Number of turns, at least 1.

    Example:
        >>> loop = compose_loop(0)
        >>> repeat_song(loop, 3).duration == 3 * loop.duration, len(repeat_song(loop, 3).beats) == 3 * len(loop.beats)
        (True, True)
    """
    starts = [turn * song.duration for turn in range(turns)]

    def moved(items: Sequence[Note] | Sequence[Chord]) -> tuple:
        return tuple(
            replace(item, start=round(item.start + start, 4), end=round(item.end + start, 4))
            for start in starts
            for item in items
        )

    duration = turns * song.duration
    return replace(
        song,
        duration=duration,
        beats=tuple(round(beat + start, 4) for start in starts for beat in song.beats),
        bars=tuple(round(bar + start, 4) for start in starts for bar in song.bars),
        sections=tuple(replace(section, end=duration) for section in song.sections),
        keys=tuple(replace(key, end=duration) for key in song.keys),
        chords=moved(song.chords),
        parts=tuple(replace(part, notes=moved(part.notes)) for part in song.parts),
    )


def _first_bar(rng: SeededRandom, song: Song, bars: int) -> int:
    """Draw the first bar of a loop: where a verse or a chorus begins, if one is long enough, else anywhere."""
    ends = [*song.bars[1:], song.duration]
    starts = [
        index
        for section in song.sections
        if section.name in ("verse", "chorus")
        for index, bar in enumerate(song.bars)
        if section.start - EARLY <= bar and index + bars <= len(ends) and ends[index + bars - 1] <= section.end + EARLY
    ]
    return rng.choice(starts or list(range(len(song.bars) - bars)))


def _cut(song: Song, first: int, bars: int, tempo: float, beats_per_bar: int) -> Song:
    """Cut some bars out of a song, and play them at a tempo."""
    begin, scale = song.bars[first], song.tempo / tempo
    beats = bars * beats_per_bar
    duration = beats * 60.0 / tempo
    end = begin + duration / scale

    def moved(note: Note) -> Note:
        start = max(0.0, round((note.start - begin) * scale, 4))
        return replace(note, start=start, end=round(min(duration, (note.end - begin) * scale), 4))

    def notes(part: Part) -> tuple[Note, ...]:
        timed = (moved(note) for note in part.notes if begin - EARLY <= note.start < end - EARLY)
        return tuple(note for note in timed if note.end - note.start >= 0.02)

    times = [index * 60.0 / tempo for index in range(beats)]
    chords = [chord for chord in song.chords if chord.start < end - EARLY and chord.end > begin + EARLY]
    edges = [0.0, *(round((chord.start - begin) * scale, 4) for chord in chords[1:]), duration]
    sounding = next(section for section in song.sections if section.end > begin + EARLY)
    key = next(key for key in song.keys if key.end > begin + EARLY)
    return replace(
        song,
        duration=duration,
        tempo=tempo,
        beats=tuple(round(time, 4) for time in times),
        bars=tuple(round(time, 4) for time in times[::beats_per_bar]),
        sections=(replace(sounding, name="chorus", start=0.0, end=duration),),
        keys=(replace(key, start=0.0, end=duration),),
        chords=tuple(
            replace(chord, start=start, end=stop) for chord, (start, stop) in zip(chords, pairwise(edges), strict=True)
        ),
        parts=tuple(replace(part, notes=notes(part)) for part in song.parts),
    )


def _some_parts(rng: SeededRandom, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Draw the parts of a loop among those that sound: most have drums, and few have all of a band."""
    sounding = [part for part in parts if part.notes]
    kept = [part for part in sounding if rng.child(part.name).bernoulli(0.85 if part.is_drum else 0.6)]
    return tuple(kept or sounding or parts)


def _some_drums(rng: SeededRandom, part: Part) -> Part:
    """Leave some groups out of the drums, unless nothing would be left."""
    if not part.is_drum:
        return part
    silent = {key for name, share in _LEFT_OUT.items() if rng.child(name).bernoulli(share) for key in DRUM_GROUPS[name]}
    notes = tuple(note for note in part.notes if note.pitch not in silent)
    return replace(part, notes=notes) if notes else part
