"""Supervised contrastive loss of codes (Khosla et al. 2020, arXiv 2004.11362, equation 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from latentstem._checks import check_finite, check_number


def supervised_contrastive(codes: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Pull codes of equal labels together, and push others apart.

    Args:
        codes: Codes of any length, `(batch, dimensions)`; their directions are compared.
        labels: What each code is of, integers `(batch,)`.
        temperature: Temperature of the softmax over cosines.

    Returns:
        A scalar: the mean, over codes that have a partner, of the cross entropy of their partners among all others; 0
        where none has one.

    Raises:
        ValueError: There is not one label a code, or the temperature is not positive; or codes are not finite, where no
            gradient is recorded.

    Example:
        >>> import torch
        >>> codes = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        >>> bool(supervised_contrastive(codes, torch.tensor([0, 0, 1, 1])) < 0.01)
        True
    """
    if codes.ndim != 2 or labels.shape != codes.shape[:1]:
        raise ValueError(
            f"got codes of shape {tuple(codes.shape)} and labels of shape {tuple(labels.shape)}; expected (batch, "
            "dimensions) and (batch,)"
        )
    check_number(1e-6, 1e6, temperature=temperature)
    directions = F.normalize(codes.float(), dim=-1)
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    cosines = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
    partners = (labels[:, None] == labels) & ~itself
    log_shares = cosines.log_softmax(dim=-1).masked_fill(~partners, 0.0)
    counts = partners.sum(dim=-1)
    losses = -log_shares.sum(dim=-1) / counts.clamp(min=1)  # 0 of a code without a partner
    loss = losses.sum() / (counts > 0).sum().clamp(min=1)
    check_finite("the loss", loss, {"codes": codes})
    return loss
