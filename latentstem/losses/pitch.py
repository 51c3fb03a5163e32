"""Pitch loss of a decoder: cross entropy between its pitch logits and the pitch of the audio."""

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem._checks import check_finite


def pitch_cross_entropy(logits: Tensor, frequency: Tensor, grid: Tensor) -> Tensor:
    """Compute the cross entropy between a softmax over a grid of pitches and the true pitch, over voiced frames.

    The target of a pitch between two points of the grid is split between them by its distance to each, in octaves. A
    spectral distance alone lets a bank of sinusoids make a tone in many ways, most of them blurred; this selects one.

    Args:
        logits: Logits of the pitches, `(..., pitches)`.
        frequency: True frequency of each frame in Hz, `(...)`, 0 where unvoiced. Voiced frames outside the grid do not
            count.
        grid: Frequencies of the pitches in Hz, `(pitches,)`, ascending, at least two.

    Returns:
        A scalar, 0 where no frame counts.

    Raises:
        ValueError: The shapes do not belong together; or a tensor is not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> logits, grid = torch.zeros(1, 2, 100), 27.5 * 2 ** (torch.arange(100) / 24)
        >>> round(float(pitch_cross_entropy(logits, torch.tensor([[55.0, 0.0]]), grid)), 3)
        4.605
    """
    if logits.shape != (*frequency.shape, *grid.shape) or len(grid) < 2:
        raise ValueError(
            f"got logits of shape {tuple(logits.shape)}, frequencies of shape {tuple(frequency.shape)} and a grid of "
            f"shape {tuple(grid.shape)}; expected (..., pitches), (...) and (pitches,), with at least two pitches"
        )
    counted = (frequency >= grid[0]) & (frequency <= grid[-1])
    inside = frequency.clamp(float(grid[0]), float(grid[-1])).contiguous()
    above = torch.searchsorted(grid, inside).clamp(min=1)
    pair = torch.stack([above - 1, above], -1)
    low, high = grid[pair].log2().unbind(-1)
    fraction = (inside.log2() - low) / (high - low)
    likelihood = F.log_softmax(logits.float(), -1).gather(-1, pair)
    taken = (likelihood * torch.stack([1 - fraction, fraction], -1)).sum(-1)
    loss = -(taken * counted).sum() / counted.sum().clamp(min=1)
    check_finite("the cross entropy", loss, {"logits": logits, "frequency": frequency, "grid": grid})
    return loss
