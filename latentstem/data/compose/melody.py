"""Lead lines: a motif, said again and varied over the chords, with breaths between.

A motif is a rhythm and a contour in steps of the scale. Phrases say it again, end it otherwise or answer it; on the
beat it bends to the nearest chord tone, so the same motif fits every chord.
"""

from dataclasses import dataclass, replace

from latentstem.data.compose.beats import BeatChord
from latentstem.data.compose.harmony import SCALES
from latentstem.data.compose.patterns import CLOSE, steps_per_bar
from latentstem.data.compose.timing import BeatNote, TimeSignature
from latentstem.data.rng import SeededRandom

LOWEST, HIGHEST = 60, 86


@dataclass(frozen=True)
class Motif:
    """`onsets` and `lengths` in sixteenths from its first downbeat; `contour` in scale steps from its anchor."""

    onsets: tuple[int, ...]
    lengths: tuple[int, ...]
    contour: tuple[int, ...]


def scale_over(span: BeatChord) -> set[int]:
    """The pitch classes that suit a chord: its own, and those of the key that no foreign chord tone rubs against.

    Example:
        >>> from latentstem.data.compose.harmony import ChordType
        >>> sorted(scale_over(BeatChord(ChordType(4, (0, 4, 7)), 0.0, 4.0, tonic=9, mode="minor")))
        [0, 2, 4, 5, 8, 9, 11]
    """
    chord = set(span.harmony.pitch_classes)
    key = {(span.tonic + step) % 12 for step in SCALES[span.mode]}
    # G sharp over E major in A minor leaves no G, while the tonic A always stays.
    beside = {(tone + step) % 12 for tone in chord - key for step in (-1, 1)} - {span.tonic}
    return chord | (key - beside)


def write_melody(rng: SeededRandom, spans: list[BeatChord], metre: TimeSignature) -> list[BeatNote]:
    """Draw a melody over chords.

    Args:
        rng: source of the draws.
        spans: chords in the order of their time; there may be gaps between them.
        metre: of the song.

    Returns:
        One note at a time; every stroke lies within one span.

    Example:
        >>> from latentstem.data.compose.harmony import ChordType
        >>> spans = [BeatChord(ChordType(0, (0, 4, 7)), 0.0, 8.0, 0, "major")]
        >>> strokes = write_melody(SeededRandom(0), spans, TimeSignature("4/4", 4, 2))
        >>> all(stroke.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for stroke in strokes)
        True
    """
    if not spans:
        return []
    bar_steps, per_beat = steps_per_bar(metre), 2 * metre.division
    # It takes at least two bars of two beats to say something.
    length = rng.choice((1, 2, 2) if metre.beats > 2 else (2, 2, 4)) * bar_steps
    theme, answer = (_motif(rng, length, per_beat) for _ in range(2))
    plan = rng.choice(("AABA", "AAAB", "ABAB", "ABAC"))
    loudness, legato = int(rng.uniform(75, 105)), rng.uniform(0.7, 0.97)
    anchor, pitch = int(rng.uniform(66, 77)), 72
    strokes: list[BeatNote] = []
    waiting = iter(spans)
    span = next(waiting)
    first = int(spans[0].start * per_beat // length)
    last = int(spans[-1].end * per_beat // length)
    for number in range(first, last + 1):
        part = plan[number % 4]
        motif = theme if part == "A" else answer if part == "B" else _motif(rng, length, per_beat)
        # A theme said again is changed at its end, moved as a whole, or left out to breathe.
        if rng.bernoulli(0.3):
            motif = replace(motif, contour=(*motif.contour[:-1], motif.contour[-1] + rng.choice((-2, -1, 1, 2))))
        lift = rng.choice((0, 0, 0, 1, -1))
        if rng.bernoulli(0.08):
            continue
        for onset, steps, degree in zip(motif.onsets, motif.lengths, motif.contour, strict=True):
            start = (number * length + onset) / per_beat
            while span.end <= start + CLOSE and (follower := next(waiting, None)):
                span = follower
            if not span.start - CLOSE <= start < span.end - CLOSE:
                continue
            end = min(start + legato * steps / per_beat, span.end)
            strong = onset % per_beat == 0 or steps >= per_beat
            tones = set(span.harmony.pitch_classes) if strong else scale_over(span)
            target = anchor + 1.7 * (degree + lift)
            pitch = _nearest(tones, target, pitch)
            accent = 6 if onset % per_beat == 0 else 0
            strokes.append(BeatNote(max(start, span.start), end, pitch, loudness + accent))
    return strokes


def _motif(rng: SeededRandom, length: int, per_beat: int) -> Motif:
    """Draw a motif that leaves at least a beat of rest before it is over."""
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
    """The tone nearest to the target; of two as near, the one nearer to the last note."""
    pitches = [pitch for pitch in range(LOWEST, HIGHEST + 1) if pitch % 12 in tones]
    return min(pitches, key=lambda pitch: (abs(pitch - target), abs(pitch - last)))
