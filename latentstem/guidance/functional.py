"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) and rescaling (Lin et al. 2023, arXiv 2305.08891).

Unbounded latents have no range to clip to, so the spread that strong guidance adds has to be taken away by rescaling:
the latent rescaling of arXiv 2402.01412, with Lin et al.'s equations 15 and 16.
"""

from collections.abc import Sequence

from torch import Tensor

from latentstem._checks import check_finite, check_number

STRONGEST = 1000.0
"""Greatest magnitude of a scale of guidance or style; far beyond it float32 overflows."""


def classifier_free_guidance(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Extrapolate from the unconditional prediction through the conditional one: `uncond + scale * (cond - uncond)`.

    Args:
        cond: Prediction with the condition.
        uncond: Prediction without the condition, shaped like `cond`.
        scale: Weight of the difference: 0 returns `uncond`, 1 returns `cond` itself, above 1 goes beyond `cond`.

    Returns:
        The guided prediction.

    Raises:
        ValueError: The scale is no number from -1000 to 1000; or a prediction is not finite, where no gradient is
            recorded.

    Example:
        >>> import torch
        >>> classifier_free_guidance(torch.tensor([2.0]), torch.tensor([1.0]), scale=3.0)
        tensor([4.])
    """
    check_number(-STRONGEST, STRONGEST, scale=scale)
    guided = cond if scale == 1 else uncond + scale * (cond - uncond)
    check_finite("the guided prediction", guided, {"cond": cond, "uncond": uncond})
    return guided


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

    Raises:
        ValueError: The amount is no number from 0 to 1; or a prediction is not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> cond = torch.tensor([[[-1.0, 1.0]]])
        >>> rescale_std(4 * cond, cond, amount=1.0)
        tensor([[[-1.,  1.]]])
    """
    check_number(0, 1, amount=amount)
    if dim is None:
        dim = range(1, guided.ndim)
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    target = cond.float().std(dims, correction=0, keepdim=True)
    spread = guided.float().std(dims, correction=0, keepdim=True)
    ratio = (target.clamp(min=eps) / spread.clamp(min=eps)) * amount + (1 - amount)
    rescaled = (guided.float() * ratio).to(guided.dtype)
    check_finite("the rescaled prediction", rescaled, {"guided": guided, "cond": cond})
    return rescaled
