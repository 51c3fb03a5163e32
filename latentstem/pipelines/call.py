"""What the calls of all pipelines share: the steps, a guider of their own, a callback after each step, the output."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor

from latentstem._checks import is_finite
from latentstem.guidance.inpainting import InpaintRegions
from latentstem.pipelines.boundaries import Boundary
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import InitStem, KeptRegions, first_step
from latentstem.pipelines.output import StemPipelineOutput
from latentstem.pipelines.sampling_checks import replaced_latents
from latentstem.sampling.denoised import denoised_coefficients

Callback = Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]]
"""Function of a pipeline, a step, a timestep and tensors by name, whose result may hold other latents."""


def set_timesteps(pipe: Any, num_inference_steps: int) -> Tensor:
    """Set the timesteps of a pipeline's scheduler.

    Args:
        pipe: The pipeline.
        num_inference_steps: Number of denoising steps.

    Returns:
        The timesteps.

    Raises:
        TypeError: The scheduler is one that `denoised_coefficients` refuses.
    """
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe._execution_device)
    denoised_coefficients(pipe.scheduler, pipe.scheduler.timesteps[0])
    return pipe.scheduler.timesteps


class Beginning(NamedTuple):
    """Where sampling from a stem begins: a timestep, latents without noise, and hooks that keep parts of them.

    Attributes:
        index: Index of the first timestep to run.
        latents: Normalized latents to noise, `(stems, latent_channels, frames)`; None begins with noise alone.
        hooks: Hooks on the clean sample.
    """

    index: int
    latents: Tensor | None
    hooks: list[InpaintRegions]


def begin_from(pipe: Any, start: InitStem, num_inference_steps: int, boundary: Boundary, copies: int) -> Beginning:
    """Encode a stem to start from, and make the pipeline's scheduler begin at its strength.

    Args:
        pipe: The pipeline, whose timesteps are set.
        start: The stem.
        num_inference_steps: Number of steps of the whole schedule.
        boundary: Ends of the stem.
        copies: Number of stems to make of each one.
    """
    # Solvers of several evaluations a step list each of them.
    index = first_step(start.strength, num_inference_steps) * getattr(pipe.scheduler, "order", 1)
    if index and hasattr(pipe.scheduler, "set_begin_index"):
        pipe.scheduler.set_begin_index(index)
    latents, _ = pipe.encode_mix(start.condition, boundary)
    latents = latents.repeat_interleave(copies, dim=0)
    hooks = []
    if start.kept is not None:
        kept = start.kept
        frames_per_sample = boundary.frames_per_second(kept.audio.shape[-1]) / pipe.sampling_rate
        hooks.append(InpaintRegions.from_ranges(latents, kept.ranges, frames_per_sample, loop=kept.loop))
    return Beginning(index, latents if start.strength < 1 else None, hooks)


def own_guider(guider: Any, **changes: Any) -> Any:
    """Return a guider for one call; the saved one is shared with other pipelines.

    Args:
        guider: Guider of the pipeline.
        **changes: Fields of its config that differ in this call; None keeps the saved value.

    Example:
        >>> from latentstem import RescaledClassifierFreeGuidance
        >>> guider = own_guider(RescaledClassifierFreeGuidance(3.0), guidance_scale=None, guidance_rescale=0.2)
        >>> guider.guidance_scale, guider.guidance_rescale
        (3.0, 0.2)
    """
    return guider.new(**{name: value for name, value in changes.items() if value is not None})


def step_callback(
    pipe: Any, callback: Callback | None, names: Sequence[str], others: Mapping[str, Any]
) -> Callable[[int, Tensor, Tensor, Tensor], Tensor] | None:
    """Return the function that `StemDiffusionPipeline.denoise` calls after each step.

    Args:
        pipe: Pipeline that the callback is given.
        callback: Callback of the call; None makes none.
        names: Names of the tensors that it is given, among "latents", "denoised" and those of `others`.
        others: Tensors that stay the same in all steps, by name.

    Returns:
        A function of step, timestep, latents and clean sample that returns the latents to go on with.
    """
    if callback is None:
        return None

    def on_step(step: int, timestep: Tensor, latents: Tensor, denoised: Tensor) -> Tensor:
        tensors = {"latents": latents, "denoised": denoised, **others}
        changes = callback(pipe, step, timestep, {name: tensors[name] for name in names})
        return replaced_latents(changes, latents)

    return on_step


def finish(
    pipe: Any,
    latents: Tensor,
    num_samples: int,
    gain: Tensor,
    boundary: Boundary,
    output_type: str,
    return_dict: bool,
    kept: KeptRegions | None = None,
    scores: Tensor | None = None,
) -> StemPipelineOutput:
    """Decode what a call has sampled, and return it as the call was asked to.

    Args:
        pipe: The pipeline.
        latents: Normalized latents `(stems, latent_channels, frames)`.
        num_samples: Length of the stems in samples.
        gain: Gain that brought each mix to the reference loudness, `(stems,)`.
        boundary: Ends of the stems.
        output_type: Kind of output: "pt", "np" or "latent".
        return_dict: Whether to return an output with names, or a tuple of the audio alone.
        kept: Original samples to put back.
        scores: Scores of the stems, if they were ranked.

    Raises:
        ArgumentError: The latents are not finite.
    """
    if not is_finite(latents):
        raise ArgumentError(
            "the sampled latents are not finite; lower {guidance_scale} and the strength of anything else, and check "
            "the weights for NaN"
        )
    audios: Any = latents
    if output_type != "latent":
        audios = pipe.decode_latents(latents, num_samples, gain, kept, boundary)
    if output_type == "np":
        audios = audios.cpu().numpy()
    pipe.maybe_free_model_hooks()
    if not return_dict:
        return cast(StemPipelineOutput, (audios,))  # most callers never ask for it
    return StemPipelineOutput(audios=audios, sampling_rate=pipe.sampling_rate, scores=scores)
