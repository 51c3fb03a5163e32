"""Lead melodies: a motif repeated and varied over the chords, with rests between.

A motif is a rhythm and a contour in steps of the scale. Phrases repeat it, change its end or answer it with another
one; on the beat each pitch is the nearest chord tone, so that a motif fits every chord.
"""

from dataclasses import dataclass, replace

from latentstem.data.compose.beats import BeatChord, BeatNote
from latentstem.data.compose.harmony import SCALES
from latentstem.data.compose.patterns import CLOSE, steps_per_bar
from latentstem.data.compose.timing import TimeSignature
from latentstem.data.rng import SeededRandom

LOWEST, HIGHEST = 60, 86


@dataclass(frozen=True)
class Motif:
    """A rhythm with a contour.

    Attributes:
        onsets: Onsets of the notes in sixteenths from the motif's first downbeat.
        lengths: Lengths of the notes in sixteenths.
        contour: Heights of the notes in scale steps from the melody's centre.
    """

    onsets: tuple[int, ...]
    lengths: tuple[int, ...]
    contour: tuple[int, ...]


def scale_over(chord: BeatChord) -> set[int]:
    """Return the pitch classes of a scale over a chord: the chord's own, and those of the key that fit it.

    Tones of the key a semitone from a chord tone that is foreign to the key are left out, except the tonic.

    Example:
        >>> from latentstem.data.compose.harmony import ChordType
        >>> sorted(scale_over(BeatChord(ChordType(4, (0, 4, 7)), 0.0, 4.0, tonic=9, mode="minor")))
        [0, 2, 4, 5, 8, 9, 11]
    """
    tones = set(chord.harmony.pitch_classes)
    key = {(chord.tonic + step) % 12 for step in SCALES[chord.mode]}
    # G sharp over E major in A minor leaves no G, while the tonic A always stays.
    beside = {(tone + step) % 12 for tone in tones - key for step in (-1, 1)} - {chord.tonic}
    return tones | (key - beside)


def write_melody(rng: SeededRandom, chords: list[BeatChord], metre: TimeSignature) -> list[BeatNote]:
    """Write a melody over chords.

    Args:
        rng: Source of the random draws.
        chords: Chords in order of their start; there may be gaps between them.
        metre: Time signature of the song.

    Returns:
        The notes, of which no two overlap; every note lies within one chord.

    Example:
        >>> from latentstem.data.compose.harmony import ChordType
        >>> chords = [BeatChord(ChordType(0, (0, 4, 7)), 0.0, 8.0, 0, "major")]
        >>> notes = write_melody(SeededRandom(0), chords, TimeSignature("4/4", 4, 2))
        >>> all(note.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for note in notes)
        True
    """
    if not chords:
        return []
    bar_steps, per_beat = steps_per_bar(metre), 2 * metre.division
    # A motif lasts at least two bars of two beats.
    length = rng.choice((1, 2, 2) if metre.beats > 2 else (2, 2, 4)) * bar_steps
    theme, answer = (_motif(rng, length, per_beat) for _ in range(2))
    plan = rng.choice(("AABA", "AAAB", "ABAB", "ABAC"))
    loudness, legato = int(rng.uniform(75, 105)), rng.uniform(0.7, 0.97)
    anchor, pitch = int(rng.uniform(66, 77)), 72
    notes: list[BeatNote] = []
    remaining = iter(chords)
    chord = next(remaining)
    first = int(chords[0].start * per_beat // length)
    last = int(chords[-1].end * per_beat // length)
    for index in range(first, last + 1):
        part = plan[index % 4]
        motif = theme if part == "A" else answer if part == "B" else _motif(rng, length, per_beat)
        # A repeated motif is changed at its end, moved as a whole, or replaced by a rest.
        if rng.bernoulli(0.3):
            motif = replace(motif, contour=(*motif.contour[:-1], motif.contour[-1] + rng.choice((-2, -1, 1, 2))))
        lift = rng.choice((0, 0, 0, 1, -1))
        if rng.bernoulli(0.08):
            continue
        for onset, steps, degree in zip(motif.onsets, motif.lengths, motif.contour, strict=True):
            start = (index * length + onset) / per_beat
            while chord.end <= start + CLOSE and (next_chord := next(remaining, None)):
                chord = next_chord
            if not chord.start - CLOSE <= start < chord.end - CLOSE:
                continue
            end = min(start + legato * steps / per_beat, chord.end)
            strong = onset % per_beat == 0 or steps >= per_beat
            tones = set(chord.harmony.pitch_classes) if strong else scale_over(chord)
            target = anchor + 1.7 * (degree + lift)
            pitch = _nearest(tones, target, pitch)
            accent = 6 if onset % per_beat == 0 else 0
            notes.append(BeatNote(max(start, chord.start), end, pitch, loudness + accent))
    return notes


def _motif(rng: SeededRandom, length: int, per_beat: int) -> Motif:
    """Draw a motif that ends at least a beat before its `length`, in sixteenths, is over."""
    busy = rng.uniform(0.15, 0.65)
    beat_values = {per_beat // 2: busy, per_beat: 1.0 - busy, 2 * per_beat: 0.25}
    if per_beat == 6:
        beat_values = {2: busy, 4: 0.4, 6: 0.7 - busy / 2, 1: 0.05}
    elif busy > 0.5:
        beat_values |= {3: 0.15, 1: 0.08}
    onsets, lengths = [], []
    position = rng.choice((0, 0, 0, 2, per_beat // 2))
    stop = length - per_beat * rng.choice((1, 1, 2) if length > 2 * per_beat else (1,))
    while position < stop:
        steps = min(rng.weighted_choice(beat_values), length - position)
        if not onsets or not rng.bernoulli(0.12):
            onsets.append(position)
            lengths.append(steps)
        position += steps
    height, contour = 0, []
    for _ in onsets:
        contour.append(height)
        height += rng.weighted_choice({0: 1.5, 1: 3, -1: 3, 2: 1.2, -2: 1.2, 4: 0.3, -4: 0.3})
        height = min(max(height, -5), 5)
    return Motif(tuple(onsets), tuple(lengths), tuple(contour))


def _nearest(tones: set[int], target: float, last: int) -> int:
    """Return the pitch nearest to the target; of two as near, the one nearer to the last note."""
    pitches = [pitch for pitch in range(LOWEST, HIGHEST + 1) if pitch % 12 in tones]
    return min(pitches, key=lambda pitch: (abs(pitch - target), abs(pitch - last)))
