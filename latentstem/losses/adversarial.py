"""Hinge adversarial losses (Lim & Ye 2017, arXiv 1705.02894) and R1 penalty (Mescheder et al. 2018, equation 9)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem._checks import check_finite, entries


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the discriminator's loss: the mean of relu(1 - D(real)) and relu(1 + D(fake)), halved.

    Args:
        real: Scores of real audio, any shape.
        fake: Scores of decoded audio, any shape.

    Returns:
        A scalar, zero once every real score is above 1 and every fake one below -1.

    Raises:
        ValueError: Scores are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> hinge_discriminator_loss(torch.tensor([2.0]), torch.tensor([-2.0]))
        tensor(0.)
    """
    loss = 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
    check_finite("the loss", loss, {"real": real, "fake": fake})
    return loss


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """Compute the generator's loss: minus the mean score of what it decoded.

    Args:
        fake: Scores of decoded audio, any shape.

    Returns:
        A scalar.

    Raises:
        ValueError: Scores are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> hinge_generator_loss(torch.tensor([0.5, 1.5]))
        tensor(-1.)
    """
    loss = -fake.mean()
    check_finite("the loss", loss, {"fake": fake})
    return loss


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Compute how far a discriminator's hidden states of decoded audio are from those of the real audio.

    The L1 distance of each layer (Larsen et al. 2016, arXiv 1512.09300; Kumar et al. 2019, arXiv 1910.06711, equation
    4), over the mean magnitude of the real one's, so that no layer outweighs the others.

    Args:
        fake: Hidden states of decoded audio, layer by layer.
        real: Hidden states of the real audio, shaped alike; no gradient flows back to them.

    Returns:
        A scalar, the mean over the layers.

    Raises:
        ValueError: Hidden states are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> feature_matching([torch.zeros(2, 3)], [torch.ones(2, 3)])
        tensor(1.)
    """
    distances = [
        (ours - theirs.detach()).abs().mean() / theirs.detach().abs().mean().clamp(min=1e-6)
        for ours, theirs in zip(fake, real, strict=True)
    ]
    loss = torch.stack(distances).mean()
    check_finite("the loss", loss, entries(fake=fake, real=real))
    return loss


def r1_penalty(score: Tensor, real: Tensor) -> Tensor:
    """Compute the mean squared gradient of the score at real inputs, summed over one item's elements.

    Args:
        score: Discriminator output for `real`, `(batch, ...)`, still attached to its graph.
        real: The input with `requires_grad`, `(batch, ...)`.

    Returns:
        A scalar that can be differentiated again.

    Example:
        >>> import torch
        >>> real = torch.ones(4, 3, requires_grad=True)
        >>> float(r1_penalty((2 * real).sum(), real).detach())
        12.0
    """
    (gradient,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()
