"""Which stem of a band a net is to generate, as a global condition."""

from collections.abc import Sequence

import torch
from torch import Tensor


def target_code(target: str, targets: Sequence[str]) -> Tensor:
    """Encode the name of a stem as one of the stems that a net knows.

    Args:
        target: Name of the stem, such as "drums".
        targets: Names of all stems that the net knows, in the order of its condition "target".

    Returns:
        1 at the place of the stem and 0 elsewhere, `(len(targets),)`.

    Raises:
        ValueError: The net does not know the stem.

    Example:
        >>> target_code("drums", ["bass", "drums", "lead"])
        tensor([0., 1., 0.])
    """
    if target not in targets:
        raise ValueError(f"got target {target!r}, expected one of: {', '.join(targets)}")
    return torch.tensor([float(name == target) for name in targets])
