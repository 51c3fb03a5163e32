"""Adversarial training with hinge loss and adaptive R1 penalty (Musika, arXiv 2208.08706); optional, off by default."""

import torch
from torch import Tensor

from latentstem.losses import hinge_discriminator_loss, hinge_generator_loss, r1_penalty
from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training.engine.run import TrainingRun

R1_CERTAINTY = 0.9
"""Certainty of the discriminator above which the weight of the penalty grows, and below which it shrinks."""
R1_STEP = 1e-4
"""Change of the weight at every step, as a fraction of the greatest weight."""


class Adversary:
    """A discriminator with its optimiser and the adaptive weight of its R1 penalty.

    The rule of Musika: with certainty `clip(mean D(real) - mean D(fake), 0, 2) / 2`, the weight grows by a
    ten-thousandth of its greatest value a step while the certainty is above 0.9, and shrinks by as much below.

    Args:
        run: Run of the generator, whose state holds the adversary too: make it before `run.resume()`.
        audio_channels: Channels of the audio.
        r1_weight: Greatest weight of the R1 penalty.

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
        """Return what a resumed run needs besides the weights; Accelerate saves it."""
        return {"r1_share": self.r1_share}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Load what `state_dict` returned."""
        self.r1_share = state["r1_share"]

    def step(self, real: Tensor, fake: Tensor) -> None:
        """Update the discriminator once.

        Args:
            real: Real audio, `(batch, channels, samples)`.
            fake: Decoded audio, `(batch, channels, samples)`; no gradient flows back to it.
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
        """Compute the hinge loss of the decoder.

        Args:
            fake: Decoded audio, `(batch, channels, samples)`.

        Returns:
            A scalar, with a gradient to `fake`.
        """
        with self.accelerator.autocast():
            score = self.model(fake)
        return hinge_generator_loss(score.float())
