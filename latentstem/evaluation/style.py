"""How far a style reference moved the sound of a generated stem, in the autoencoder's latent space.

The style of a recording is the mean over time of its latents (style grounding of Pasini, Grachten and Lattner,
"Bass Accompaniment Generation via Latent Diffusion", ICASSP 2024), taken here over sounding frames only, or the
share of silence would pass for style.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from latentstem.audio.level import ACTIVITY_RANGE_DB

Program = TypeVar("Program", bound=Hashable)


def sounding_frames(audio: np.ndarray, hop_length: int = 4096) -> np.ndarray:
    """Says which latent frames of a recording sound.

    Args:
        audio: mono audio `(samples,)`.
        hop_length: samples a latent frame; frame k covers samples [k * hop_length, (k + 1) * hop_length).

    Returns:
        Booleans `(frames,)`, frames = ceil(samples / hop_length): true where the frame's power is within 40 dB
        of the loudest frame's, as in `latentstem.audio.active_rms`. All false in silence.

    Raises:
        ValueError: if the audio is not one-dimensional.

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
    """Fraction of the way from a base to a reference that a moved mean has gone along their line.

    Args:
        base_mean: mean latent of the stem generated without a style, `(channels,)`.
        moved_mean: mean latent of the stem generated with the style, `(channels,)`.
        reference_mean: mean latent of the style reference, `(channels,)`.

    Returns:
        0 at the base, 1 at the reference, above 1 beyond it, negative away from it; what lies across the line
        does not count. 0 where base and reference are equal.

    Example:
        >>> import numpy as np
        >>> style_movement(np.zeros(2), np.array([1.0, 5.0]), np.array([2.0, 0.0]))
        0.5
    """
    way = np.asarray(reference_mean, dtype=np.float64) - base_mean
    moved = np.asarray(moved_mean, dtype=np.float64) - base_mean
    length = float(way @ way)
    return float(moved @ way) / length if length else 0.0


def nearest_program(latent_mean: np.ndarray, program_means: Mapping[Program, np.ndarray]) -> Program:
    """Names the program whose mean latent is nearest, by Euclidean distance.

    Args:
        latent_mean: mean latent to place, `(channels,)`, of normalized latents.
        program_means: mean latent of each program, `(channels,)` each.

    Returns:
        The key of the nearest mean.

    Raises:
        ValueError: if there are no programs.

    Example:
        >>> import numpy as np
        >>> nearest_program(np.array([0.9]), {"finger": np.array([0.0]), "slap": np.array([1.0])})
        'slap'
    """
    if not program_means:
        raise ValueError("got no program means, expected at least one")
    return min(program_means, key=lambda program: float(np.linalg.norm(program_means[program] - latent_mean)))
