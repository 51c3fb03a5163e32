"""A singer's melody: a tune for each kind of section, in phrases that end on a held note and a breath.

The tune of a section comes back with the section. It moves mostly by step within the range of one voice; on a beat, and
where it is held, it sings a tone of the chord.
"""

from collections.abc import Sequence
from itertools import takewhile

from latentstem.data.compose.beats import BeatChord, BeatNote, BeatSection
from latentstem.data.compose.melody import Motif, scale_over
from latentstem.data.compose.patterns import CLOSE, steps_per_bar
from latentstem.data.compose.timing import TimeMap
from latentstem.data.rng import SeededRandom

REGISTER_VOICE = (48, 76)
"""Lowest and highest MIDI pitch of a singer."""
RANGE = 15
"""Semitones of one singer's range."""
PHRASE_SECONDS = (2.5, 8.5)
PLANS = ("AABA", "AAAB", "ABAB", "ABAC")
SYLLABLES = {2: ((1, 1.0), (2, 1.0), (3, 0.3)), 3: ((1, 1.0), (2, 0.7), (3, 0.7))}
"""Eighths of a beat to the lengths of syllables in eighths, with their weights."""


def write_voice(
    rng: SeededRandom, sections: Sequence[BeatSection], chords: Sequence[BeatChord], time_map: TimeMap
) -> list[BeatNote]:
    """Write a singer's melody.

    Args:
        rng: Source of the random draws.
        sections: Sections of the song.
        chords: Chords of the song, which tile the sections.
        time_map: Tempo and time signature of the song; a phrase lasts between about three seconds and eight.

    Returns:
        The notes, of which no two overlap, within `REGISTER_VOICE`; the singer breathes after each phrase.

    Example:
        >>> from latentstem.data.compose.harmony import ChordType
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> chords = [BeatChord(ChordType(0, (0, 4, 7)), 0.0, 16.0, 0, "major")]
        >>> time_map = TimeMap(100.0, TIME_SIGNATURES[0], 0.0, 0.5, 10.0)
        >>> notes = write_voice(SeededRandom(0), [BeatSection("verse", 0, 4)], chords, time_map)
        >>> all(note.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for note in notes)
        True
    """
    singer = Singer(rng.child("singer"), time_map)
    plan = rng.child("plan").choice(PLANS)
    names = dict.fromkeys(section.name for section in sections)
    tunes = {name: {part: singer.phrase(rng.child(f"{name} {part}")) for part in "ABC"} for name in names}
    notes: list[BeatNote] = []
    for section in sections:
        # A tune ends a beat before its section, so that the singer can breathe.
        start, stop = section.first * time_map.metre.beats, section.stop * time_map.metre.beats - 1
        # A chorus lies higher than the rest.
        lift = 2 if section.name == "chorus" else 0
        for index in range(-(-(section.stop - section.first) // singer.bars)):
            phrase = tunes[section.name][plan[index % len(plan)]]
            notes += singer.sing(phrase, start + index * singer.bars * time_map.metre.beats, stop, chords, lift)
    return notes


class Singer:
    """One song's singer: a range, the length of the phrases, and how they are sung.

    Args:
        rng: Source of the random draws.
        time_map: Tempo and time signature of the song.

    Attributes:
        bars: Bars of a phrase with its breath.
        lowest: Lowest MIDI pitch of the singer.

    Example:
        >>> from latentstem.data.compose.timing import TIME_SIGNATURES
        >>> singer = Singer(SeededRandom(0), TimeMap(60.0, TIME_SIGNATURES[0], 0.0, 0.5, 30.0))
        >>> singer.bars in (1, 2), 48 <= singer.lowest <= 61
        (True, True)
    """

    def __init__(self, rng: SeededRandom, time_map: TimeMap):
        self.metre = time_map.metre
        bar = self.metre.beats * 60.0 / time_map.tempo
        fitting = [bars for bars in (1, 2, 4, 8) if PHRASE_SECONDS[0] <= bars * bar <= PHRASE_SECONDS[1]]
        self.bars = rng.choice(fitting or (1,))
        self.lowest = int(rng.uniform(REGISTER_VOICE[0], REGISTER_VOICE[1] - RANGE + 1))
        self.centre = self.lowest + RANGE * rng.uniform(0.35, 0.6)
        self.legato, self.loudness = rng.uniform(0.85, 0.98), rng.uniform(80, 105)

    def phrase(self, rng: SeededRandom) -> Motif:
        """Draw a phrase: syllables, a held last note, and at least a beat of breath.

        Returns:
            The phrase; its contour counts scale steps from the singer's centre.
        """
        per_beat = 2 * self.metre.division
        length = self.bars * steps_per_bar(self.metre)
        breath = per_beat * rng.choice((1, 1, 2) if length > 4 * per_beat else (1,))
        held = min(per_beat * rng.choice((1, 2, 2, 3)), (length - breath) // 2)
        syllables = {2 * eighths: weight for eighths, weight in SYLLABLES[self.metre.division]}
        busy = rng.uniform(0.5, 2.5)
        syllables[2] *= busy
        onsets, lengths = [], []
        last = length - breath - held
        position = min(rng.choice((0, 0, 2, per_beat)), last)
        while position < last:
            steps = min(rng.weighted_choice(syllables), last - position)
            onsets.append(position)
            lengths.append(steps)
            position += steps
        onsets.append(last)
        lengths.append(held)
        height, contour = rng.choice((-1, 0, 0, 1, 2)), []
        for _ in onsets:
            contour.append(height)
            # Away from the centre, the way back is likelier.
            back = -1 if height > 0 else 1
            height += rng.weighted_choice({0: 1.5, back: 4.0, -back: 2.0, 2 * back: 0.8, -2 * back: 0.4})
            height = min(max(height, -4), 4)
        contour[-1] = rng.choice((-1, 0, 0, contour[-1]))
        return Motif(tuple(onsets), tuple(lengths), tuple(contour))

    def sing(self, phrase: Motif, start: float, stop: float, chords: Sequence[BeatChord], lift: int) -> list[BeatNote]:
        """Sing a phrase over the chords.

        Args:
            phrase: Phrase from `phrase`.
            start: Beat of the phrase's first downbeat.
            stop: Beat at which the singer must have ended.
            chords: Chords of the song.
            lift: Scale steps by which the phrase lies higher.
        """
        per_beat = 2 * self.metre.division
        notes: list[BeatNote] = []
        last: float = self.centre
        for onset, steps, degree in zip(phrase.onsets, phrase.lengths, phrase.contour, strict=True):
            begin = start + onset / per_beat
            end = min(begin + self.legato * steps / per_beat, stop)
            ahead = [chord for chord in chords if chord.end > begin + CLOSE]
            if not ahead or end - begin < 0.2:
                continue
            strong = onset % per_beat == 0 or steps >= per_beat
            tones = set(ahead[0].harmony.pitch_classes) if strong else scale_over(ahead[0])
            last = self._nearest(tones, self.centre + 1.7 * (degree + lift), last)
            accent = 5 if onset % per_beat == 0 else 0
            end = min(end, _held_until(last, ahead))
            notes.append(BeatNote(begin, end, last, int(self.loudness + accent)))
        return notes

    def _nearest(self, tones: set[int], target: float, last: float) -> int:
        """Return the pitch of the singer's range that is near both to the target and to the last pitch."""
        pitches = [pitch for pitch in range(self.lowest, self.lowest + RANGE + 1) if pitch % 12 in tones]
        return min(pitches, key=lambda pitch: abs(pitch - target) + 0.7 * abs(pitch - last))


def _held_until(pitch: int, chords: Sequence[BeatChord]) -> float:
    """Return the beat up to which a pitch sung over the first of the chords belongs to those that follow."""
    held = takewhile(lambda chord: pitch % 12 in chord.harmony.pitch_classes, chords[1:])
    return [chords[0], *held][-1].end
