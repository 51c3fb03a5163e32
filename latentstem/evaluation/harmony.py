"""Agreement of a bass with the chords of its song: fractions of chord tones, of roots, and of roots on downbeats.

Octaves do not matter here: the right pitch class in another octave fits the harmony (`latentstem.evaluation.pitch`
compares octaves). The chords of another song give the level of chance: about 0.28 with triads in major and minor keys.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np

from latentstem.evaluation.pitch import PitchTrack

DOWNBEAT_WINDOW = (0.04, 0.18)
"""Seconds after a downbeat or a chord change between which frames count.

A frame of the pitch tracker is 93 ms wide: frames before the window still hold the previous note. The window ends
before the second of two eighth notes at 160 beats a minute.
"""
SAME_MOMENT = 0.05
"""Seconds within which a downbeat and a chord change are one moment."""


class SoundingChord(Protocol):
    """Protocol of a chord: the attributes that this module reads, as `latentstem.data.score.Chord` has them.

    Example:
        >>> from types import SimpleNamespace
        >>> c_over_e: SoundingChord = SimpleNamespace(start=0.0, end=2.0, root=0, bass=4, pitch_classes=(0, 4, 7))
    """

    @property
    def start(self) -> float:
        """Onset in seconds."""
        ...

    @property
    def end(self) -> float:
        """End in seconds; a frame at this time belongs to the next chord."""
        ...

    @property
    def root(self) -> int:
        """Pitch class of the root, 0 is C."""
        ...

    @property
    def bass(self) -> int:
        """Pitch class of the lowest tone: the root, unless the chord is inverted or has a foreign bass."""
        ...

    @property
    def pitch_classes(self) -> Collection[int]:
        """Pitch classes of all tones."""
        ...


def chord_share(track: PitchTrack, chords: Sequence[SoundingChord]) -> float:
    """Compute the fraction of the voiced frames whose nearest pitch class belongs to the sounding chord.

    Args:
        track: Pitch track of the bass, from `latentstem.evaluation.track_pitch`.
        chords: Chords of the song, aligned with the track. Frames outside every chord do not count.

    Returns:
        The fraction in [0, 1]; 0 where no frame is voiced, so that silence never scores.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> c_major = SimpleNamespace(start=0.0, end=1.0, root=0, pitch_classes=(0, 4, 7))
        >>> c_then_d = np.array([65.4, 73.4])
        >>> track = PitchTrack(np.array([0.2, 0.4]), c_then_d, np.array([True, True]))
        >>> chord_share(track, [c_major])
        0.5
    """
    return _fraction(track, chords, lambda chord: chord.pitch_classes)


def root_share(track: PitchTrack, chords: Sequence[SoundingChord]) -> float:
    """Compute the fraction of the voiced frames whose nearest pitch class is the root of the sounding chord.

    Args:
        track: Pitch track of the bass, from `latentstem.evaluation.track_pitch`.
        chords: Chords of the song, aligned with the track. Frames outside every chord do not count.

    Returns:
        The fraction in [0, 1]; 0 where no frame is voiced.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> c_major = SimpleNamespace(start=0.0, end=1.0, root=0, pitch_classes=(0, 4, 7))
        >>> c_then_g = np.array([65.4, 98.0])
        >>> track = PitchTrack(np.array([0.2, 0.4]), c_then_g, np.array([True, True]))
        >>> root_share(track, [c_major])
        0.5
    """
    return _fraction(track, chords, lambda chord: (chord.root,))


def root_on_downbeat(track: PitchTrack, chords: Sequence[SoundingChord], downbeats: Sequence[float]) -> float:
    """Compute the fraction of downbeats and chord changes at which the bass is the root, or the chord's bass tone.

    A moment is a hit where at least half of the voiced frames from 40 to 180 ms after it (`DOWNBEAT_WINDOW`; cut at the
    end of the chord) have the pitch class of the root or of the chord's bass tone. Without a voiced frame it is a miss.
    Moments within 50 ms of each other are one; those whose window reaches beyond the track, or that lie in no chord, do
    not count.

    Args:
        track: Pitch track of the bass, from `latentstem.evaluation.track_pitch`.
        chords: Chords of the song, aligned with the track.
        downbeats: First beats of the bars, in seconds.

    Returns:
        The fraction in [0, 1]; 0 where there is no moment.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> c_over_e = SimpleNamespace(start=0.0, end=4.0, root=0, bass=4, pitch_classes=(0, 4, 7))
        >>> times = np.arange(40) / 10
        >>> e_then_g = np.where(times < 2, 82.4, 98.0)
        >>> root_on_downbeat(PitchTrack(times, e_then_g, np.ones(40, bool)), [c_over_e], [0.0, 2.0])
        0.5
    """
    pitch_class = track.pitch_class
    last = track.times[-1] if len(track.times) else 0.0
    counted = hits = 0
    for moment, chord in _moments(chords, downbeats):
        first, end = moment + DOWNBEAT_WINDOW[0], moment + DOWNBEAT_WINDOW[1]
        if end > last:
            continue
        frames = pitch_class[track.voiced & (track.times >= first) & (track.times < min(end, chord.end))]
        counted += 1
        hits += bool(len(frames)) and 2 * np.count_nonzero(np.isin(frames, (chord.root, chord.bass))) >= len(frames)
    return float(hits / counted) if counted else 0.0


def _moments(chords: Sequence[SoundingChord], downbeats: Sequence[float]) -> list[tuple[float, SoundingChord]]:
    """Return the chord changes and the downbeats between them, each with its chord."""
    befores = [None, *chords]
    moments = [(chord.start, chord) for before, chord in zip(befores, chords, strict=False) if _changes(before, chord)]
    changes = [start for start, _ in moments]
    for downbeat in downbeats:
        if all(abs(downbeat - change) > SAME_MOMENT for change in changes):
            moments += [(downbeat, chord) for chord in chords if chord.start <= downbeat < chord.end]
    return moments


def _changes(before: SoundingChord | None, chord: SoundingChord) -> bool:
    return before is None or any(
        getattr(before, name) != getattr(chord, name) for name in ("root", "bass", "pitch_classes")
    )


def _fraction(
    track: PitchTrack, chords: Sequence[SoundingChord], targets: Callable[[SoundingChord], Collection[int]]
) -> float:
    pitch_class = track.pitch_class
    counted = hits = 0
    for chord in chords:
        inside = track.voiced & (track.times >= chord.start) & (track.times < chord.end)
        counted += np.count_nonzero(inside)
        hits += np.count_nonzero(np.isin(pitch_class[inside], list(targets(chord))))
    return float(hits / counted) if counted else 0.0
