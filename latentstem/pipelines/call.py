"""What the calls of all pipelines share: a guider of their own, and a callback after each step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from latentstem.pipelines import input_checks

Callback = Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]]
"""Function of a pipeline, a step, a timestep and tensors by name, whose result may hold other latents."""


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
        return input_checks.replaced_latents(changes, latents)

    return on_step
