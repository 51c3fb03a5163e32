"""What a decoder's choice of pitch is trained by: cross entropy with the pitch that is there."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pitch_cross_entropy(logits: Tensor, frequency: Tensor, grid: Tensor) -> Tensor:
    """Cross entropy between a softmax over a grid of pitches and the true pitch, over voiced frames.

    A pitch between two points of the grid is shared between them by its distance to each, in octaves. A spectral
    distance alone leaves a bank of sinusoids free to spell a tone in many ways, of which most are blurred; this names
    one.

    Args:
        logits: `(..., pitches)`.
        frequency: `(...)` in Hz, 0 where unvoiced. Voiced frames outside the grid do not count.
        grid: `(pitches,)` in Hz, ascending, at least two.

    Returns:
        A scalar, 0 where no frame counts.

    Raises:
        ValueError: The shapes do not belong together.

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
    share = (inside.log2() - low) / (high - low)
    likelihood = F.log_softmax(logits.float(), -1).gather(-1, pair)
    taken = (likelihood * torch.stack([1 - share, share], -1)).sum(-1)
    return -(taken * counted).sum() / counted.sum().clamp(min=1)
