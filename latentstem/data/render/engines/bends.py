"""Bends of the pitch: a sound read at a speed that changes, by cubic interpolation (Catmull and Rom 1974)."""

import numpy as np


def bend(sound: np.ndarray, cents: np.ndarray) -> np.ndarray:
    """Bend the pitch of a sound's beginning.

    Args:
        sound: `(samples,)`.
        cents: Deviation of the pitch at each sample of the result's beginning, `(any number,)`; the rest of the
            result has the sound's own pitch.

    Returns:
        `(about as many samples,)` float32; its first sample is the sound's.

    Example:
        >>> tone = np.sin(2 * np.pi * 0.01 * np.arange(3000))
        >>> octave = bend(tone, np.full(1000, 1200.0))
        >>> bool(np.allclose(octave[:1000], np.sin(2 * np.pi * 0.02 * np.arange(1000)), atol=1e-4))
        True
    """
    places = np.concatenate([np.zeros(1), np.cumsum(2.0 ** (cents / 1200.0))])
    # The beginning ends on a whole sample, from which the rest goes on without interpolation.
    last = round(places[-1])
    places = places[:-1] + (last - places[-1]) * np.linspace(0.0, 1.0, len(cents), endpoint=False)
    left = places.astype(np.int64)
    fraction = (places - left).astype(np.float32)
    padded = np.pad(sound, (1, max(0, last + 3 - len(sound)))).astype(np.float32)
    before, here, after, beyond = (padded[left + shift] for shift in range(4))
    slope = 0.5 * (after - before)
    curve = before - 2.5 * here + 2 * after - 0.5 * beyond
    bow = 0.5 * (beyond - before) + 1.5 * (here - after)
    beginning = ((bow * fraction + curve) * fraction + slope) * fraction + here
    return np.concatenate([beginning, padded[1 + last : 1 + max(last, len(sound))]])
