"""Editing the clean sample inside any sampler.

A hook sees `x0` and returns it edited. The edit goes back into the sampler as `output' = output + (x0' - x0) / B`
(B of `latentstem.sampling.denoised`), exactly nothing where the hook changed nothing. That re-derives the noise, since
`x_t` stays what it is. To keep the noise that the net predicted, the edit is added after the step instead, scaled by
the signal rate arrived at: the DDIM update (Song et al. 2021, eq. 12) is linear in `x0` at fixed noise.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from latentstem.sampling.denoised import denoised_coefficients, signal_and_noise_rates, step_position
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler

NoiseMode = Literal["rederive", "keep"]


@dataclass(frozen=True)
class DenoisedStep:
    """Where in the sampling run a hook is called.

    Attributes:
        index: Number of the step, from 0.
        total: Number of steps of the run.
        timestep: The scheduler's timestep.
        sample: The noisy sample, `(batch, channels, ...)`; not to be edited.
        signal_rate: Share of signal in the noisy sample.
        noise_rate: Share of noise; `signal_rate**2 + noise_rate**2 == 1`.
    """

    index: int
    total: int
    timestep: int | float | Tensor
    sample: Tensor
    signal_rate: float
    noise_rate: float

    def is_within(self, start: float, stop: float) -> bool:
        """Whether the step lies in a window given in fractions of the run, counted as diffusers' guiders count."""
        return int(start * self.total) <= self.index < int(stop * self.total)


class DenoisedHook(Protocol):
    """Anything that edits the clean sample: called with it and the step, returns it edited.

    A hook may have an attribute `noise`, `"rederive"` or `"keep"`: what it wants where the caller does not say.
    """

    def __call__(self, denoised: Tensor, step: DenoisedStep) -> Tensor:
        """Returns the edited clean sample, float32, shaped as `denoised`."""
        ...


class HookedStep(NamedTuple):
    """What `hooked_step` returns: the scheduler's own result, and the clean sample after all hooks."""

    result: Any
    denoised: Tensor


def hooked_step(
    step_function: Callable[..., Any],
    scheduler: Any,
    hooks: Sequence[DenoisedHook],
    model_output: Tensor,
    timestep: int | float | Tensor,
    sample: Tensor,
    noise: NoiseMode | None = None,
    **kwargs: Any,
) -> HookedStep:
    """Takes one step of a scheduler with hooks on the clean sample: what pipelines and `on_denoised` both do.

    Args:
        step_function: `scheduler.step`, or what it was before it was wrapped.
        scheduler: The scheduler, for its coefficients.
        hooks: Called in order, each on the result of the one before.
        model_output: What the net returned, after guidance.
        timestep: As for `scheduler.step`.
        sample: The noisy sample.
        noise: What to do with the noise; None asks each hook's own attribute `noise`, `"rederive"` if it has none.
        **kwargs: Passed on to `step_function`.

    Returns:
        The scheduler's result and the edited clean sample.

    Raises:
        TypeError: the scheduler is not supported, or is not of the DDIM kind where a hook keeps the noise.
        ValueError: `noise` is neither of the two.
    """
    coefficients = denoised_coefficients(scheduler, timestep)
    original = coefficients.sample * sample.float() + coefficients.output * model_output.float()
    signal_rate, noise_rate = signal_and_noise_rates(scheduler, timestep)
    position, total = step_position(scheduler, timestep), len(scheduler.timesteps)
    step = DenoisedStep(position, total, timestep, sample, signal_rate, noise_rate)

    denoised = original
    edits: dict[str, list[Tensor]] = {"rederive": [], "keep": []}
    for hook in hooks:
        mode = noise or getattr(hook, "noise", "rederive")
        if mode not in edits:
            raise ValueError(f'noise must be "rederive" or "keep", got {mode!r}')
        # A copy, so that a hook which edits in place is not compared with its own result.
        edited = hook(denoised.clone(), step)
        edits[mode].append(edited - denoised)
        denoised = edited

    if edits["rederive"]:
        change = torch.stack(edits["rederive"]).sum(0) / coefficients.output
        model_output = (model_output.float() + change).to(model_output.dtype)
    if not edits["keep"]:
        return HookedStep(step_function(model_output, timestep, sample, **kwargs), denoised)
    arrival = _previous_signal_rate(scheduler, timestep)
    result = step_function(model_output, timestep, sample, **kwargs)
    change = torch.stack(edits["keep"]).sum(0)
    return HookedStep(_shifted(result, arrival * change, change), denoised)


@contextmanager
def on_denoised(scheduler: Any, *hooks: DenoisedHook, noise: NoiseMode | None = None) -> Iterator[None]:
    """Runs hooks on the clean sample inside any pipeline that calls `scheduler.step`, diffusers' own included.

    Inside the context, the scheduler's `step` calls the hooks; its signature stays as it was, and after the context,
    also after an exception, it is what it was before. Contexts nest; the inner one's hooks come first. A pipeline that
    copies its scheduler is out of reach.

    Args:
        scheduler: The scheduler that the pipeline uses, `pipe.scheduler`.
        *hooks: Called in order after guidance, each on the result of the one before.
        noise: `"rederive"`: the noise follows from the edited clean sample. `"keep"`: it stays what the net predicted,
            so the edit acts earlier and harder; DDIM-type schedulers only. None: what each hook says of itself.

    Raises:
        TypeError: in `step`, where the scheduler is not supported.
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
    before = scheduler.step
    was_wrapped = "step" in vars(scheduler)
    signature = inspect.signature(before)

    @functools.wraps(before)
    def step(*args: Any, **kwargs: Any) -> Any:
        arguments = dict(signature.bind(*args, **kwargs).arguments)
        if arguments.get("s_churn") or arguments.get("per_token_timesteps") is not None:
            raise ValueError(
                "on_denoised needs one noise level for the whole sample, the one of the timestep; "
                "leave s_churn and per_token_timesteps out"
            )
        return hooked_step(before, scheduler, hooks, noise=noise, **arguments).result

    scheduler.step = step
    try:
        yield
    finally:
        if was_wrapped:
            scheduler.step = before
        else:
            del scheduler.step


def _previous_signal_rate(scheduler: Any, timestep: int | float | Tensor) -> float:
    if isinstance(scheduler, CosineDDIMScheduler):
        return scheduler.previous_signal_rate(int(timestep))
    if isinstance(scheduler, DDIMScheduler):
        previous = int(timestep) - scheduler.config["num_train_timesteps"] // scheduler.num_inference_steps
        alpha = scheduler.alphas_cumprod[previous] if previous >= 0 else scheduler.final_alpha_cumprod
        return math.sqrt(alpha)
    raise TypeError(
        f'noise="keep" needs a DDIM-type scheduler, got {type(scheduler).__name__}: other solvers do not hold the '
        'predicted noise apart; use noise="rederive", CosineDDIMScheduler or DDIMScheduler'
    )


def _shifted(result: Any, sample_shift: Tensor, denoised_shift: Tensor) -> Any:
    """The result of a DDIM step, tuple or dataclass, with both of its tensors moved."""
    previous, original = (result[0], result[1])
    previous = (previous.float() + sample_shift).to(previous.dtype)
    original = (original.float() + denoised_shift).to(original.dtype)
    if isinstance(result, tuple):
        return previous, original
    return type(result)(prev_sample=previous, pred_original_sample=original)
