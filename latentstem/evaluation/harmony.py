"""How well a bass fits the chords it is played over: the share of its voiced frames that are chord tones.

Octaves do not matter here: a bass that plays the right pitch class in another octave still fits the harmony
(`latentstem.evaluation.pitch` judges octaves). Hold the same bass against the chords of another song for the
level that chance alone reaches: about 0.28 with triads in major and minor keys.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np

from latentstem.evaluation.pitch import PitchTrack


class SoundingChord(Protocol):
    """What this module reads of a chord; `latentstem.data`'s chords have it.

    Example:
        >>> from types import SimpleNamespace
        >>> c_major: SoundingChord = SimpleNamespace(start=0.0, end=2.0, root=0, pitch_classes=(0, 4, 7))
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
