"""Where a stem sounds: the blocks that `latentstem.audio.level.active_rms` counts, in one track or in a crop of it."""

import numpy as np

from latentstem.audio.level import ACTIVITY_RANGE_DB

REDRAWS = 8
"""Times that a crop without the target is drawn again before it is taken as it is."""


def active_blocks(powers: np.ndarray) -> np.ndarray:
    """Tell which blocks of a stem sound: those within 40 dB of its loudest block.

    Args:
        powers: Mean square of every block of the whole stem, `(blocks,)`.

    Returns:
        Booleans `(blocks,)`; none is true in silence.

    Example:
        >>> active_blocks(np.array([0.0, 1.0, 1e-5, 1e-3]))
        array([False,  True, False,  True])
    """
    return (powers > 0) & (powers >= powers.max(initial=0.0) * 10 ** (-ACTIVITY_RANGE_DB / 10))


def is_active(powers: np.ndarray, start: float, end: float) -> bool:
    """Tell whether a stem sounds in a crop: whether any block that the crop touches is active.

    Args:
        powers: Mean square of every block of the whole stem, `(blocks,)`.
        start: Beginning of the crop, in blocks.
        end: End of the crop, in blocks.

    Returns:
        True if at least one of these blocks is within 40 dB of the loudest block of the whole stem.

    Example:
        >>> powers = np.array([0.0, 0.0, 1.0])
        >>> is_active(powers, 0.5, 2.0), is_active(powers, 0.5, 2.1)
        (False, True)
    """
    return bool(active_blocks(powers)[int(start) : int(-(-end // 1))].any())
