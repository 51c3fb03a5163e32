"""Rules for what a pipeline's call is given to work from, checked before anything is computed.

Each function refuses what cannot work with an `ArgumentError` that says what was got, what was expected, and the fix.
The command line applies the same rules and shows its options' names. Rules for how a call samples are in
`latentstem.pipelines.sampling_checks`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from latentstem._checks import is_number, short
from latentstem.audio.limits import MAX_DURATION
from latentstem.conditioning.controls import Controls
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import Ranges

_LARGEST = 1e6  # of a value that a net is given: normalized latents have a deviation of 1
_LATENT_SHAPES = {1: "(channels,)", 2: "(channels, frames)", 3: "(batch, channels, frames)"}


def check_mix(mix: Any, mix_latents: Tensor | None, init_stem: Any, duration: float | None) -> None:
    """Refuse no mix or two, and a duration that is no positive number of seconds, or over three hours.

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
    if duration is not None and (mix is not None or not (is_number(duration) and 0 < duration <= MAX_DURATION)):
        raise ArgumentError(
            "{duration} must be a positive number of seconds, at most {limit:g}, and only without a mix (the stem is "
            "as long as the mix), got {value}",
            limit=MAX_DURATION,
            value=short(duration),
        )


def check_style(
    style: Any, style_latents: Tensor | None, style_space: bool, style_weights: Sequence[float] | None = None
) -> None:
    """Refuse two style references, and a style space or shares without one.

    Args:
        style: Audio of the style reference, or None.
        style_latents: Latents of the style reference, or None.
        style_space: Whether only the part of the mean in the style space is grounded.
        style_weights: Share of each reference of `style`, or None.

    Raises:
        ArgumentError: The arguments do not go together.
    """
    if style is not None and style_latents is not None:
        raise ArgumentError("got both {style} and {style_latents}; pass one of them")
    if style_space and style is None and style_latents is None:
        raise ArgumentError("got {style_space} without a style reference; pass one as {style}")
    if style_weights is not None and style is None:
        raise ArgumentError("got {style_weights} without {style}; pass a batch of references as {style}")


def check_target(target: str | None, targets: Sequence[str]) -> None:
    """Refuse a stem that a net does not generate.

    Args:
        target: Name of the stem, or None.
        targets: Names of the stems that the net generates.

    Raises:
        ArgumentError: The net does not generate it.
    """
    if target is not None and target not in targets:
        known = ", ".join(targets)
        raise ArgumentError(
            "got {target} {value!r}, expected what the net generates: {known}", value=target, known=known
        )


def check_init_stem(init_stem: Any, strength: float | None, keep: Ranges | None) -> None:
    """Refuse a strength or ranges to keep that cannot work, whatever the audio.

    Args:
        init_stem: Stem to start from; only whether there is one counts.
        strength: Fraction of the steps to run, above 0 and up to 1, or None.
        keep: Ranges to keep, in seconds, or None.

    Raises:
        ArgumentError: There is no stem to start from, or a value is out of range.
    """
    if init_stem is None and keep is not None:
        raise ArgumentError("got {keep} without {init_stem}; pass the stem whose ranges stay as {init_stem}")
    if init_stem is None and strength is not None:
        raise ArgumentError("got {strength} without {init_stem}; pass the stem to vary as {init_stem}")
    if strength is not None and not (is_number(strength) and 0 < strength <= 1):
        raise ArgumentError("{strength} must be above 0 and at most 1, got {value}", value=short(strength))
    if keep is None:
        return
    if not isinstance(keep, Sequence) or len(keep) == 0:
        raise ArgumentError("{keep} is empty or no list; pass pairs (start, end) in seconds, or leave it out")
    for pair in keep:
        if not _is_range(pair):
            raise ArgumentError(
                "{keep} must hold pairs (start, end) of finite seconds, e.g. [(0.0, 8.0)], or with None for the end of "
                "the stem, got {pair}",
                pair=short(pair),
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
            value=short(keep_best),
        )


def check_counts(most: int, **counts: Any) -> None:
    """Refuse anything but whole numbers of at least 1.

    Args:
        most: Greatest value that is taken.
        counts: Values by the names of the arguments.

    Raises:
        ArgumentError: A value is no such number.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ArgumentError(
                f"{{{name}}} must be a whole number of at least 1, and at most {most}, got {{value}}",
                value=short(value),
            )


def check_between(least: float, most: float, **numbers: Any) -> None:
    """Refuse anything but numbers between two bounds, NaN among the rest.

    Args:
        least: Least value that is taken.
        most: Greatest value that is taken.
        numbers: Values by the names of the arguments; None is a value that the caller leaves open.

    Raises:
        ArgumentError: A value is no such number.
    """
    for name, value in numbers.items():
        if value is not None and not (is_number(value) and least <= value <= most):
            raise ArgumentError(
                f"{{{name}}} must be a finite number from {least:g} to {most:g}, got {{value}}", value=short(value)
            )


def check_texts(**texts: Any) -> None:
    """Refuse anything but texts.

    Args:
        texts: Values by the names of the arguments; None is a value that the caller leaves open.

    Raises:
        ArgumentError: A value is no text.
    """
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise ArgumentError(f"{{{name}}} must be a text, got {{value}}", value=short(value))


def check_latents(channels: int, dimensions: Sequence[int], **latents: Any) -> None:
    """Refuse latents of another kind or shape, and such that are not finite or far larger than any audio gives.

    Args:
        channels: Number of channels of the latents.
        dimensions: Numbers of dimensions that are taken: 1 is a mean `(channels,)`, 2 and 3 end in `(channels,
            frames)`.
        latents: Tensors by the names of the arguments; None is left out.

    Raises:
        ArgumentError: A value is no such tensor.
    """
    for name, value in latents.items():
        if value is None:
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = getattr(value, "dtype", type(value).__name__)
            raise ArgumentError(f"{{{name}}} must be a tensor of floats, got {{kind}}", kind=kind)
        axis = 0 if value.ndim == 1 else value.ndim - 2
        if value.ndim not in dimensions or value.shape[axis] != channels or not value.numel():
            shapes = ", ".join(_LATENT_SHAPES[count] for count in dimensions)
            raise ArgumentError(
                f"{{{name}}} must be of shape {shapes} with {channels} channels and at least one frame, got {{shape}}",
                shape=tuple(value.shape),
            )
        _check_values(name, value)


def check_conditions(conditions: Any) -> None:
    """Refuse anything but tensors by name, and such that are not finite or far too large.

    Args:
        conditions: Conditions of the net, or None.

    Raises:
        ArgumentError: They are no mapping, or one of them is no such tensor.
    """
    if conditions is None:
        return
    if not isinstance(conditions, Mapping):
        raise ArgumentError("{conditions} must be tensors by name, got {kind}", kind=type(conditions).__name__)
    for name, value in conditions.items():
        if not isinstance(value, Tensor) or value.is_complex() or value.ndim not in (2, 3) or not value.numel():
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ArgumentError(
                "the condition {name!r} in {conditions} must be a tensor (mixes, channels) or (mixes, channels, "
                "frames), got {got}",
                name=name,
                got=got,
            )
        _check_values("conditions", value)


def check_controls(controls: Any) -> None:
    """Refuse anything but controls.

    Args:
        controls: Controls of the stems, or None.

    Raises:
        ArgumentError: There is something else.
    """
    if controls is not None and not isinstance(controls, Controls):
        kind = type(controls).__name__
        raise ArgumentError("{controls} must be latentstem.conditioning.Controls, got {kind}", kind=kind)


def _check_values(name: str, value: Tensor) -> None:
    peak = value.detach().float().abs().max().item()
    if not peak <= _LARGEST:
        raise ArgumentError(
            f"{{{name}}} reaches {{peak:.3g}}; expected finite numbers, up to {_LARGEST:g} in magnitude", peak=peak
        )


def _is_range(pair: Any) -> bool:
    try:
        start, end = pair
        return is_number(start) and (end is None or is_number(end))
    except (TypeError, ValueError):
        return False
