"""Adversarial training of the autoencoder, optional and off by default.

Hinge loss and adaptive R1 penalty as in Musika (arXiv 2208.08706), discriminators of several STFT resolutions and
feature matching as in HiFi-GAN and its successors (arXiv 2010.05646).
"""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from latentstem.losses import feature_matching, hinge_discriminator_loss, hinge_generator_loss, r1_penalty
from latentstem.models.discriminator import SpectralDiscriminator
from latentstem.training.engine.run import TrainingRun

R1_CERTAINTY = 0.9
"""Certainty of the discriminator above which the weight of the penalty grows, and below which it shrinks."""
R1_STEP = 1e-4
"""Change of the weight at every step, as a fraction of the greatest weight."""


class Adversary:
    """Discriminators, one an STFT resolution, with their optimiser and the adaptive weight of the R1 penalty.

    The rule of Musika: with certainty `clip(mean D(real) - mean D(fake), 0, 2) / 2`, the weight grows by a
    ten-thousandth of its greatest value a step while the certainty is above 0.9, and shrinks by as much below.

    Args:
        run: Run of the generator, whose state holds the adversary too: make it before `run.resume()`.
        audio_channels: Channels of the audio.
        r1_weight: Greatest weight of the R1 penalty.
        window_lengths: Window length in samples of each discriminator's STFT, whose hop is a quarter of it.
        channels: Width of the first layer of each discriminator.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from latentstem.training.engine.budget import Budget
        >>> decoder = torch.nn.Conv1d(1, 1, 3, padding=1)
        >>> optimizer = torch.optim.AdamW(decoder.parameters())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = TrainingRun(decoder, [optimizer], Budget(steps=1), Path(folder), "no")
        ...     adversary = Adversary(run, audio_channels=1, window_lengths=(512, 1024), channels=8)
        ...     real = torch.randn(2, 1, 8192)
        ...     fake = run.model(torch.randn(2, 1, 8192))
        ...     adversary.step(real, fake)
        ...     run.update(sum(adversary.generator_losses(real, fake)))
        ...     run.budget.step
        1
    """

    def __init__(
        self,
        run: TrainingRun,
        audio_channels: int,
        r1_weight: float = 10.0,
        window_lengths: Sequence[int] = (512, 1024, 2048),
        channels: int = 96,
    ):
        model = nn.ModuleList(
            SpectralDiscriminator(
                audio_channels=audio_channels, window_length=window, hop_length=window // 4, channels=channels
            )
            for window in window_lengths
        )
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
            scores = [(discriminator(real), discriminator(fake.detach())) for discriminator in self._discriminators]
        losses = [hinge_discriminator_loss(ours.float(), theirs.float()) for ours, theirs in scores]
        loss = torch.stack(losses).mean()
        if self.r1_share > 0:
            penalty = torch.stack([r1_penalty(score, real) for score, _ in scores]).mean()
            loss = loss + 0.5 * self.r1_weight * self.r1_share * penalty
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        margins = [float(ours.detach().mean() - theirs.detach().mean()) for ours, theirs in scores]
        certainty = min(max(sum(margins) / len(margins), 0.0), 2.0) / 2
        self.r1_share = min(1.0, max(0.0, self.r1_share + (R1_STEP if certainty > R1_CERTAINTY else -R1_STEP)))

    def generator_losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the losses of the decoder.

        Args:
            real: Real audio, `(batch, channels, samples)`.
            fake: Decoded audio, `(batch, channels, samples)`.

        Returns:
            Hinge loss and feature matching, two scalars, with a gradient to `fake`.
        """
        hinges, distances = [], []
        for discriminator in self._discriminators:
            with self.accelerator.autocast():
                ours = discriminator.features(fake)
                with torch.no_grad():
                    theirs = discriminator.features(real)
            hinges.append(hinge_generator_loss(ours[-1].float()))
            distances.append(feature_matching(ours[:-1], theirs[:-1]))
        return torch.stack(hinges).mean(), torch.stack(distances).mean()

    @property
    def _discriminators(self) -> Iterator[SpectralDiscriminator]:
        # The wrapper that Accelerate makes of a model for several processes hides its parts.
        return cast(Iterator[SpectralDiscriminator], iter(self.accelerator.unwrap_model(self.model)))
