"""Key of a line by the profiles of Krumhansl and Kessler (1982), and agreement of keys by MIREX's weights."""

from collections.abc import Sequence
from typing import Protocol

import mir_eval
import numpy as np

from latentstem.evaluation.pitch import PitchTrack

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# How well each degree fits its key: the probe-tone ratings of Krumhansl and Kessler (1982).
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
MINOR_MODES = ("minor", "harmonic minor", "dorian", "phrygian")


class SoundingKey(Protocol):
    """Protocol of a key: the attributes that this module reads, as `latentstem.data.score.Key` has them.

    Example:
        >>> from types import SimpleNamespace
        >>> a_minor: SoundingKey = SimpleNamespace(start=0.0, end=20.0, tonic=9, mode="minor")
    """

    @property
    def start(self) -> float:
        """Onset in seconds."""
        ...

    @property
    def end(self) -> float:
        """End in seconds."""
        ...

    @property
    def tonic(self) -> int:
        """Pitch class of the tonic, 0 is C."""
        ...

    @property
    def mode(self) -> str:
        """Name of the scale; scales with a minor third count as minor."""
        ...


def line_key(track: PitchTrack) -> str | None:
    """Find the major or minor key whose profile correlates best with the time spent on each pitch class.

    Args:
        track: Pitch track of the line, from `latentstem.evaluation.track_pitch`.

    Returns:
        The key as mir_eval writes it, or None where no frame is voiced.

    Example:
        >>> pitches = np.array([60, 62, 64, 65, 67, 69, 71, 72, 67, 60])
        >>> hertz = 440.0 * 2.0 ** ((pitches - 69) / 12)
        >>> line_key(PitchTrack(np.arange(10.0), hertz, np.ones(10, bool)))
        'C major'
    """
    pitch_class = track.pitch_class[track.voiced]
    if not len(pitch_class):
        return None
    times = np.bincount(pitch_class, minlength=12)[:12].astype(float)
    return best_key(times)


def best_key(weights: np.ndarray) -> str:
    """Find the major or minor key whose profile correlates best with how much there is of each pitch class.

    Args:
        weights: Weight of each pitch class from C, `(12,)`.

    Returns:
        The key as mir_eval writes it.

    Example:
        >>> best_key(np.array([2, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]))
        'C major'
    """
    weights = weights - weights.mean()
    fits = {
        f"{name} {mode}": float(weights @ np.roll(np.array(profile) - np.mean(profile), tonic)) / np.std(profile)
        for mode, profile in PROFILES.items()
        for tonic, name in enumerate(TONICS)
    }
    return max(fits, key=lambda key: fits[key])


def prevailing_key(keys: Sequence[SoundingKey]) -> str:
    """Return the key with the longest total duration, as mir_eval writes it.

    Args:
        keys: Keys of the song, at least one.

    Raises:
        ValueError: If `keys` is empty.

    Example:
        >>> from types import SimpleNamespace
        >>> prevailing_key([SimpleNamespace(start=0.0, end=20.0, tonic=2, mode="dorian")])
        'D minor'
    """
    if not keys:
        raise ValueError("got no keys, expected at least one")
    times: dict[str, float] = {}
    for key in keys:
        name = f"{TONICS[key.tonic]} {'minor' if key.mode in MINOR_MODES else 'major'}"
        times[name] = times.get(name, 0.0) + key.end - key.start
    return max(times, key=lambda name: times[name])


def key_agreement(keys: Sequence[SoundingKey], track: PitchTrack) -> float:
    """Score the key of a line against the prevailing key of the annotation.

    Args:
        keys: Keys of the song, at least one.
        track: Pitch track of the line, from `latentstem.evaluation.track_pitch`.

    Returns:
        MIREX's weights: 1 for an equal key, 0.5 a fifth away, 0.3 for the relative, 0.2 for the parallel, 0 for any
        other key and for a line without a voiced frame.

    Raises:
        ValueError: If `keys` is empty.

    Example:
        >>> from types import SimpleNamespace
        >>> silence = PitchTrack(np.zeros(1), np.array([np.nan]), np.array([False]))
        >>> key_agreement([SimpleNamespace(start=0.0, end=1.0, tonic=0, mode="major")], silence)
        0.0
    """
    reference, estimate = prevailing_key(keys), line_key(track)
    return float(mir_eval.key.weighted_score(reference, estimate)) if estimate else 0.0
