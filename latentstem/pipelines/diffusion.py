"""From noise to latents of a stem: what pipelines share whose net draws stems, whatever they are conditioned on."""

from typing import Any

import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.circular import wrap_turn
from latentstem.pipelines.codec import LOOP_CONTEXT, StemCodecPipeline
from latentstem.sampling.denoised import denoised_coefficients
from latentstem.sampling.windows import Windows
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler


class StemDiffusionPipeline(StemCodecPipeline):
    """A pipeline with a denoiser that hears a mix, a scheduler, a guider, and perhaps a judge of what was drawn.

    A base class: it has no call of its own. `StemAccompanimentPipeline` is one of its kind.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline, StemDiffusionPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> isinstance(pipe, StemDiffusionPipeline)
        True
        >>> noise, mix_latents = torch.randn(2, 1, 64, 20)
        >>> pipe.scheduler.set_timesteps(64)
        >>> pipe.guider.set_state(step=0, num_inference_steps=64, timestep=pipe.scheduler.timesteps[0])
        >>> with torch.no_grad():
        ...     pipe.predict(noise, pipe.scheduler.timesteps[0], mix_latents, pipe.guider).shape
        torch.Size([1, 64, 20])
    """

    unet: Any  # a StemUNet1DModel, or what is called as it is
    scheduler: Any
    judge: Any  # a ContrastiveStemModel or None
    windows: Windows | None = Windows()
    split_guidance: bool = False

    def enable_windows(self, frames: int = Windows.frames, overlap: int = Windows.overlap) -> None:
        """Run the net over overlapping windows of whatever is longer than one; it is on from the start.

        Time grows with the length then, and no longer with its square; see `latentstem.sampling.windows`.

        Args:
            frames: Latent frames of a window.
            overlap: Frames that neighbours share, at most half of `frames`.

        Raises:
            ValueError: the lengths do not fit each other.
        """
        self.windows = Windows(frames, overlap)

    def disable_windows(self) -> None:
        """Run the net over the whole length at once."""
        self.windows = None

    def enable_guidance_splitting(self) -> None:
        """Run the net once for each branch of guidance, and not once for both: half the memory of a step."""
        self.split_guidance = True

    def disable_guidance_splitting(self) -> None:
        """Run the net once for all branches of guidance together, as it is from the start."""
        self.split_guidance = False

    def _check_scheduler(self) -> None:
        trained = CosineDDIMScheduler(**self.config["trained_schedule"])
        name = type(self.scheduler).__name__
        fix = f"{name}.from_config(pipe.scheduler.config) of the scheduler saved with the weights"
        alphas = getattr(self.scheduler, "alphas_cumprod", torch.empty(0)).cpu()
        if alphas.shape != trained.alphas_cumprod.shape or not torch.allclose(
            alphas, trained.alphas_cumprod, rtol=1e-3, atol=1e-6
        ):
            raise ValueError(
                f"{name} has another noise schedule (alphas_cumprod) than the one the net was trained on, which "
                f"would return noise; build it with {fix}"
            )
        if self.scheduler.config.prediction_type != trained.config["prediction_type"]:
            raise ValueError(
                f"{name} takes the net's output for {self.scheduler.config.prediction_type!r}, but it was trained to "
                f"predict {trained.config['prediction_type']!r}; build it with {fix}"
            )

    def prepare_latents(
        self,
        batch: int,
        frames: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: Tensor | None,
        init_latents: Tensor | None = None,
        timestep: Tensor | None = None,
    ) -> Tensor:
        """Draws the noise to start from, or checks the one given, and mixes it with what to vary.

        Args:
            batch: Number of stems.
            frames: Latent frames.
            generator: One for all, or one a stem.
            latents: Noise of standard deviation 1 to use instead, `(batch, latent_channels, frames)`.
            init_latents: Clean latents of that shape to start from; None starts from noise alone.
            timestep: At which sampling starts, `(1,)`; needed with `init_latents`.

        Returns:
            Noise at the scheduler's scale, or `init_latents` at the noise level of `timestep`; float32.

        Raises:
            ValueError: the number of generators or the shape of `latents` is not the batch's.
        """
        if isinstance(generator, list) and len(generator) != batch:
            raise ValueError(
                f"got {len(generator)} generators for {batch} stems (mixes times num_waveforms_per_prompt); pass one "
                "for each, or a single one"
            )
        shape = (batch, self.unet.config.latent_channels, frames)
        device = self._execution_device
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        elif tuple(latents.shape) != shape:
            raise ValueError(f"latents must have the shape {shape}, got {tuple(latents.shape)}")
        latents = latents.to(device, torch.float32)
        if init_latents is None:
            return latents * self.scheduler.init_noise_sigma
        return self.scheduler.add_noise(init_latents, latents, timestep)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        mix_latents: Tensor | None,
        guider: BaseGuidance,
        loop: bool = False,
    ) -> Tensor:
        """Runs the net for all branches of guidance, and guides.

        Args:
            latents: Noisy latents `(batch, latent_channels, frames)`.
            timestep: The scheduler's.
            mix_latents: Normalised latents of the mixes, of the same shape; None: without a mix.
            guider: With its state set to this step.
            loop: Whether the latents go on around their ends.

        Returns:
            The guided model output, float32.
        """
        batch, _, frames = latents.shape
        heard = torch.zeros(batch, dtype=torch.bool, device=latents.device)
        branches: Any = guider.prepare_inputs({"mix_dropped": (heard, ~heard)})  # pyright: ignore[reportArgumentType]

        sample, mix = self.scheduler.scale_model_input(latents, timestep), mix_latents
        if loop:
            sample = wrap_turn(sample, LOOP_CONTEXT)
            mix = None if mix is None else wrap_turn(mix, LOOP_CONTEXT)
        sample, mix = (None if part is None else part.to(self.unet.dtype) for part in (sample, mix))
        forwards = [branch.mix_dropped for branch in branches]
        if not self.split_guidance:
            forwards = [torch.cat(forwards)]

        def run_net(span: slice) -> Tensor:
            outputs = []
            for dropped in forwards:
                noisy, heard = (
                    None if part is None else part[..., span].repeat(len(dropped) // batch, 1, 1)
                    for part in (sample, mix)
                )
                dropped = None if mix is None else dropped
                outputs.append(self.unet(noisy, timestep, mix_latents=heard, mix_dropped=dropped).sample.float())
            return torch.cat(outputs)

        length = frames + 2 * LOOP_CONTEXT if loop else frames
        output = run_net(slice(length)) if self.windows is None else self.windows.blend(run_net, length)
        outputs = output[..., LOOP_CONTEXT:][..., :frames] if loop else output
        outputs = outputs.chunk(len(branches))

        if getattr(guider, "space", "output") != "denoised":
            for branch, branch_output in zip(branches, outputs, strict=True):
                branch.noise_pred = branch_output
            return guider(branches).pred
        a, b = denoised_coefficients(self.scheduler, timestep)
        for branch, branch_output in zip(branches, outputs, strict=True):
            branch.noise_pred = a * latents + b * branch_output
        # Written as a change of the conditional output, so that it is that output to the bit where guidance is off.
        return outputs[0] + (guider(branches).pred - branches[0].noise_pred) / b

    @torch.no_grad()
    def score(self, mix_latents: Tensor, latents: Tensor) -> Tensor:
        """Lets the judge say how well stems fit their own mixes.

        Figures that are taken with this judge must never be of stems that were chosen by these scores.

        Args:
            mix_latents: Normalised latents of the mixes, `(mixes, latent_channels, frames)`.
            latents: Normalised latents of the stems, `(stems, latent_channels, frames)`, as many for each mix, all
                of the first mix first.

        Returns:
            The scores, `(stems,)`, float32: the greater the better, to be compared within a mix; -inf for latents that
            are not finite.

        Raises:
            ValueError: there is no judge, or the stems are not as many for each mix.
        """
        if self.judge is None:
            raise ValueError("the pipeline has no judge to score stems; set one with pipe.register_modules(judge=...)")
        count, mixes = len(latents), len(mix_latents)
        if count % mixes:
            raise ValueError(f"got {count} stems for {mixes} mixes; pass as many for each, all of the first mix first")
        heard, stems = (each.to(self._execution_device, self.judge.dtype) for each in (mix_latents, latents))
        scores = self.judge(heard, stems)[torch.arange(mixes).repeat_interleave(count // mixes), torch.arange(count)]
        return torch.where(scores.isnan(), -torch.inf, scores)


def schedule_of(scheduler: Any) -> dict[str, Any]:
    """What `CosineDDIMScheduler` has to be given for the schedule that a scheduler was built with.

    Args:
        scheduler: A `CosineDDIMScheduler`, or one built from its config.

    Returns:
        `num_train_timesteps`, `max_signal_rate`, `min_signal_rate` and `prediction_type`.

    Raises:
        ValueError: the scheduler's betas are not those of a `CosineDDIMScheduler`.
    """
    config, name = scheduler.config, type(scheduler).__name__
    fix = (
        "pass the schedule the net was trained on as trained_schedule, or build the scheduler with "
        f"{name}.from_config(CosineDDIMScheduler(...).config)"
    )
    if config.get("trained_betas") is None:
        raise ValueError(f"the config of {name} has no trained_betas; {fix}")
    steps, prediction_type = config["num_train_timesteps"], config["prediction_type"]
    try:
        trained = CosineDDIMScheduler(steps, prediction_type=prediction_type, trained_betas=config["trained_betas"])
    except ValueError as error:
        raise ValueError(f"{name} has not the schedule of a CosineDDIMScheduler ({error}); {fix}") from error
    return {
        "num_train_timesteps": steps,
        "max_signal_rate": trained.max_signal_rate,
        "min_signal_rate": trained.min_signal_rate,
        "prediction_type": prediction_type,
    }
