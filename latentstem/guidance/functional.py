"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) and rescaling (Lin et al. 2023, arXiv 2305.08891).

Unbounded latents have no range to clip to, so the spread that strong guidance adds has to be taken away by rescaling:
the latent rescaling of arXiv 2402.01412, with Lin et al.'s equations 15 and 16.
"""

from collections.abc import Sequence

from torch import Tensor


def classifier_free_guidance(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Extrapolate from the unconditional prediction through the conditional one: `uncond + scale * (cond - uncond)`.

    Args:
        cond: Prediction with the condition.
        uncond: Prediction without the condition, shaped like `cond`.
        scale: Weight of the difference: 0 returns `uncond`, 1 returns `cond` itself, above 1 goes beyond `cond`.

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
    """Reduce the standard deviation that guidance added, by a fraction (arXiv 2305.08891, eq. 15 and 16).

    Statistics are computed in float32. Where the guided prediction is constant, as it is for silence, there is no
    deviation to reduce and the result stays finite.

    Args:
        guided: Guided prediction, `(batch, ...)`.
        cond: Conditional prediction, whose standard deviation is the target.
        amount: Fraction of the rescaling: 0 leaves `guided` as it is, 1 gives it the standard deviation of `cond`.
        dim: Dimensions over which a standard deviation is taken; None is all but the batch, `-1` rescales each channel
            of `(batch, channels, frames)` by itself.
        eps: Least standard deviation by which is divided.

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
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    target = cond.float().std(dims, correction=0, keepdim=True)
    spread = guided.float().std(dims, correction=0, keepdim=True)
    ratio = (target.clamp(min=eps) / spread.clamp(min=eps)) * amount + (1 - amount)
    return (guided.float() * ratio).to(guided.dtype)
