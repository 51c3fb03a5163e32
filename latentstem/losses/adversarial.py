"""Hinge adversarial losses (Lim & Ye 2017, arXiv 1705.02894) and R1 penalty (Mescheder et al. 2018, equation 9)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the discriminator's loss: the mean of relu(1 - D(real)) and relu(1 + D(fake)), halved.

    Args:
        real: Scores of real audio, any shape.
        fake: Scores of decoded audio, any shape.

    Returns:
        A scalar, zero once every real score is above 1 and every fake one below -1.

    Example:
        >>> import torch
        >>> hinge_discriminator_loss(torch.tensor([2.0]), torch.tensor([-2.0]))
        tensor(0.)
    """
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """Compute the generator's loss: minus the mean score of what it decoded.

    Args:
        fake: Scores of decoded audio, any shape.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> hinge_generator_loss(torch.tensor([0.5, 1.5]))
        tensor(-1.)
    """
    return -fake.mean()


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
