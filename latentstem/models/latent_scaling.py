"""Normalization of latents, channel by channel, by the statistics in an autoencoder's config."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentstem._checks import check_finite


def normalize_latents(latents: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Bring an autoencoder's latents to zero mean and unit deviation in each channel.

    Args:
        latents: Latents as encoded, `(batch, channels, frames)`.
        config: Config of the autoencoder; without `latents_mean` and `latents_std` they count as 0 and 1.

    Returns:
        Normalized latents, shaped like `latents`.

    Raises:
        ValueError: Latents are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> config = {"latents_mean": [1.0], "latents_std": [2.0]}
        >>> normalize_latents(torch.tensor([[[5.0]]]), config)
        tensor([[[2.]]])
    """
    mean, std = _statistics(latents, config)
    normalized = (latents - mean) / std
    check_finite("the normalized latents", normalized, {"latents": latents})
    return normalized


def denormalize_latents(latents: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Bring normalized latents to an autoencoder's scale: the inverse of `normalize_latents`.

    Args:
        latents: Normalized latents, `(batch, channels, frames)`.
        config: Config of the autoencoder; without `latents_mean` and `latents_std` they count as 0 and 1.

    Returns:
        Latents to decode, shaped like `latents`.

    Raises:
        ValueError: Latents are not finite, where no gradient is recorded.

    Example:
        >>> import torch
        >>> config = {"latents_mean": [1.0], "latents_std": [2.0]}
        >>> denormalize_latents(torch.tensor([[[2.0]]]), config)
        tensor([[[5.]]])
    """
    mean, std = _statistics(latents, config)
    scaled = latents * std + mean
    check_finite("the latents", scaled, {"normalized latents": latents})
    return scaled


def _statistics(latents: Tensor, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    mean, std = config.get("latents_mean"), config.get("latents_std")
    options = {"dtype": latents.dtype, "device": latents.device}
    return (
        torch.tensor(0.0 if mean is None else mean, **options).reshape(-1, 1),
        torch.tensor(1.0 if std is None else std, **options).reshape(-1, 1),
    )
