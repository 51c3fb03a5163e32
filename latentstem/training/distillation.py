"""Distillation of guidance: a net learns to predict in one evaluation what guidance makes of its teacher's two.

The first of the two stages of "On Distillation of Guided Diffusion Models" (Meng et al. 2023, arXiv 2210.03142, section
3.1), with the latent rescaling of the teacher's guider included. The net is told the weight of guidance as the global
condition "guidance"; where that is dropped, it learns what the teacher predicts without guidance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from latentstem.guidance.distilled import GUIDANCE, DistilledGuidance, guidance_condition
from latentstem.guidance.functional import rescale_std
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.sampling.objectives import Objective, check_schedule
from latentstem.training.engine.run import TrainingRun
from latentstem.training.latents import LatentTrack
from latentstem.training.unet_conditions import with_conditions
from latentstem.training.unet_validation import stack_conditions

COMPARED = (0.25, 0.5, 0.75, 0.9375)
"""Timesteps at which pupil and teacher are compared, as fractions of the schedule."""


@dataclass(frozen=True)
class GuidedTeacher:
    """A published denoiser and its guidance.

    Args:
        unet: Denoiser, in evaluation mode.
        guidance_rescale: Fraction of the spread which guidance adds that is taken back.
        strongest: Greatest weight of guidance to be learned.

    Example:
        >>> unet = StemUNet1DModel(
        ...     latent_channels=4, block_out_channels=(8,), layers_per_block=(1,), attention_levels=(False,),
        ... ).eval()
        >>> teacher = GuidedTeacher(unet, guidance_rescale=0.4, strongest=6.0)
        >>> teacher.pupil().config.global_conditions
        {'guidance': 1}
        >>> teacher.draw_scales(100).min() >= 1
        tensor(True)
    """

    unet: StemUNet1DModel
    guidance_rescale: float
    strongest: float

    @classmethod
    def from_pretrained(cls, folder: Path, strongest: float, scheduler: Any) -> "GuidedTeacher":
        """Load a teacher from a published pipeline.

        Args:
            folder: Folder of the pipeline.
            strongest: Greatest weight of guidance to be learned.
            scheduler: Scheduler that the pupil is trained with.

        Raises:
            ValueError: The schedule is not the teacher's, or its guider is no `RescaledClassifierFreeGuidance` with one
                weight of all conditions that rescales the clean samples as a whole.
        """
        pipe: Any = StemAccompanimentPipeline.from_pretrained(folder)
        guider = pipe.guider
        if not isinstance(guider, RescaledClassifierFreeGuidance):
            raise ValueError(
                f"{folder} has the guider {type(guider).__name__}; expected RescaledClassifierFreeGuidance, whose "
                "result is what the net learns"
            )
        if guider.condition_scales or guider.per_channel or guider.space != "denoised":
            raise ValueError(
                f"{folder} has a guider with condition_scales={guider.condition_scales}, per_channel="
                f"{guider.per_channel} and space={guider.space!r}; expected no condition_scales, per_channel=False and "
                'space="denoised", since one weight of all conditions is learned'
            )
        check_schedule(scheduler, pipe.config["trained_schedule"])
        return cls(pipe.unet.eval().requires_grad_(False), guider.guidance_rescale, strongest)

    def pupil(self) -> StemUNet1DModel:
        """Return a net that begins as the teacher and can be told the weight of guidance."""
        with_guidance = {**(self.unet.config["global_conditions"] or {}), GUIDANCE: 1}
        return with_conditions(self.unet, {"global_conditions": with_guidance})

    def guider(self) -> DistilledGuidance:
        """Return the guider with which the pupil is published."""
        return DistilledGuidance(min(4.0, self.strongest), self.strongest)

    def draw_scales(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw weights of guidance evenly from 1 to the strongest, `(batch,)`."""
        return 1 + (self.strongest - 1) * torch.rand(batch, generator=generator)

    @torch.no_grad()
    def targets(
        self,
        objective: Objective,
        noisy: Tensor,
        timesteps: Tensor,
        conditions: Mapping[str, Tensor],
        dropped: Mapping[str, Tensor],
        scales: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Compute the guided prediction, which the pupil is to make, and the one that guidance begins with.

        Args:
            objective: Objective of the teacher's training.
            noisy: Noisy latents, `(batch, channels, frames)`.
            timesteps: Timesteps, `(batch,)`.
            conditions: Conditions by name, without the weight of guidance.
            dropped: Masks of the conditions that the pupil is not given.
            scales: Weights of guidance, `(batch,)`.

        Returns:
            The predictions with and without guidance, in the parametrisation of the net and shaped like `noisy`.
        """
        nothing = {name: torch.ones(len(noisy), dtype=torch.bool, device=noisy.device) for name in conditions}
        unguided, free = (
            self.unet(noisy, timesteps, conditions, masks, return_dict=False)[0].float() for masks in (dropped, nothing)
        )
        cond, uncond = (objective.clean(noisy, output, timesteps) for output in (unguided, free))
        guided = uncond + scales[:, None, None] * (cond - uncond)
        guided = rescale_std(guided, cond, self.guidance_rescale)
        return objective.target(guided, objective.noise(noisy, guided, timesteps), timesteps), unguided


def distillation_loss(
    run: TrainingRun,
    objective: Objective,
    teacher: GuidedTeacher,
    clean: Tensor,
    conditions: Mapping[str, Tensor],
    dropped: Mapping[str, Tensor],
    guidance_dropout: float,
    noise_emphasis: float,
) -> Tensor:
    """Compute the mean squared difference from the teacher's guided prediction at random timesteps and weights.

    Args:
        run: Run with the net and its precision.
        objective: Objective of the training.
        teacher: The teacher.
        clean: Normalized latents, `(batch, channels, frames)`.
        conditions: Conditions by name, without the weight of guidance.
        dropped: Masks of the conditions that are dropped, by name, as `draw_dropped` returns them.
        guidance_dropout: Probability that the net is not told the weight, and learns the unguided prediction.
        noise_emphasis: Exponent by which the density of timesteps grows with their noise.

    Returns:
        A scalar.
    """
    device = clean.device
    timesteps = objective.draw_timesteps(len(clean), noise_emphasis).to(device)
    noisy = objective.add_noise(clean, torch.randn_like(clean), timesteps)
    scales = teacher.draw_scales(len(clean)).to(device)
    untold = torch.rand(len(clean), device=device) < guidance_dropout
    told = {**conditions, GUIDANCE: guidance_condition(scales)}
    with run.accelerator.autocast():
        guided, unguided = teacher.targets(objective, noisy, timesteps, conditions, dropped, scales)
        (predicted,) = run.model(noisy, timesteps, told, {**dropped, GUIDANCE: untold}, return_dict=False)
    return mse_loss(predicted.float(), torch.where(untold[:, None, None], unguided, guided))


@torch.no_grad()
def distillation_error(
    unet: StemUNet1DModel,
    teacher: GuidedTeacher,
    scheduler: Any,
    tracks: Sequence[LatentTrack],
) -> float:
    """Compute the share of what guidance changes that a net misses, as a mean square.

    The noise and the weights of guidance are functions of the order and the length of the tracks alone.

    Args:
        unet: Pupil in evaluation mode.
        teacher: The teacher.
        scheduler: Scheduler that both were trained with.
        tracks: Normalized latents of tracks; all are cut to the length of the shortest.

    Returns:
        Mean squared difference from the guided prediction, relative to that of the teacher's prediction without
        guidance: 0 for the guided prediction itself, 1 for that without.
    """
    length = min(track.stem.shape[-1] for track in tracks)
    stem = torch.stack([track.stem[:, :length] for track in tracks]).to(unet.device)
    conditions = {name: value.to(unet.device) for name, value in stack_conditions(tracks, length).items()}
    objective, generator = Objective(scheduler), torch.Generator().manual_seed(0)
    missed = changed = 0.0
    for fraction in COMPARED:
        noise = torch.randn(stem.shape, generator=generator).to(stem.device)
        scales = teacher.draw_scales(len(stem), generator).to(stem.device)
        timestep = int(fraction * objective.num_train_timesteps)
        steps = torch.full((len(stem),), timestep, device=stem.device)
        noisy = objective.add_noise(stem, noise, steps)
        guided, unguided = teacher.targets(objective, noisy, steps, conditions, {}, scales)
        told = {**conditions, GUIDANCE: guidance_condition(scales)}
        (predicted,) = unet(noisy, steps, told, return_dict=False)
        missed += float(mse_loss(predicted.float(), guided))
        changed += float(mse_loss(unguided, guided))
    return missed / changed
