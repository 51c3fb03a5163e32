"""The Muon optimiser (Jordan et al. 2024), which makes the momentum of every weight matrix orthogonal before the step.

https://kellerjordan.github.io/posts/muon/; the size of a step is that of "Muon is Scalable for LLM Training" (Liu et
al. 2025, arXiv 2502.16982), section 2.2. The gradient of a matrix has a few directions far larger than all others,
which dominate a step of any method that scales entry by entry; an orthogonal step moves all directions by one length.
`torch.optim.Muon` does the same one matrix at a time and in bfloat16 whatever the machine, which costs a GPU several
times the kernels, and twenty times the time on a processor without instructions for bfloat16. Here all matrices of a
shape go together, in float32.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

POLAR_EXPRESS_COEFFICIENTS = (
    (8.3019, -24.0425, 17.4700),
    (4.0090, -2.9278, 0.5427),
    (3.4962, -2.5714, 0.5039),
    (2.5101, -1.8260, 0.4244),
)
"""Coefficients of x, x^3 and x^5 of the polynomials that take singular values from 0.003 to 1 into 0.78 to 1.22.

Each minimizes the greatest distance from 1 over the interval that the polynomials before it lead to, widened by a
hundredth for rounding ("The Polar Express", Amsel et al. 2025, arXiv 2505.16932). Jordan's one polynomial, applied five
times, comes no nearer with a quarter more operations.
"""
MUON_RATE = 2.0
"""Ratio of Muon's learning rate to AdamW's where both train one net."""


class Muon(torch.optim.Optimizer):
    """Optimiser that steps along the orthogonal factor of the momentum, for matrices only.

    Biases and gains are left to AdamW.

    Args:
        params: Matrices, or parameter groups of matrices.
        lr: Learning rate; an entry moves by about 0.2 of it a step, as under AdamW at the same rate.
        momentum: Decay of the running mean of gradients, with one step of Nesterov look-ahead.
        weight_decay: Decoupled weight decay, as in AdamW.

    Raises:
        ValueError: If a parameter is not a matrix.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(3, 2)
        >>> optimizers = [Muon([layer.weight], lr=1e-3), torch.optim.AdamW([layer.bias], lr=1e-3)]
        >>> layer(torch.ones(1, 3)).square().mean().backward()
        >>> for optimizer in optimizers:
        ...     _ = optimizer.step()
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 1e-2
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"got a parameter of shape {tuple(parameter.shape)}, expected matrices; give it to AdamW"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Step every matrix that has a gradient.

        Args:
            closure: Function that computes the loss again, with gradients.

        Returns:
            The loss that the closure returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, matrices in by_shape.items():
                directions = orthogonalize(torch.stack([self._ahead(matrix, group["momentum"]) for matrix in matrices]))
                size = 0.2 * math.sqrt(max(shape)) * group["lr"]
                for matrix, direction in zip(matrices, directions, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-size)
        return loss

    def _ahead(self, matrix: Tensor, decay: float) -> Tensor:
        """Update the running mean of the gradient, and return the mean one step ahead."""
        gradient, state = cast(Tensor, matrix.grad), self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(gradient, 1 - decay)
        return gradient.lerp(state["momentum"], decay)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Bring all singular values near 1 and keep the singular vectors, by a Newton-Schulz iteration.

    Each round multiplies the matrix by a polynomial of its smaller Gram matrix. The rounds run on that Gram matrix, and
    the matrix is multiplied once, by the product of the polynomials: half the operations for an aspect ratio of four.

    Args:
        matrices: `(batch, rows, columns)` in float32: a Gram matrix has twice the range of exponents.

    Returns:
        `(batch, rows, columns)`; a matrix of zeros stays zero.

    Example:
        >>> import torch
        >>> values = torch.linalg.svdvals(orthogonalize(torch.randn(2, 4, 6)))
        >>> bool((values > 0.5).all() and (values < 1.5).all())
        True
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if tall else matrices
    wide = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    gram = wide @ wide.mT
    product = factor = _factor(gram, *POLAR_EXPRESS_COEFFICIENTS[0])
    for coefficients in POLAR_EXPRESS_COEFFICIENTS[1:]:
        gram = factor @ gram @ factor
        factor = _factor(gram, *coefficients)
        product = factor @ product
    near = product @ wide
    return near.mT if tall else near


def _factor(gram: Tensor, linear: float, cubic: float, quintic: float) -> Tensor:
    """The polynomial of a Gram matrix that one round multiplies by."""
    factor = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
    factor.diagonal(dim1=-2, dim2=-1).add_(linear)
    return factor


def muon_and_adamw(
    model: nn.Module, left_to_adamw: tuple[str, ...], learning_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Make Muon for the weight matrices of a net and AdamW for all other trained parameters.

    The others are biases, gains, adapters, the factors of a product that is the matrix, and the named layers.

    Args:
        model: The net.
        left_to_adamw: Beginnings of the names of parameters that AdamW trains even if they are matrices.
        learning_rate: Peak learning rate of AdamW; that of Muon is `MUON_RATE` times as high.
        weight_decay: Decoupled weight decay of Muon and AdamW.

    Returns:
        The optimisers; AdamW alone where only adapters are trained.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> [type(optimizer).__name__ for optimizer in muon_and_adamw(net, ("0", "2"), 1e-3, 1e-2)]
        ['Muon', 'AdamW']
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = {
        name: parameter
        for name, parameter in trained.items()
        if parameter.ndim == 2 and not name.startswith(left_to_adamw) and ".lora_" not in name
    }
    others = [parameter for name, parameter in trained.items() if name not in matrices]
    adamw = torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)
    if not matrices:
        return [adamw]
    return [Muon(matrices.values(), lr=MUON_RATE * learning_rate, weight_decay=weight_decay), adamw]
