"""Movement of a generated stem's style towards a reference, in the autoencoder's latent space.

The style of a recording is the mean over time of its latents (style grounding of Pasini, Grachten and Lattner,
"Bass Accompaniment Generation via Latent Diffusion", ICASSP 2024), taken here over sounding frames only: otherwise it
would depend on the fraction of silence.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from latentstem.audio.level import ACTIVITY_RANGE_DB

Program = TypeVar("Program", bound=Hashable)


def sounding_frames(audio: np.ndarray, hop_length: int = 4096) -> np.ndarray:
    """Find the latent frames in which a recording sounds.

    Args:
        audio: Mono audio `(samples,)`.
        hop_length: Samples a latent frame; frame k covers samples [k * hop_length, (k + 1) * hop_length).

    Returns:
        Booleans `(frames,)`, frames = ceil(samples / hop_length): true where the frame's power is within 40 dB
        of the loudest frame's, as in `latentstem.audio.active_rms`. All false in silence.

    Raises:
        ValueError: If the audio is not one-dimensional.

    Example:
        >>> import numpy as np
        >>> sounding_frames(np.concatenate([np.ones(4096), np.zeros(4097)])).tolist()
        [True, False, False]
    """
    audio = np.asarray(audio, dtype=np.float64)
    if audio.ndim != 1:
        raise ValueError(f"got audio of shape {audio.shape}, expected (samples,): take the mean of the channels")
    starts = np.arange(0, len(audio), hop_length)
    if not len(starts):
        return np.zeros(0, dtype=bool)
    power = np.add.reduceat(audio**2, starts) / np.diff(np.append(starts, len(audio)))
    return (power > 0.0) & (power >= power.max() * 10.0 ** (-ACTIVITY_RANGE_DB / 10.0))


def style_movement(base_mean: np.ndarray, moved_mean: np.ndarray, reference_mean: np.ndarray) -> float:
    """Project the movement from a base on the line to a reference, as a fraction of its length.

    Args:
        base_mean: Mean latent of the stem generated without a style, `(channels,)`.
        moved_mean: Mean latent of the stem generated with the style, `(channels,)`.
        reference_mean: Mean latent of the style reference, `(channels,)`.

    Returns:
        0 at the base, 1 at the reference, above 1 beyond it, negative away from it; movement across the line does not
        count. 0 where base and reference are equal.

    Example:
        >>> import numpy as np
        >>> style_movement(np.zeros(2), np.array([1.0, 5.0]), np.array([2.0, 0.0]))
        0.5
    """
    direction = np.asarray(reference_mean, dtype=np.float64) - base_mean
    movement = np.asarray(moved_mean, dtype=np.float64) - base_mean
    squared_length = float(direction @ direction)
    return float(movement @ direction) / squared_length if squared_length else 0.0


def nearest_program(latent_mean: np.ndarray, program_means: Mapping[Program, np.ndarray]) -> Program:
    """Find the program whose mean latent is nearest, by Euclidean distance.

    Args:
        latent_mean: Mean of the normalized latents of a stem, `(channels,)`.
        program_means: Program to its mean latent, `(channels,)` each.

    Returns:
        The key of the nearest mean.

    Raises:
        ValueError: If `program_means` is empty.

    Example:
        >>> import numpy as np
        >>> nearest_program(np.array([0.9]), {"finger": np.array([0.0]), "slap": np.array([1.0])})
        'slap'
    """
    if not program_means:
        raise ValueError("got no program means, expected at least one")
    return min(program_means, key=lambda program: float(np.linalg.norm(program_means[program] - latent_mean)))
