"""From noise to latents of a stem: what pipelines share whose net draws stems, whatever they are conditioned on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.loops import circular_pad
from latentstem.guidance.branches import changed_net, changes_net, dropped_in, guidance_branches
from latentstem.pipelines.codec import LOOP_CONTEXT, StemCodecPipeline
from latentstem.sampling.denoised import denoised_coefficients
from latentstem.sampling.objectives import COMPARED_TIMESTEPS, add_noise_for_step, check_schedule
from latentstem.sampling.overlapping import OverlappingWindows


class StemDiffusionPipeline(StemCodecPipeline):
    """A pipeline with a conditioned denoiser, a scheduler, a guider, and optionally a reranker of the generated stems.

    A base class: it has no call of its own. `StemAccompanimentPipeline` is one of its kind.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import StemDiffusionPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> isinstance(pipe, StemDiffusionPipeline)
        True
        >>> noise, mix_latents = torch.randn(2, 1, 64, 20)
        >>> pipe.scheduler.set_timesteps(64)
        >>> pipe.guider.set_state(step=0, num_inference_steps=64, timestep=pipe.scheduler.timesteps[0])
        >>> with torch.no_grad():
        ...     pipe.predict(noise, pipe.scheduler.timesteps[0], {"mix": mix_latents}, pipe.guider).shape
        torch.Size([1, 64, 20])
    """

    unet: Any  # a StemUNet1DModel, or what is called as it is
    scheduler: Any
    reranker: Any  # a ContrastiveStemModel or None
    windows: OverlappingWindows | None = OverlappingWindows()
    split_guidance: bool = False

    def enable_windows(
        self, frames: int = OverlappingWindows.frames, overlap: int = OverlappingWindows.overlap
    ) -> None:
        """Run the net over overlapping windows of whatever is longer than one; it is on from the start.

        Time grows with the length then, and no longer with its square; see `latentstem.sampling.overlapping`.

        Args:
            frames: Latent frames of a window.
            overlap: Frames that neighbours share, at most half of `frames`.

        Raises:
            ValueError: the lengths do not fit each other.
        """
        self.windows = OverlappingWindows(frames, overlap)

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
        check_schedule(self.scheduler, self.config["trained_schedule"])

    def prepare_latents(
        self,
        batch: int,
        frames: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: Tensor | None,
        init_latents: Tensor | None = None,
        timestep: int | float | Tensor = 0,
    ) -> Tensor:
        """Draws the noise to start from, or checks the one given, and mixes it with what to vary.

        Args:
            batch: Number of stems.
            frames: Latent frames.
            generator: One for all, or one a stem.
            latents: Noise of standard deviation 1 to use instead, `(batch, latent_channels, frames)`.
            init_latents: Clean latents of that shape to start from; None starts from noise alone.
            timestep: At which sampling starts; needed with `init_latents`.

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
            return latents * getattr(self.scheduler, "init_noise_sigma", 1.0)  # flow matching begins at noise itself
        return add_noise_for_step(self.scheduler, init_latents, latents, timestep)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        conditions: Mapping[str, Tensor],
        guider: BaseGuidance,
        loop: bool = False,
        dropped: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Run the net for all branches of guidance, and guide.

        Args:
            latents: Noisy latents `(batch, latent_channels, frames)`.
            timestep: The scheduler's.
            conditions: What the net is conditioned on, by name: `(batch, channels, frames)`, such as the normalized
                latents of the mixes under `"mix"`, or `(batch, channels)` of global conditions. Empty: nothing.
            guider: With its state set to this step.
            loop: Whether the latents go on around their ends.
            dropped: Masks of what is dropped in every branch, by name, as the net takes them.

        Returns:
            The guided clean sample, float32.
        """
        frames = latents.shape[-1]
        names = list(conditions)
        branches = guidance_branches(guider, names)
        masks = [dropped_in(branch, dict(conditions), dict(dropped or {})) for branch in branches]
        sample, given = self._net_inputs(latents, timestep, conditions, loop)
        if loop:
            masks = [{name: _around(mask, frames) for name, mask in each.items()} for each in masks]
        length = sample.shape[-1]

        def run_net(numbers: Sequence[int]) -> Tensor:
            """Outputs of these branches, in one evaluation a window."""
            copies = len(numbers)
            together = {name: torch.cat([masks[number][name] for number in numbers]) for name in names}

            def run_window(span: slice) -> Tensor:
                values = {name: _window(value, span, length) for name, value in given.items()}
                return self.unet(
                    sample[..., span].repeat(copies, 1, 1),
                    timestep,
                    conditions={name: value.repeat(copies, *[1] * (value.ndim - 1)) for name, value in values.items()},
                    dropped={name: _window(mask, span, length) for name, mask in together.items()},
                ).sample.float()

            output = run_window(slice(length)) if self.windows is None else self.windows.blend(run_window, length)
            return output[..., LOOP_CONTEXT:][..., :frames] if loop else output

        if changes_net(guider):
            outputs = []
            for number, branch in enumerate(branches):
                with changed_net(guider, self.unet, branch, branches[:number]):
                    outputs.append(run_net([number]))
        elif self.split_guidance:
            outputs = [run_net([number]) for number in range(len(branches))]
        else:
            outputs = run_net(range(len(branches))).chunk(len(branches))

        a, b = denoised_coefficients(self.scheduler, timestep)
        in_denoised_space = getattr(guider, "space", "output") == "denoised"
        for branch, output in zip(branches, outputs, strict=True):
            branch.noise_pred = a * latents + b * output if in_denoised_space else output
        guided = guider(branches).pred
        return guided if in_denoised_space else a * latents + b * guided

    def _net_inputs(
        self, latents: Tensor, timestep: Tensor, conditions: Mapping[str, Tensor], loop: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Noisy latents and conditions in the net's dtype, at the scale it was trained with, loops with context."""
        sample = latents
        if hasattr(self.scheduler, "scale_model_input"):
            sample = self.scheduler.scale_model_input(latents, timestep)
        sample, *values = (part.to(self.unet.dtype) for part in (sample, *conditions.values()))
        if loop:
            sample, *values = (_around(part, latents.shape[-1]) for part in (sample, *values))
        return sample, dict(zip(conditions, values, strict=True))

    @torch.no_grad()
    def score(self, mix_latents: Tensor, latents: Tensor) -> Tensor:
        """Lets the judge say how well stems fit their own mixes.

        Figures that are taken with this judge must never be of stems that were chosen by these scores.

        Args:
            mix_latents: Normalized latents of the mixes, `(mixes, latent_channels, frames)`.
            latents: Normalized latents of the stems, `(stems, latent_channels, frames)`, as many for each mix, all
                of the first mix first.

        Returns:
            The scores, `(stems,)`, float32: the greater the better, to be compared within a mix; -inf for latents that
            are not finite.

        Raises:
            ValueError: there is no judge, or the stems are not as many for each mix.
        """
        if self.reranker is None:
            raise ValueError(
                "the pipeline has no reranker to score stems; set one with pipe.register_modules(reranker=...)"
            )
        count, mixes = len(latents), len(mix_latents)
        if count % mixes:
            raise ValueError(f"got {count} stems for {mixes} mixes; pass as many for each, all of the first mix first")
        heard, stems = (each.to(self._execution_device, self.reranker.dtype) for each in (mix_latents, latents))
        scores = self.reranker(heard, stems)[torch.arange(mixes).repeat_interleave(count // mixes), torch.arange(count)]
        return torch.where(scores.isnan(), -torch.inf, scores)


def _around(part: Tensor, frames: int) -> Tensor:
    """One turn of a loop with its surroundings; what has no frames stays as it is."""
    return circular_pad(part, LOOP_CONTEXT) if part.ndim == 3 and part.shape[-1] == frames else part


def _window(part: Tensor, span: slice, frames: int) -> Tensor:
    """Those frames of a condition or mask; what has no frames, or one for all, stays as it is."""
    return part[..., span] if part.ndim == 3 and part.shape[-1] == frames else part


def upgraded_schedule(trained: Mapping[str, Any]) -> dict[str, Any]:
    """A trained schedule as a pipeline of today keeps it, from what earlier versions saved.

    Args:
        trained: Of version 0.1.0, with `max_signal_rate` and `min_signal_rate` of a cosine schedule; or of today.

    Returns:
        As `latentstem.sampling.objectives.schedule_of` returns it.
    """
    if "max_signal_rate" not in trained:
        return dict(trained)
    first, last = math.acos(trained["max_signal_rate"]), math.acos(trained["min_signal_rate"])
    total = trained["num_train_timesteps"]
    steps = torch.linspace(0, total - 1, COMPARED_TIMESTEPS).round()
    angles = (first + (last - first) * steps / (total - 1)).tolist()
    return {
        "num_train_timesteps": total,
        "prediction_type": trained["prediction_type"],
        "signal_rates": [round(math.cos(angle), 6) for angle in angles],
        "noise_rates": [round(math.sin(angle), 6) for angle in angles],
    }
