"""Parts played twice, on two instruments: what another style of the same notes sounds like, known exactly."""

from collections.abc import Mapping
from dataclasses import replace

from latentstem.data.composer import compose
from latentstem.data.programs import BASSES, FAMILIES, KITS, LEADS
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Part, Song

TWIN = "twin"
"""Name of the other player's part."""


def compose_twins(seed: int, duration: float = 30.0, target: str = "bass") -> Song:
    """Let another instrument play a part of a song too, and leave out the rest of the band.

    Rendered by `write_corpus`, the two stems are what `AutoencoderTraining.twins` reads.

    Args:
        seed: the same seed, duration and target give the same song on every machine.
        duration: length in seconds; positive.
        target: name of the part.

    Returns:
        The song that `compose` writes, reduced to the part and its "twin": note for note the same, on one of the other
        programs that play such parts; for a bass, on one that goes as deep. Both are silent where the band of the song
        has no such part.

    Raises:
        ValueError: if `duration` is not positive.

    Example:
        >>> song = compose_twins(0, duration=10.0)
        >>> song.names, song.part("twin").notes == song.part("bass").notes
        (('bass', 'twin'), True)
    """
    song = compose(seed, duration)
    absent = Part(target, 0, target == "drums", (), 0.0)
    part = song.part(target) if target in song.names else absent
    program = SeededRandom(seed).child(f"twin of {target}").weighted_choice(_other_programs(part))
    return replace(song, parts=(part, replace(part, name=TWIN, program=program)))


def _other_programs(part: Part) -> dict[int, float]:
    """The programs that may play the notes of a part as well, with the weights by which the composer draws them."""
    weights: Mapping[int, float]
    if part.is_drum:
        weights = dict.fromkeys(KITS, 1.0)
    elif part.name == "bass":
        deepest = min((note.pitch for note in part.notes), default=127)
        weights = {program: voice.weight for program, voice in BASSES.items() if voice.lowest <= deepest}
    elif part.name == "lead":
        weights = dict.fromkeys(LEADS, 1.0)
    else:
        weights = {program: family.weight for family in FAMILIES for program in family.programs}
    return {program: weight for program, weight in weights.items() if program != part.program}
