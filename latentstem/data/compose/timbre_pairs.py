"""Pairs of parts with equal notes on two instruments: ground truth for a change of style without a change of notes."""

from collections.abc import Mapping
from dataclasses import replace

from latentstem.data.compose.composer import compose
from latentstem.data.compose.programs import BASSES, FAMILIES, KITS, LEADS, VOICES
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note, Part, Song

PAIRED_PART = "twin"
"""Name of the second part of a pair: the key of the song's JSON form and the name of the stem's file."""
REFERENCE_SEEDS = 2**32
"""Least seed of the songs that references take their notes from."""
SONGS_TO_TRY = 100
"""Songs that are looked through for a part that not every song has."""


def compose_timbre_pair(seed: int, duration: float = 30.0, target: str = "bass") -> Song:
    """Compose a song of one part and a copy of it on another instrument, without the rest of the band.

    Rendered by `write_corpus`, such songs are the data of the autoencoder's timbre swap loss.

    Args:
        seed: Seed of the song; one seed, duration and target give one song on every machine.
        duration: Length in seconds, above 0.
        target: Name of the part.

    Returns:
        The song that `compose` writes, reduced to the part and a part named "twin" with equal notes, on another program
        that the composer gives such parts; for a bass, on one that reaches its lowest note. Both parts are empty if the
        song has no such part.

    Raises:
        ValueError: If `duration` is not positive.

    Example:
        >>> song = compose_timbre_pair(0, duration=10.0)
        >>> song.names, song.part("twin").notes == song.part("bass").notes
        (('bass', 'twin'), True)
    """
    song = compose(seed, duration)
    absent = Part(target, 0, target == "drums", (), 0.0)
    part = song.part(target) if target in song.names else absent
    program = SeededRandom(seed).child(f"twin of {target}").weighted_choice(_other_programs(part))
    return replace(song, parts=(part, replace(part, name=PAIRED_PART, program=program)))


def compose_references(seed: int, duration: float = 30.0, target: str = "bass") -> Song:
    """Compose other notes for the two instruments of a timbre pair: references for a style.

    Rendered by `write_corpus` without soundfonts, the part and its twin are played on the instruments, and with the
    production, of those that `compose_timbre_pair` gives for this seed; that of the part is also the instrument in the
    band of `compose`. Reference and stem share their sound, and no more notes than two songs do.

    Args:
        seed: Seed of the song whose instruments are taken.
        duration: Length in seconds, above 0.
        target: Name of the part.

    Returns:
        The pair of this seed, whose parts have the notes of the same part of two other songs; they are empty if none
        of 100 songs has such a part.

    Raises:
        ValueError: If `duration` is not positive.

    Example:
        >>> pair, references = compose_timbre_pair(0, 10.0), compose_references(0, 10.0)
        >>> [part.program for part in references.parts] == [part.program for part in pair.parts]
        True
        >>> references.part("bass").notes == pair.part("bass").notes
        False
    """
    pair = compose_timbre_pair(seed, duration, target)
    rng = SeededRandom(seed)
    streams = [rng.child(f"reference of {part.name}") for part in pair.parts]
    notes = [_notes_elsewhere(target, stream, duration) for stream in streams]
    parts = tuple(replace(part, notes=own) for part, own in zip(pair.parts, notes, strict=True))
    return replace(pair, parts=parts)


def _notes_elsewhere(target: str, rng: SeededRandom, duration: float) -> tuple[Note, ...]:
    """Return the notes of a part of another song, the first of some that has it."""
    for _ in range(SONGS_TO_TRY):
        # Far from all seeds in use: no reference is a stem of any corpus.
        song = compose(REFERENCE_SEEDS + rng.integer(2**30), duration)
        if target in song.names and song.part(target).notes:
            return song.part(target).notes
    return ()


def _other_programs(part: Part) -> dict[int, float]:
    """Return the other programs that can play the notes of a part, with the composer's weights."""
    weights: Mapping[int, float]
    if part.is_drum:
        weights = dict.fromkeys(KITS, 1.0)
    elif part.name == "bass":
        deepest = min((note.pitch for note in part.notes), default=127)
        weights = {program: voice.weight for program, voice in BASSES.items() if voice.lowest <= deepest}
    elif part.name == "lead":
        weights = dict.fromkeys(LEADS, 1.0)
    elif part.name == "voice":
        weights = dict.fromkeys(VOICES, 1.0)
    else:
        weights = {program: family.weight for family in FAMILIES for program in family.programs}
    return {program: weight for program, weight in weights.items() if program != part.program}
