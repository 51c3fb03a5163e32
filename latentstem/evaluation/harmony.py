"""How well a bass fits the chords it is played over: how much of it is chord tones, and whether it marks their starts.

Octaves do not matter here: a bass that plays the right pitch class in another octave still fits the harmony
(`latentstem.evaluation.pitch` judges octaves). Hold the same bass against the chords of another song for the
level that chance alone reaches: about 0.28 with triads in major and minor keys.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np

from latentstem.evaluation.pitch import PitchTrack

DOWNBEAT_WINDOW = (0.04, 0.18)
"""Seconds after a downbeat or a change of chord in which the bass is heard.

A frame of the pitch tracker is 93 ms wide: those before the window begins still hear the note before. It ends before
the second of two eighth notes at 160 beats a minute.
"""
SAME_MOMENT = 0.05


class SoundingChord(Protocol):
    """What this module reads of a chord; `latentstem.data`'s chords have it.

    Example:
        >>> from types import SimpleNamespace
        >>> c_over_e: SoundingChord = SimpleNamespace(start=0.0, end=2.0, root=0, bass=4, pitch_classes=(0, 4, 7))
    """

    @property
    def start(self) -> float:
        """When it begins, in seconds."""
        ...

    @property
    def end(self) -> float:
        """When it is over, in seconds; a frame at this time belongs to the next chord."""
        ...

    @property
    def root(self) -> int:
        """Pitch class of its root, 0 is C."""
        ...

    @property
    def bass(self) -> int:
        """Pitch class of its lowest tone: the root, unless the chord is inverted or stands over another bass."""
        ...

    @property
    def pitch_classes(self) -> Collection[int]:
        """Pitch classes of all its tones."""
        ...


def chord_share(track: PitchTrack, chords: Sequence[SoundingChord]) -> float:
    """Share of the voiced frames whose nearest pitch class belongs to the chord that sounds then.

    Args:
        track: of the bass, from `latentstem.evaluation.track_pitch`.
        chords: the song's chords on the track's clock. Frames outside every chord do not count.

    Returns:
        The share in [0, 1]; 0 where no frame is voiced, so that silence never scores.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> c_major = SimpleNamespace(start=0.0, end=1.0, root=0, pitch_classes=(0, 4, 7))
        >>> c_then_d = np.array([65.4, 73.4])
        >>> track = PitchTrack(np.array([0.2, 0.4]), c_then_d, np.array([True, True]))
        >>> chord_share(track, [c_major])
        0.5
    """
    return _share(track, chords, lambda chord: chord.pitch_classes)


def root_share(track: PitchTrack, chords: Sequence[SoundingChord]) -> float:
    """Share of the voiced frames whose nearest pitch class is the root of the chord that sounds then.

    Args:
        track: of the bass, from `latentstem.evaluation.track_pitch`.
        chords: the song's chords on the track's clock. Frames outside every chord do not count.

    Returns:
        The share in [0, 1]; 0 where no frame is voiced.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> c_major = SimpleNamespace(start=0.0, end=1.0, root=0, pitch_classes=(0, 4, 7))
        >>> c_then_g = np.array([65.4, 98.0])
        >>> track = PitchTrack(np.array([0.2, 0.4]), c_then_g, np.array([True, True]))
        >>> root_share(track, [c_major])
        0.5
    """
    return _share(track, chords, lambda chord: (chord.root,))


def root_on_downbeat(track: PitchTrack, chords: Sequence[SoundingChord], downbeats: Sequence[float]) -> float:
    """Share of the downbeats and chord changes at which the bass plays the root, or the chord's own bass tone.

    A moment counts as met where at least half of the voiced frames from 40 to 180 ms after it (`DOWNBEAT_WINDOW`; cut
    short where the chord is over) have the pitch class of the root or of the tone the chord is inverted onto. A bass
    that is silent there has missed it. Moments within 50 ms of each other are one; those whose window reaches beyond
    the track, or that lie in no chord, do not count.

    Args:
        track: of the bass, from `latentstem.evaluation.track_pitch`.
        chords: the song's chords on the track's clock.
        downbeats: first beats of the bars, in seconds.

    Returns:
        The share in [0, 1]; 0 where there is no moment.

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
        heard = pitch_class[track.voiced & (track.times >= first) & (track.times < min(end, chord.end))]
        counted += 1
        hits += bool(len(heard)) and 2 * np.count_nonzero(np.isin(heard, (chord.root, chord.bass))) >= len(heard)
    return float(hits / counted) if counted else 0.0


def _moments(chords: Sequence[SoundingChord], downbeats: Sequence[float]) -> list[tuple[float, SoundingChord]]:
    """Changes of chord, and the downbeats that are none, each with its chord."""
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


def _share(
    track: PitchTrack, chords: Sequence[SoundingChord], wanted: Callable[[SoundingChord], Collection[int]]
) -> float:
    pitch_class = track.pitch_class
    counted = hits = 0
    for chord in chords:
        inside = track.voiced & (track.times >= chord.start) & (track.times < chord.end)
        counted += np.count_nonzero(inside)
        hits += np.count_nonzero(np.isin(pitch_class[inside], list(wanted(chord))))
    return float(hits / counted) if counted else 0.0
