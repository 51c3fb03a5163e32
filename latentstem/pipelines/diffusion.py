"""Guided sampling of stem latents from noise (arXiv 2402.01412), for every pipeline with a conditioned denoiser."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.guidance.branches import changed_net, changes_net, dropped_in, guidance_branches
from latentstem.nn.position import reuse_position_tables
from latentstem.pipelines.boundaries import Boundary
from latentstem.pipelines.codec import StemCodecPipeline
from latentstem.pipelines.lora import AdaptedDenoiser
from latentstem.sampling.denoised import denoised_coefficients
from latentstem.sampling.hooks import DenoisedHook, step_from_denoised
from latentstem.sampling.objectives import COMPARED_TIMESTEPS, add_noise_for_step
from latentstem.sampling.overlapping import OverlappingWindows


class StemDiffusionPipeline(AdaptedDenoiser, StemCodecPipeline):
    """A pipeline with a conditioned denoiser, a scheduler, a guider, and optionally a reranker of the generated stems.

    This is a base class without a call of its own; `StemAccompanimentPipeline` is a subclass.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import StemDiffusionPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
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
        """Run the net over overlapping windows of everything longer than one window; this is the default.

        Time then grows with the length and not with its square; see `latentstem.sampling.overlapping`.

        Args:
            frames: Length of a window in latent frames.
            overlap: Number of frames that neighbouring windows share, at most half of `frames`.

        Raises:
            ValueError: The lengths do not fit each other.
        """
        self.windows = OverlappingWindows(frames, overlap)

    def disable_windows(self) -> None:
        """Run the net over the whole length at once."""
        self.windows = None

    def enable_guidance_splitting(self) -> None:
        """Run the net once for each branch of guidance instead of once for all: half the memory of a step."""
        self.split_guidance = True

    def disable_guidance_splitting(self) -> None:
        """Run the net once for all branches of guidance together; this is the default."""
        self.split_guidance = False

    def prepare_latents(
        self,
        batch: int,
        frames: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: Tensor | None,
        init_latents: Tensor | None = None,
        timestep: int | float | Tensor = 0,
    ) -> Tensor:
        """Draw the noise to start from, or check the noise that is given, and add it to the latents to vary.

        Args:
            batch: Number of stems.
            frames: Number of latent frames.
            generator: One random generator for all stems, or a list of one for each.
            latents: Noise of standard deviation 1 to use in place of the generator,
                `(batch, latent_channels, frames)`.
            init_latents: Clean latents to start from, `(batch, latent_channels, frames)`; None starts from noise alone.
            timestep: Timestep at which sampling starts; needed with `init_latents`.

        Returns:
            Noise at the scheduler's scale, or `init_latents` at the noise level of `timestep`; float32.

        Raises:
            ValueError: There is another number of generators, or another shape of `latents`, than the batch needs.
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

    def denoise(
        self,
        sample: Tensor,
        conditions: Mapping[str, Tensor],
        guider: BaseGuidance,
        hooks: Sequence[DenoisedHook] = (),
        begin: int = 0,
        boundary: Boundary | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        on_step: Callable[[int, Tensor, Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Run the scheduler's timesteps from noise to latents of stems.

        Args:
            sample: Noisy latents `(batch, latent_channels, frames)`, as `prepare_latents` returns them.
            conditions: Conditions of the net by name, see `predict`.
            guider: Guider of this run alone; its state is set at every step.
            hooks: Hooks on each step's clean sample, called in order.
            begin: Index of the timestep to begin with.
            boundary: Ends of the latents: `pipe.boundary(loop=True)` for loops; None for latents that begin and stop.
            generator: Random generator for schedulers whose steps add noise.
            on_step: Function of a step's index, timestep, latents and clean sample, whose result replaces the latents.

        Returns:
            Normalized latents `(batch, latent_channels, frames)`.
        """
        timesteps = self.scheduler.timesteps
        takes_generator = "generator" in inspect.signature(self.scheduler.step).parameters
        step_options: dict[str, Any] = {"generator": generator} if takes_generator else {}
        bar = self.progress_bar(total=len(timesteps) - begin)  # pyright: ignore[reportAttributeAccessIssue]
        with bar as progress_bar, reuse_position_tables(self.unet):
            progress_bar.set_description(getattr(progress_bar, "desc", None) or "sampling")
            for index, timestep in enumerate(timesteps[begin:], start=begin):
                guider.set_state(step=index, num_inference_steps=len(timesteps), timestep=timestep)
                denoised = self.predict(sample, timestep, conditions, guider, boundary)
                result, denoised = step_from_denoised(self.scheduler, denoised, timestep, sample, hooks, **step_options)
                sample = result.prev_sample
                if on_step is not None:
                    sample = on_step(index, timestep, sample, denoised)
                progress_bar.update()
        return sample

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        conditions: Mapping[str, Tensor],
        guider: BaseGuidance,
        boundary: Boundary | None = None,
        dropped: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Run the net for all branches of guidance, and combine them.

        Args:
            latents: Noisy latents `(batch, latent_channels, frames)`.
            timestep: Timestep of the scheduler.
            conditions: Conditions of the net by name: `(batch, channels, frames)`, such as the normalized latents of
                the mixes under `"mix"`, or `(batch, channels)` of global conditions. Empty for no condition.
            guider: Guider whose state is set to this step. What its method `net_conditions` returns, if it has one, is
                given to the net with the conditions.
            boundary: Ends of the latents: `pipe.boundary(loop=True)` for loops; None for latents that begin and stop.
            dropped: Masks of the conditions that are dropped in every branch, by name, as the net takes them.

        Returns:
            The guided clean sample, float32.
        """
        boundary = boundary or self.boundary()
        if hasattr(guider, "net_conditions"):
            conditions = {**conditions, **guider.net_conditions(len(latents), latents.device)}  # pyright: ignore[reportAttributeAccessIssue]
        names = list(conditions)
        branches = guidance_branches(guider, names)
        masks = [dropped_in(branch, dict(conditions), dict(dropped or {})) for branch in branches]
        sample, values = self._net_inputs(latents, timestep, conditions, boundary)
        frames, length = latents.shape[-1], sample.shape[-1]
        masks = [{name: _pad(mask, frames, boundary) for name, mask in branch.items()} for branch in masks]

        def run_net(indices: Sequence[int]) -> Tensor:
            """Return the outputs of these branches, from one evaluation a window."""
            copies = len(indices)
            stacked_masks = {name: torch.cat([masks[index][name] for index in indices]) for name in names}

            def run_window(span: slice) -> Tensor:
                inputs = {name: _window(value, span, length) for name, value in values.items()}
                return self.unet(
                    sample[..., span].repeat(copies, 1, 1),
                    timestep,
                    conditions={name: value.repeat(copies, *[1] * (value.ndim - 1)) for name, value in inputs.items()},
                    dropped={name: _window(mask, span, length) for name, mask in stacked_masks.items()},
                ).sample.float()

            output = run_window(slice(length)) if self.windows is None else self.windows.blend(run_window, length)
            return boundary.crop(output)

        if changes_net(guider):
            outputs = []
            for index, branch in enumerate(branches):
                with changed_net(guider, self.unet, branch, branches[:index]):
                    outputs.append(run_net([index]))
        elif self.split_guidance:
            outputs = [run_net([index]) for index in range(len(branches))]
        else:
            outputs = run_net(range(len(branches))).chunk(len(branches))

        a, b = denoised_coefficients(self.scheduler, timestep)
        in_denoised_space = getattr(guider, "space", "output") == "denoised"
        for branch, output in zip(branches, outputs, strict=True):
            branch.noise_pred = a * latents + b * output if in_denoised_space else output
        guided = guider(branches).pred
        return guided if in_denoised_space else a * latents + b * guided

    def _net_inputs(
        self, latents: Tensor, timestep: Tensor, conditions: Mapping[str, Tensor], boundary: Boundary
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return noisy latents and conditions in the net's dtype, at the scale it was trained with, and padded."""
        sample = latents
        if hasattr(self.scheduler, "scale_model_input"):
            sample = self.scheduler.scale_model_input(latents, timestep)
        sample, *values = (part.to(self.unet.dtype) for part in (sample, *conditions.values()))
        sample, *values = (_pad(part, latents.shape[-1], boundary) for part in (sample, *values))
        return sample, dict(zip(conditions, values, strict=True))

    @torch.no_grad()
    def score(self, mix_latents: Tensor, latents: Tensor) -> Tensor:
        """Score with the reranker how well stems fit their mixes.

        Never evaluate stems that these scores chose with the same reranker.

        Args:
            mix_latents: Normalized latents of the mixes, `(mixes, latent_channels, frames)`.
            latents: Normalized latents of the stems, `(stems, latent_channels, frames)`, as many for each mix, those
                of the first mix first.

        Returns:
            Scores `(stems,)`, float32: the greater the better, comparable within a mix; -inf for latents that are not
            finite.

        Raises:
            ValueError: There is no reranker, or the stems are not as many for each mix.
        """
        if self.reranker is None:
            raise ValueError(
                "the pipeline has no reranker to score stems; set one with pipe.register_modules(reranker=...)"
            )
        count, mixes = len(latents), len(mix_latents)
        if count % mixes:
            raise ValueError(f"got {count} stems for {mixes} mixes; pass as many for each, all of the first mix first")
        mix_latents, latents = (each.to(self._execution_device, self.reranker.dtype) for each in (mix_latents, latents))
        pairs = torch.arange(mixes).repeat_interleave(count // mixes), torch.arange(count)
        finite = latents.flatten(1).isfinite().all(-1)
        scores = self.reranker(mix_latents, torch.where(finite[:, None, None], latents, 0.0))[pairs]
        return torch.where(finite, scores, -torch.inf)


def _pad(part: Tensor, frames: int, boundary: Boundary) -> Tensor:
    """Add context to a condition or mask; one without frames stays as it is."""
    return boundary.pad(part) if part.ndim == 3 and part.shape[-1] == frames else part


def _window(part: Tensor, span: slice, frames: int) -> Tensor:
    """Return some frames of a condition or mask; one without frames, or with one for all, stays as it is."""
    return part[..., span] if part.ndim == 3 and part.shape[-1] == frames else part


def upgrade_schedule(trained: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the trained schedule that version 0.1.0 saved to today's form.

    Args:
        trained: Schedule with the `max_signal_rate` and `min_signal_rate` of a cosine schedule, or one in today's form.

    Returns:
        The schedule as `latentstem.sampling.objectives.schedule_of` returns it.
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
