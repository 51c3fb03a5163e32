"""Rules for the arguments of a call that say how it samples, which all pipelines share.

As in `latentstem.pipelines.input_checks`, what cannot work is refused with an `ArgumentError` before anything is
computed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from latentstem._checks import MOST_TIMESTEPS, check_flags, short
from latentstem.guidance.functional import STRONGEST
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.input_checks import check_between, check_conditions, check_counts, check_latents
from latentstem.sampling.objectives import check_schedule

_MOST_STEMS = 1000  # that are sampled at once


def check_sampling(
    pipe: Any,
    *,
    num_inference_steps: int,
    guidance_scale: float | None,
    guidance_rescale: float | None,
    condition_scales: Mapping[str, float] | None,
    num_waveforms_per_prompt: int,
    generator: torch.Generator | list[torch.Generator] | int | None,
    conditions: Mapping[str, Tensor] | None,
    latents: Tensor | None,
    denoised_hooks: Any,
    callback_on_step_end: Callable[..., Any] | None,
    callback_on_step_end_tensor_inputs: Sequence[str],
    output_type: str,
    return_dict: bool,
) -> None:
    """Refuse arguments with which the pipeline cannot sample.

    Args:
        pipe: Pipeline with a denoiser, a guider and a scheduler.
        num_inference_steps: Number of denoising steps.
        guidance_scale: Guidance scale of all conditions, or None.
        guidance_rescale: Fraction of the added spread that guidance takes back, or None.
        condition_scales: Guidance scales by condition, or None.
        num_waveforms_per_prompt: Number of stems.
        generator: Generators of the noise, a seed, or None.
        conditions: Conditions of the net by name, or None.
        latents: Noise to start from, or None.
        denoised_hooks: Hooks on the clean sample.
        callback_on_step_end: Function called at the end of each step, or None.
        callback_on_step_end_tensor_inputs: Names of the tensors that it gets.
        output_type: Kind of output.
        return_dict: Whether the call returns an output with names.

    Raises:
        ArgumentError: An argument is of another kind, or out of range.
        ValueError: The scheduler has another noise schedule than the net was trained on.
    """
    check_flags(return_dict=return_dict)
    check_counts(MOST_TIMESTEPS, num_inference_steps=num_inference_steps)
    check_counts(_MOST_STEMS, num_waveforms_per_prompt=num_waveforms_per_prompt)
    check_between(0, STRONGEST, guidance_scale=guidance_scale)
    check_between(0, 1, guidance_rescale=guidance_rescale)
    check_condition_scales(condition_scales, pipe.guider)
    if guidance_rescale is not None and "guidance_rescale" not in pipe.guider.config:
        raise ArgumentError(
            "got {guidance_rescale}, and {kind} has learned how much of the spread is taken back; leave it out",
            kind=type(pipe.guider).__name__,
        )
    check_conditions(conditions)
    check_latents(pipe.unet.config.latent_channels, (3,), latents=latents)
    check_noise(generator)
    check_functions(denoised_hooks, callback_on_step_end)
    check_output(output_type, callback_on_step_end_tensor_inputs, pipe._callback_tensor_inputs)
    check_schedule(pipe.scheduler, pipe.config["trained_schedule"])


def check_condition_scales(condition_scales: Mapping[str, float] | None, guider: Any) -> None:
    """Refuse scales of single conditions that are no numbers by name, or for a guider that has one scale for all.

    Args:
        condition_scales: Guidance scales by condition, or None.
        guider: Guider of the pipeline.

    Raises:
        ArgumentError: They are no mapping, or the guider has no scales of single conditions.
    """
    if condition_scales is not None and not isinstance(condition_scales, Mapping):
        raise ArgumentError("{condition_scales} must be numbers by name, got {value}", value=short(condition_scales))
    if condition_scales is not None and "condition_scales" not in guider.config:
        raise ArgumentError(
            "got {condition_scales}, and {kind} weighs all conditions together; use RescaledClassifierFreeGuidance, "
            "or leave {condition_scales} out",
            kind=type(guider).__name__,
        )


def check_output(output_type: str, callback_tensors: Sequence[str], known_tensors: Sequence[str]) -> None:
    """Refuse an unknown kind of output, and unknown tensors for the callback.

    Args:
        output_type: Kind of output: "pt", "np" or "latent".
        callback_tensors: Names of the tensors that the callback gets.
        known_tensors: Names of the tensors that it may get.

    Raises:
        ArgumentError: A name is unknown.
    """
    names = callback_tensors if isinstance(callback_tensors, list | tuple) else [None]
    if not all(isinstance(name, str) and name in known_tensors for name in names):
        raise ArgumentError(
            "{callback_on_step_end_tensor_inputs} must be a list of names among {known}, got {value}",
            known=list(known_tensors),
            value=short(callback_tensors),
        )
    if not isinstance(output_type, str) or output_type not in ("pt", "np", "latent"):
        raise ArgumentError('{output_type} must be "pt", "np" or "latent", got {value}', value=short(output_type))


def check_noise(generator: Any) -> None:
    """Refuse anything but a random generator, a list of them, or a seed.

    Args:
        generator: Generators of the noise, a seed, or None.

    Raises:
        ArgumentError: There is something else.
    """
    if generator is None or (type(generator) is int and 0 <= generator < 2**63):
        return
    generators = generator if isinstance(generator, list | tuple) else [generator]
    if not all(isinstance(each, torch.Generator) for each in generators):
        raise ArgumentError(
            "{generator} must be a torch.Generator, a list of one for each stem, or a seed of 0 or more, got {value}; "
            "e.g. torch.Generator().manual_seed(0)",
            value=short(generator),
        )


def check_functions(hooks: Any, callback: Callable[..., Any] | None) -> None:
    """Refuse hooks and a callback that cannot be called.

    Args:
        hooks: Hooks on the clean sample.
        callback: Function called at the end of each step, or None.

    Raises:
        ArgumentError: One of them cannot be called, or the hooks are no list.
    """
    if not isinstance(hooks, Sequence) or not all(map(callable, hooks)):
        raise ArgumentError("{denoised_hooks} must be a list of functions, got {value}", value=short(hooks))
    if callback is not None and not callable(callback):
        raise ArgumentError("{callback_on_step_end} must be a function, got {value}", value=short(callback))


def replaced_latents(changes: Any, latents: Tensor) -> Tensor:
    """Return the latents that a callback leaves.

    Args:
        changes: What the callback returned.
        latents: Latents before it.

    Raises:
        ArgumentError: It returned no dictionary, or latents of another shape.
    """
    if not isinstance(changes, Mapping):
        raise ArgumentError(
            '{callback_on_step_end} must return a dictionary, such as {{"latents": latents}}, got {value}',
            value=short(changes),
        )
    replaced = changes.get("latents", latents)
    if not isinstance(replaced, Tensor) or replaced.shape != latents.shape:
        got = tuple(replaced.shape) if isinstance(replaced, Tensor) else type(replaced).__name__
        raise ArgumentError(
            "{callback_on_step_end} must return latents of shape {expected}, got {got}",
            expected=tuple(latents.shape),
            got=got,
        )
    return replaced
