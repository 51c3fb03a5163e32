"""Rules for the arguments of a pipeline's call, checked before anything is computed.

Each function refuses what cannot work with an `ArgumentError` that says what was got, what was expected, and the fix.
The command line applies the same rules and shows its options' names.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import Ranges


def check_mix(mix: Any, mix_latents: Tensor | None, init_stem: Any, duration: float | None) -> None:
    """Refuse no mix or two, and a duration that is not a positive number of seconds.

    Args:
        mix: Audio of the mix, or None.
        mix_latents: Latents of the mix, or None.
        init_stem: Stem to start from, or None.
        duration: Length in seconds of a stem without the audio of a mix, or None.

    Raises:
        ArgumentError: The arguments do not say which stem to generate.
    """
    if mix is not None and mix_latents is not None:
        raise ArgumentError("got both {mix} and {mix_latents}; pass one of them")
    if mix is None and mix_latents is None and init_stem is None and duration is None:
        raise ArgumentError("got no mix; pass {mix}, or {duration} in seconds for a stem without a mix")
    if duration is not None and (mix is not None or not (math.isfinite(duration) and duration > 0)):
        raise ArgumentError(
            "{duration} must be a positive number of seconds, and only without a mix (the stem is as long as the "
            "mix), got {value}",
            value=duration,
        )


def check_style(style: Any, style_latents: Tensor | None, style_space: bool) -> None:
    """Refuse two style references, and a style space without one.

    Args:
        style: Audio of the style reference, or None.
        style_latents: Latents of the style reference, or None.
        style_space: Whether only the part of the mean in the style space is grounded.

    Raises:
        ArgumentError: The arguments do not go together.
    """
    if style is not None and style_latents is not None:
        raise ArgumentError("got both {style} and {style_latents}; pass one of them")
    if style_space and style is None and style_latents is None:
        raise ArgumentError("got {style_space} without a style reference; pass one as {style}")


def check_init_stem(init_stem: Any, strength: float | None, keep: Ranges | None, loop: bool = False) -> None:
    """Refuse a strength or ranges to keep that cannot work, whatever the audio.

    Args:
        init_stem: Stem to start from; only whether there is one counts.
        strength: Fraction of the steps to run, above 0 and up to 1, or None.
        keep: Ranges to keep, in seconds, or None.
        loop: Whether the stem is one turn of a loop.

    Raises:
        ArgumentError: There is no stem to start from, or a value is out of range, or ranges are to be kept of a loop.
    """
    if init_stem is None and keep is not None:
        raise ArgumentError("got {keep} without {init_stem}; pass the stem whose ranges stay as {init_stem}")
    if init_stem is None and strength is not None:
        raise ArgumentError("got {strength} without {init_stem}; pass the stem to vary as {init_stem}")
    if strength is not None and not 0 < strength <= 1:
        raise ArgumentError("{strength} must be above 0 and at most 1, got {value}", value=strength)
    if keep is None:
        return
    if loop:
        raise ArgumentError(
            "got {keep} for a loop, whose ranges have no beginning or end; vary it with {strength} instead, or leave "
            "out {loop}"
        )
    if len(keep) == 0:
        raise ArgumentError("{keep} is empty; pass pairs (start, end) in seconds, or leave it out")
    for pair in keep:
        if not _is_range(pair):
            raise ArgumentError(
                "{keep} must hold pairs (start, end) of finite seconds, e.g. [(0.0, 8.0)], or with None for the end of "
                "the stem, got {pair!r}",
                pair=pair,
            )


def check_keep_best(keep_best: int | None, num_waveforms_per_prompt: int, can_rank: bool, has_mix: bool) -> None:
    """Refuse a number of stems to keep that cannot work.

    Args:
        keep_best: Number of stems to keep of each mix; None keeps all, and needs no reranker.
        num_waveforms_per_prompt: Number of stems generated for each mix.
        can_rank: Whether the pipeline has a reranker.
        has_mix: Whether there is a mix that a stem could fit.

    Raises:
        ArgumentError: There is no reranker or no mix, or the number is out of range.
    """
    if keep_best is None:
        return
    if not can_rank:
        raise ArgumentError(
            "got {keep_best}, and the pipeline has no reranker to choose by; load one with "
            "ContrastiveStemModel.from_pretrained and set it with pipe.register_modules(reranker=...)"
        )
    if not has_mix:
        raise ArgumentError("got {keep_best} without a mix that stems could fit; pass one, or leave {keep_best} out")
    if not isinstance(keep_best, int) or not 1 <= keep_best <= num_waveforms_per_prompt:
        raise ArgumentError(
            "{keep_best} must be a whole number from 1 to {num_waveforms_per_prompt}, which is {limit}, got {value}",
            limit=num_waveforms_per_prompt,
            value=keep_best,
        )


def check_counts(**counts: Any) -> None:
    """Refuse anything but whole numbers of at least 1.

    Args:
        counts: Values by the names of the arguments.

    Raises:
        ArgumentError: A value is no such number.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{{{name}}} must be a whole number of at least 1, got {{value}}", value=value)


def check_finite(**numbers: float | None) -> None:
    """Refuse NaN and Inf.

    Args:
        numbers: Values by the names of the arguments; None is a value that the caller leaves open.

    Raises:
        ArgumentError: A value is not finite.
    """
    for name, value in numbers.items():
        if value is not None and not math.isfinite(value):
            raise ArgumentError(f"{{{name}}} must be a finite number, got {{value}}", value=value)


def check_condition_scales(condition_scales: Mapping[str, float] | None, guider: Any) -> None:
    """Refuse scales of single conditions for a guider that has one scale for all.

    Args:
        condition_scales: Guidance scales by condition, or None.
        guider: Guider of the pipeline.

    Raises:
        ArgumentError: The guider has no scales of single conditions.
    """
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
    unknown = set(callback_tensors) - set(known_tensors)
    if unknown:
        raise ArgumentError(
            "{callback_on_step_end_tensor_inputs} must be among {known}, got {unknown}",
            known=list(known_tensors),
            unknown=sorted(unknown),
        )
    if output_type not in ("pt", "np", "latent"):
        raise ArgumentError('{output_type} must be "pt", "np" or "latent", got {value!r}', value=output_type)


def _is_range(pair: Any) -> bool:
    try:
        start, end = pair
        return math.isfinite(start) and (end is None or math.isfinite(end))
    except (TypeError, ValueError):
        return False
