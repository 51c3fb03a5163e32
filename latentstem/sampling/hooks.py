"""Hooks that edit the clean sample at every step of any sampler.

A hook is called with `x0` and returns it edited. The edit goes back into the sampler as `output' = output + (x0' - x0)
/ B` (B of `latentstem.sampling.denoised`), exactly nothing where the hook changed nothing. That re-derives the noise,
since `x_t` stays what it is. To keep the noise that the net predicted, the edit is added after the step instead, scaled
by the signal rate arrived at: the DDIM update (Song et al. 2021, eq. 12) is linear in `x0` at fixed noise.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from latentstem._checks import check_finite, short
from latentstem.sampling.denoised import denoised_coefficients, signal_and_noise_rates, step_position

NoiseMode = Literal["rederive", "keep"]


@dataclass(frozen=True)
class DenoisedStep:
    """Step of the sampling run at which a hook is called.

    Attributes:
        index: Index of the step, from 0.
        total: Number of steps of the run.
        timestep: Timestep of the scheduler.
        sample: Noisy sample, `(batch, channels, ...)`; not to be edited.
        signal_rate: Factor of the clean sample in the noisy one.
        noise_rate: Factor of the noise in the noisy sample; `signal_rate**2 + noise_rate**2 == 1`.
    """

    index: int
    total: int
    timestep: int | float | Tensor
    sample: Tensor
    signal_rate: float
    noise_rate: float

    def is_within(self, start: float, stop: float) -> bool:
        """Return whether the step lies in a window in fractions of the run, counted as diffusers' guiders count."""
        return int(start * self.total) <= self.index < int(stop * self.total)


class DenoisedHook(Protocol):
    """Protocol of a callable that edits the clean sample.

    A hook may have an attribute `noise`, `"rederive"` or `"keep"`, which holds where the caller does not say.
    """

    def __call__(self, denoised: Tensor, step: DenoisedStep) -> Tensor:
        """Return the edited clean sample, float32, shaped like `denoised`."""
        ...


class HookedStep(NamedTuple):
    """Output of `step_from_denoised`.

    Attributes:
        result: Output of the scheduler's step.
        denoised: Clean sample after all hooks.
    """

    result: Any
    denoised: Tensor


class Edits(NamedTuple):
    """Edits of a clean sample by hooks.

    Attributes:
        denoised: Clean sample after all hooks.
        rederive: Sum of the edits whose noise follows from the edited sample; None without such edits.
        keep: Sum of the edits that leave the predicted noise as it is; None without such edits.
    """

    denoised: Tensor
    rederive: Tensor | None
    keep: Tensor | None


def edit_denoised(
    hooks: Sequence[DenoisedHook],
    denoised: Tensor,
    scheduler: Any,
    timestep: int | float | Tensor,
    sample: Tensor,
    noise: NoiseMode | None = None,
) -> Edits:
    """Run hooks on a clean sample.

    Args:
        hooks: Hooks that are called in order, each on the result of the one before.
        denoised: Clean sample, float32.
        scheduler: Scheduler, after `set_timesteps`, that says index and noise level of the step.
        timestep: Timestep about to be passed to `scheduler.step`.
        sample: Noisy sample.
        noise: Treatment of the noise, `"rederive"` or `"keep"`; None is each hook's attribute `noise`, or `"rederive"`
            if it has none.

    Returns:
        Edited sample, and the edits by their treatment of the noise.

    Raises:
        ValueError: `noise` is neither of the two, or a hook returns something else than a finite sample of that shape.
    """
    edits: dict[str, Tensor | None] = {"rederive": None, "keep": None}
    if not hooks:
        return Edits(denoised, None, None)
    signal_rate, noise_rate = signal_and_noise_rates(scheduler, timestep)
    position, total = step_position(scheduler, timestep), len(scheduler.timesteps)
    step = DenoisedStep(position, total, timestep, sample, signal_rate, noise_rate)
    for hook in hooks:
        mode = noise or getattr(hook, "noise", "rederive")
        if mode not in edits:
            raise ValueError(f'noise must be "rederive" or "keep", got {mode!r}')
        # A copy, so that a hook which edits in place is not compared with its own result.
        edited = hook(denoised.clone(), step)
        if not isinstance(edited, Tensor) or edited.shape != denoised.shape:
            got = f"a tensor of shape {tuple(edited.shape)}" if isinstance(edited, Tensor) else short(edited)
            raise ValueError(
                f"the hook {type(hook).__name__} returned {got}; expected the clean sample, edited, of shape "
                f"{tuple(denoised.shape)}"
            )
        check_finite("the edited sample", edited, {"denoised": denoised})
        before = edits[mode]
        edits[mode] = edited - denoised if before is None else before + (edited - denoised)
        denoised = edited
    return Edits(denoised, edits["rederive"], edits["keep"])


def step_from_denoised(
    scheduler: Any,
    denoised: Tensor,
    timestep: int | float | Tensor,
    sample: Tensor,
    hooks: Sequence[DenoisedHook] = (),
    noise: NoiseMode | None = None,
    **kwargs: Any,
) -> HookedStep:
    """Take one step of a scheduler from the clean sample, with hooks on it.

    A scheduler with a method `step_from_denoised` is given it as it is; any other is given the equivalent model output,
    `(x0 - A * x_t) / B`.

    Args:
        scheduler: Scheduler, after `set_timesteps`.
        denoised: Predicted clean sample, after guidance, float32.
        timestep: Timestep about to be passed to `scheduler.step`.
        sample: Noisy sample.
        hooks: Hooks that are called in order, each on the result of the one before.
        noise: Treatment of the noise, `"rederive"` or `"keep"`; None is each hook's attribute `noise`, or `"rederive"`
            if it has none.
        **kwargs: Further arguments of the scheduler's step.

    Returns:
        The scheduler's result and the edited clean sample.

    Raises:
        TypeError: The scheduler is not supported, or is not of the DDIM kind where a hook keeps the noise.
        ValueError: `noise` is neither of the two.

    Example:
        >>> import torch
        >>> from diffusers import FlowMatchEulerDiscreteScheduler
        >>> scheduler = FlowMatchEulerDiscreteScheduler()
        >>> scheduler.set_timesteps(1)
        >>> clean, noisy = torch.randn(2, 1, 4, 9)
        >>> stepped = step_from_denoised(scheduler, clean, scheduler.timesteps[0], noisy)
        >>> torch.allclose(stepped.result.prev_sample, clean, atol=1e-5)
        True
    """

    def step(target: Tensor) -> Any:
        if hasattr(scheduler, "step_from_denoised"):
            return scheduler.step_from_denoised(target, timestep, sample, **kwargs)
        a, b = denoised_coefficients(scheduler, timestep)
        return scheduler.step((target - a * sample) / b, timestep, sample, **kwargs)

    edits = edit_denoised(hooks, denoised, scheduler, timestep, sample, noise)
    return HookedStep(_step_with_edits(step, denoised, edits, scheduler, timestep), edits.denoised)


@contextmanager
def on_denoised(scheduler: Any, *hooks: DenoisedHook, noise: NoiseMode | None = None) -> Iterator[None]:
    """Run hooks on the clean sample inside any pipeline that calls `scheduler.step`, diffusers' own included.

    Inside the context, the scheduler's `step` calls the hooks; its signature stays as it was, and after the context,
    also after an exception, it is what it was before. Contexts nest; the inner one's hooks come first. A pipeline that
    copies its scheduler is out of reach.

    Args:
        scheduler: Scheduler that the pipeline uses, `pipe.scheduler`.
        *hooks: Hooks that are called in order after guidance, each on the result of the one before.
        noise: Treatment of the noise. `"rederive"` computes it from the edited clean sample; `"keep"` leaves it as the
            net predicted it, so that the edit acts earlier and more strongly, with DDIM-type schedulers only. None is
            each hook's attribute `noise`.

    Raises:
        TypeError: The scheduler is not supported; raised by its `step`.
        ValueError: `noise` is neither of the two.

    Example:
        >>> import torch
        >>> from latentstem import CosineDDIMScheduler
        >>> scheduler = CosineDDIMScheduler()
        >>> scheduler.set_timesteps(1)
        >>> noise = torch.randn(1, 2, 4)
        >>> with on_denoised(scheduler, lambda denoised, step: torch.full_like(denoised, 3.0)):
        ...     sample = scheduler.step(torch.randn(1, 2, 4), scheduler.timesteps[0], noise).prev_sample
        >>> torch.allclose(sample, torch.tensor(3.0), atol=1e-5)
        True
    """
    if noise not in (None, "rederive", "keep"):
        raise ValueError(f'noise must be "rederive", "keep" or None, got {noise!r}')

    def on_output(step: Callable[..., Any], model_output: Tensor, timestep: Any, sample: Tensor, **kwargs: Any) -> Any:
        a, b = denoised_coefficients(scheduler, timestep)
        denoised = a * sample.float() + b * model_output.float()
        edits = edit_denoised(hooks, denoised, scheduler, timestep, sample, noise)
        if edits.rederive is not None:
            model_output = (model_output.float() + edits.rederive / b).to(model_output.dtype)
        return _step_with_edits(
            lambda _: step(model_output, timestep, sample, **kwargs), denoised, edits, scheduler, timestep
        )

    def on_sample(step: Callable[..., Any], denoised: Tensor, timestep: Any, sample: Tensor, **kwargs: Any) -> Any:
        edits = edit_denoised(hooks, denoised, scheduler, timestep, sample, noise)
        return _step_with_edits(
            lambda target: step(target, timestep, sample, **kwargs), denoised, edits, scheduler, timestep
        )

    with ExitStack() as stack:
        stack.enter_context(_wrap_method(scheduler, "step", on_output))
        if hasattr(scheduler, "step_from_denoised"):
            stack.enter_context(_wrap_method(scheduler, "step_from_denoised", on_sample))
        yield


@contextmanager
def _wrap_method(scheduler: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """Call `around` with a method and its arguments in place of the method, within the context."""
    before = getattr(scheduler, name)
    was_wrapped = name in vars(scheduler)
    signature = inspect.signature(before)

    @functools.wraps(before)
    def method(*args: Any, **kwargs: Any) -> Any:
        arguments = dict(signature.bind(*args, **kwargs).arguments)
        if arguments.get("s_churn") or arguments.get("per_token_timesteps") is not None:
            raise ValueError(
                "on_denoised needs one noise level for the whole sample, the one of the timestep; "
                "leave s_churn and per_token_timesteps out"
            )
        return around(before, **arguments)

    setattr(scheduler, name, method)
    try:
        yield
    finally:
        if was_wrapped:
            setattr(scheduler, name, before)
        else:
            delattr(scheduler, name)


def _step_with_edits(
    step: Callable[[Tensor], Any], denoised: Tensor, edits: Edits, scheduler: Any, timestep: int | float | Tensor
) -> Any:
    """Step from a clean sample with those edits whose noise is re-derived; add the others after the step."""
    target = denoised if edits.rederive is None else denoised + edits.rederive
    if edits.keep is None:
        return step(target)
    arrival = _previous_signal_rate(scheduler, timestep)
    return _shift(step(target), arrival * edits.keep, edits.keep)


def _previous_signal_rate(scheduler: Any, timestep: int | float | Tensor) -> float:
    if hasattr(scheduler, "previous_signal_rate"):
        return scheduler.previous_signal_rate(int(timestep))
    if isinstance(scheduler, DDIMScheduler):
        previous = int(timestep) - scheduler.config["num_train_timesteps"] // scheduler.num_inference_steps
        alpha = scheduler.alphas_cumprod[previous] if previous >= 0 else scheduler.final_alpha_cumprod
        return math.sqrt(alpha)
    raise TypeError(
        f'noise="keep" needs a DDIM-type scheduler, got {type(scheduler).__name__}: other solvers do not hold the '
        'predicted noise apart; use noise="rederive", CosineDDIMScheduler or DDIMScheduler'
    )


def _shift(result: Any, sample_shift: Tensor, denoised_shift: Tensor) -> Any:
    """Return the result of a DDIM step, tuple or dataclass, with its two tensors moved."""
    previous, original = (result[0], result[1])
    previous = (previous.float() + sample_shift).to(previous.dtype)
    original = (original.float() + denoised_shift).to(original.dtype)
    if isinstance(result, tuple):
        return previous, original
    return type(result)(prev_sample=previous, pred_original_sample=original)
