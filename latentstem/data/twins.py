"""Basses played twice, on two instruments: what another style of the same notes sounds like, known exactly."""

from dataclasses import replace

from latentstem.data.composer import compose
from latentstem.data.programs import BASSES
from latentstem.data.rng import SeededRandom
from latentstem.data.score import REGISTER_BASS, Song


def compose_twins(seed: int, duration: float = 30.0) -> Song:
    """Let another instrument play the bass of a song too, and leave out the rest of the band.

    Rendered by `write_corpus`, the two stems are what `AutoencoderTraining.twins` reads.

    Args:
        seed: As for `compose`.
        duration: Likewise.

    Returns:
        The song that `compose` writes, its parts replaced by a "twin" of its bass: note for note the same, on one of
        the other bass programs that go as deep.

    Raises:
        ValueError: If `duration` is not positive.

    Example:
        >>> song = compose_twins(0, duration=10.0)
        >>> [part.name for part in song.stems], song.parts[0].notes == song.bass.notes
        (['bass', 'twin'], True)
    """
    song = compose(seed, duration)
    deepest = min((note.pitch for note in song.bass.notes), default=REGISTER_BASS[0])
    others = {
        program: voice.weight
        for program, voice in BASSES.items()
        if program != song.bass.program and voice.lowest <= deepest
    }
    program = SeededRandom(seed).child("twin").weighted_choice(others)
    return replace(song, parts=(replace(song.bass, name="twin", program=program),))
