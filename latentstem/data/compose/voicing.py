"""Chord voicings with smooth voice leading: close position, and four parts in open position."""

from itertools import pairwise, permutations

from latentstem.data.compose.harmony import ChordType
from latentstem.data.rng import SeededRandom

VOICE_CENTRES = (52, 59, 65, 71, 76)
"""Centres of the voices' ranges in open position, MIDI pitches from the lowest voice up."""


class ClosePositionVoicer:
    """Close position: the inversion nearest to the last voicing, with every tone, the lowest at MIDI 50-67.

    Args:
        rng: Source of the random draws.
        centre: MIDI pitch to which the voicings return.

    Example:
        >>> voicer = ClosePositionVoicer(SeededRandom(0), centre=62.0)
        >>> voicer.voice(ChordType(0, (0, 4, 7))), voicer.voice(ChordType(5, (0, 4, 7)))
        ([60, 64, 67], [60, 65, 69])
    """

    def __init__(self, rng: SeededRandom, centre: float):
        self.rng, self.centre = rng, centre
        self.last: list[int] = []

    def voice(self, harmony: ChordType) -> list[int]:
        """Voice a chord near the last one; return the pitches, lowest first."""
        tones = harmony.pitch_classes
        lows = [lowest for lowest in range(50, 68) if lowest % 12 in tones]
        candidates = [sorted(lowest + (tone - lowest) % 12 for tone in tones) for lowest in lows]
        mean = self.centre
        if self.last and not self.rng.bernoulli(0.05):
            # Drawn back a little to the centre.
            mean = 0.8 * sum(self.last) / len(self.last) + 0.2 * self.centre
        self.last = min(candidates, key=lambda pitches: abs(sum(pitches) / len(pitches) - mean))
        return self.last


class FourPartVoicer:
    """Open position in at least four voices, each moving as little as it can; a triad's root is doubled.

    Example:
        >>> voicer = FourPartVoicer()
        >>> voicer.voice(ChordType(0, (0, 4, 7))), voicer.voice(ChordType(7, (0, 4, 7)))
        ([52, 60, 67, 72], [55, 59, 67, 74])
    """

    def __init__(self):
        self.last: list[int] = []

    def voice(self, harmony: ChordType) -> list[int]:
        """Voice a chord near the last one; return the pitches, lowest first."""
        tones = harmony.pitch_classes
        tones = tones + (tones[0],) * (4 - len(tones))
        centres = VOICE_CENTRES[: len(tones)]
        anchors = self.last if len(self.last) == len(tones) else list(centres)
        best: list[int] = []
        least = float("inf")
        for order in set(permutations(tones)):
            # Each voice takes the pitch nearest to its last one, near the centre of its range.
            voices = [
                round((min(max(anchor, centre - 3), centre + 3) - tone) / 12) * 12 + tone
                for anchor, centre, tone in zip(anchors, centres, order, strict=True)
            ]
            crossed = sum(low >= high for low, high in pairwise(voices))
            moved = sum(abs(voice - anchor) for voice, anchor in zip(voices, anchors, strict=True))
            moved += 0.4 * sum(abs(voice - centre) for voice, centre in zip(voices, centres, strict=True))
            # Voices in their order decide between equal costs, since a set has no order of its own.
            if (cost := moved + 50.0 * crossed) < least or (cost == least and voices < best):
                best, least = voices, cost
        self.last = sorted(best)
        return self.last
