"""The loss of a denoiser's training: the error of what it predicts of noisy latents."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from latentstem.sampling.objectives import Objective
from latentstem.training.engine.run import TrainingRun

EMBEDDINGS = ("time_embedding", "position_biases")
"""Small nets in `StemUNet1DModel` that read timesteps and distances only: AdamW trains their matrices."""


def denoising_loss(
    run: TrainingRun,
    objective: Objective,
    clean: Tensor,
    conditions: Mapping[str, Tensor],
    dropped: Mapping[str, Tensor],
    noise_emphasis: float,
) -> Tensor:
    """Compute the mean squared error of the prediction at random timesteps.

    Args:
        run: Run with the net and its precision.
        objective: Objective of the training.
        clean: Normalized latents, `(batch, channels, frames)`.
        conditions: Conditions by name, `(batch, channels, frames)` or `(batch, channels)`.
        dropped: Masks of the conditions that are dropped, by name, as `draw_dropped` returns them.
        noise_emphasis: Exponent by which the density of timesteps grows with their noise.

    Returns:
        A scalar.
    """
    noise = torch.randn_like(clean)
    timesteps = objective.draw_timesteps(len(clean), noise_emphasis).to(clean.device)
    with run.accelerator.autocast():
        (predicted,) = run.model(
            objective.add_noise(clean, noise, timesteps), timesteps, conditions, dropped, return_dict=False
        )
    return mse_loss(predicted.float(), objective.target(clean, noise, timesteps))
