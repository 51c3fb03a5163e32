"""What the calls of all pipelines share: the steps, a guider of their own, a callback after each step, the output."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from latentstem._checks import is_finite
from latentstem.pipelines.boundaries import Boundary
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import KeptRegions, first_step
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


def skip_timesteps(scheduler: Any, strength: float, num_inference_steps: int) -> int:
    """Make a scheduler begin late, so that only the last of its steps are run.

    Args:
        scheduler: Scheduler whose timesteps are set.
        strength: Fraction of the steps to run, above 0 and up to 1.
        num_inference_steps: Number of steps of the whole schedule.

    Returns:
        The index of the first timestep to run; solvers of several evaluations a step list each of them.
    """
    begin = first_step(strength, num_inference_steps) * getattr(scheduler, "order", 1)
    if begin and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return begin


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
