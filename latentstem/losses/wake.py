"""Wake phase of reweighted wake-sleep (Bornschein and Bengio 2015, arXiv 1406.2751) for latents that items share.

An encoder learns from what its decoder makes of a latent, and a decoder listens to a latent that tells it something: of
a relation that is hard to see neither ever begins. Latents that are drawn from the prior break the tie. Those that
happen to decode a group of items well are decoded better, and the encoder learns to name them from each item.
"""

import torch
from torch import Tensor

from latentstem._checks import check_finite


def wake_terms(
    errors: Tensor, latents: Tensor, mean: Tensor, log_variance: Tensor, groups: Tensor, sharpness: float = 20.0
) -> dict[str, Tensor]:
    """Weigh drawn latents by how well they decode groups of items, and compare them with what an encoder infers.

    Args:
        errors: Error of each item decoded with each latent, `(draws, batch)`.
        latents: The latents, drawn from the prior, `(draws, batch, dimensions)`; all items of a group have the same.
        mean: Mean of the Gaussian that the encoder infers from each item, `(batch, dimensions)`.
        log_variance: Logarithm of its variance, in the shape of `mean`.
        groups: Number of the group of each item, from 0 on, `(batch,)`. What all items of a group share, and no other
            thing, can make one latent fit them all.
        sharpness: Factor on the errors of a group, summed, before the softmax that gives the weights of its latents:
            the number of independent observations that an error is a mean of.

    Returns:
        Scalars: `"wake_error"`, the weighted error; and `"naming"`, the weighted negative logarithm of the density of
        the latents, without its constant, to be minimized by the encoder.

    Raises:
        ValueError: The shapes do not fit, or errors or terms are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> latents = torch.tensor([-1.0, 1.0]).view(2, 1, 1).expand(2, 4, 1)  # two draws, the same for both groups
        >>> errors = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
        >>> groups, mean = torch.tensor([0, 0, 1, 1]), torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
        >>> terms = wake_terms(errors, latents, mean, torch.zeros(4, 1), groups)
        >>> [round(float(term), 3) for term in terms.values()]
        [0.0, 0.0]
    """
    if latents.shape[:2] != errors.shape or latents.shape[1:] != mean.shape or groups.shape != errors.shape[1:]:
        raise ValueError(
            f"got errors of shape {tuple(errors.shape)}, latents of {tuple(latents.shape)}, a mean of "
            f"{tuple(mean.shape)} and groups of {tuple(groups.shape)}; expected (draws, batch), (draws, batch, "
            "dimensions), (batch, dimensions) and (batch,)"
        )
    errors, mean, log_variance = errors.float(), mean.float(), log_variance.float()
    fixed = errors.detach()
    summed = torch.zeros_like(fixed).index_add_(1, groups, fixed)[:, groups]
    weights = (-sharpness * summed).softmax(0)
    distances = (latents.detach().float() - mean).square() * (-log_variance).exp()
    names = 0.5 * (distances + log_variance).sum(-1)
    terms = {"wake_error": (weights * errors).sum(0).mean(), "naming": (weights * names).sum(0).mean()}
    for name, term in terms.items():
        check_finite(f"the term {name}", term, {"errors": errors, "mean": mean, "log_variance": log_variance})
    return terms
