"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) and rescaling (Lin et al. 2023, arXiv 2305.08891).

Unbounded latents have no range to clip to, so the spread that strong guidance adds has to be taken away by rescaling:
the latent rescaling of arXiv 2402.01412, with Lin et al.'s equations 15 and 16.
"""

from collections.abc import Sequence

from torch import Tensor


def classifier_free_guidance(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Moves a prediction from the unconditional one through the conditional one: `uncond + scale * (cond - uncond)`.

    Args:
        cond: Prediction with the condition.
        uncond: Prediction without it, of the same shape.
        scale: 0 gives `uncond`, 1 gives `cond` itself, above 1 goes beyond it.

    Returns:
        The guided prediction.

    Example:
        >>> import torch
        >>> classifier_free_guidance(torch.tensor([2.0]), torch.tensor([1.0]), scale=3.0)
        tensor([4.])
    """
    if scale == 1:
        return cond
    return uncond + scale * (cond - uncond)


def rescale_std(
    guided: Tensor,
    cond: Tensor,
    amount: float,
    dim: int | Sequence[int] | None = None,
    eps: float = 1e-6,
) -> Tensor:
    """Takes a share of the spread that guidance added away again (arXiv 2305.08891, eq. 15 and 16).

    Statistics are computed in float32. Where the guided prediction is constant, as it is for silence, there is no
    spread to take away and the result stays finite.

    Args:
        guided: The guided prediction, `(batch, ...)`.
        cond: The conditional prediction, whose standard deviation is the goal.
        amount: 0 leaves `guided` as it is, 1 gives it the standard deviation of `cond`.
        dim: Dimensions that a standard deviation is taken over; None: all but the batch. `-1` rescales each channel of
            `(batch, channels, frames)` by itself.
        eps: Least standard deviation that is divided by.

    Returns:
        The rescaled prediction, in the dtype of `guided`.

    Example:
        >>> import torch
        >>> cond = torch.tensor([[[-1.0, 1.0]]])
        >>> rescale_std(4 * cond, cond, amount=1.0)
        tensor([[[-1.,  1.]]])
    """
    if dim is None:
        dim = range(1, guided.ndim)
    over = (dim,) if isinstance(dim, int) else tuple(dim)
    goal = cond.float().std(over, correction=0, keepdim=True)
    spread = guided.float().std(over, correction=0, keepdim=True)
    ratio = (goal.clamp(min=eps) / spread.clamp(min=eps)) * amount + (1 - amount)
    return (guided.float() * ratio).to(guided.dtype)
