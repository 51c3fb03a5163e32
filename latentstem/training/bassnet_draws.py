"""Training of `BassNetModel` with drawn controls, for patterns that an encoder does not come upon by itself."""

from typing import Any

import torch
from torch import Tensor

from latentstem.losses.variational import divergence_terms, reconstruction_errors
from latentstem.losses.wake import wake_terms
from latentstem.training.bassnet_windows import BassNetBatch, BassNetWindows

GROUP = 4
"""Windows that one drawn control has to fit: of two, half would share what lasts no longer than a beat."""
GROUP_SECONDS = 2.0
"""Greatest distance of a group's windows from its first in seconds: over more, patterns change."""
_NAMING_WEIGHT = 0.05


def drawn_loss(
    model: Any,
    batch: BassNetBatch,
    drawn: BassNetWindows,
    draws: int,
    control_dim: int,
    divergence_weight: float = 1.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss of a batch decoded with controls that are drawn: see `latentstem.losses.wake_terms`.

    Args:
        model: Model in training mode.
        batch: Windows.
        drawn: Where they are drawn from, which knows their groups.
        draws: Number of controls for each group.
        control_dim: Number of dimensions of the control.
        divergence_weight: Weight of the divergences.

    Returns:
        The loss, and its terms by name, without their weights.
    """
    groups = drawn.groups
    controls = torch.randn(draws, drawn.batch_size // drawn.group, control_dim, device=batch.mix.device)[:, groups]
    output = model(batch.mix, batch.bass, controls=controls)
    repeated = {name: value.repeat(draws, *(1 for _ in value.shape[1:])) for name, value in batch.target.items()}
    errors = torch.stack(list(reconstruction_errors(output, repeated, itemwise=True).values())).sum(0)
    terms = wake_terms(errors.view(draws, -1), controls, output.mean, output.log_variance, groups)
    terms |= divergence_terms(output, drawn.partners)
    weights = {"wake_error": 1.0, "naming": _NAMING_WEIGHT}
    return torch.stack([weights.get(name, divergence_weight) * term for name, term in terms.items()]).sum(), terms
