"""The adversarial half of the autoencoder's training: a discriminator with an R1 penalty that adapts."""

import torch
from torch import Tensor

from latentstem.losses import hinge_discriminator_loss, hinge_generator_loss, r1_penalty
from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training.engine.run import TrainingRun

R1_CERTAINTY = 0.9
"""Certainty of the discriminator above which the penalty grows, and below which it shrinks."""
R1_STEP = 1e-4
"""Share of its range by which it does so at every step."""


class Adversary:
    """The discriminator, its optimiser and its R1 weight, which grows while the discriminator is too certain of itself.

    Musika's rule: with certainty `clip(mean D(real) - mean D(fake), 0, 2) / 2`, the weight grows by a ten-thousandth of
    its range a step above 0.9 and shrinks by as much below.

    Args:
        run: The training it is part of; its state holds the adversary too, so make it before `run.resume()`.
        audio_channels: Of what it judges.
        r1_weight: Greatest weight of the penalty.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from latentstem.training.engine.budget import Budget
        >>> decoder = torch.nn.Conv1d(1, 1, 3, padding=1)
        >>> optimizer = torch.optim.AdamW(decoder.parameters())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = TrainingRun(decoder, [optimizer], Budget(steps=1), Path(folder), "no")
        ...     adversary = Adversary(run, audio_channels=1)
        ...     real = torch.randn(2, 1, 8192)
        ...     fake = run.model(torch.randn(2, 1, 8192))
        ...     adversary.step(real, fake)
        ...     run.update(adversary.generator_loss(fake))
        ...     run.budget.step
        1
    """

    def __init__(self, run: TrainingRun, audio_channels: int, r1_weight: float = 10.0):
        model = SpectralDiscriminator(audio_channels=audio_channels)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.5, 0.99))
        self.model, self.optimizer = run.accelerator.prepare(model, optimizer)
        run.accelerator.register_for_checkpointing(self)
        self.accelerator = run.accelerator
        self.r1_weight, self.r1_share = r1_weight, 0.0

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs beside the weights."""
        return {"r1_share": self.r1_share}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up a stored run."""
        self.r1_share = state["r1_share"]

    def step(self, real: Tensor, fake: Tensor) -> None:
        """One update of the discriminator.

        Args:
            real: Audio `(batch, channels, samples)`.
            fake: What was decoded, likewise; no gradient goes back to it.
        """
        real = real.detach().requires_grad_(self.r1_share > 0)
        with self.accelerator.autocast():
            real_score, fake_score = self.model(real), self.model(fake.detach())
        loss = hinge_discriminator_loss(real_score.float(), fake_score.float())
        if self.r1_share > 0:
            loss = loss + 0.5 * self.r1_weight * self.r1_share * r1_penalty(real_score, real)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        certainty = float((real_score.detach().mean() - fake_score.detach().mean()).clamp(0, 2) / 2)
        self.r1_share = min(1.0, max(0.0, self.r1_share + (R1_STEP if certainty > R1_CERTAINTY else -R1_STEP)))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """How well the discriminator tells decoded audio `(batch, channels, samples)` from real: the decoder's loss."""
        with self.accelerator.autocast():
            score = self.model(fake)
        return hinge_generator_loss(score.float())
