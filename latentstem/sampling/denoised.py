"""The clean sample `x0 = A * x_t + B * output`, with scalars A and B, for every scheduler of one evaluation a step.

The table, with `x_t = a * x0 + b * noise` and `s` the scheduler's sigma:

| schedulers | prediction | A | B |
| --- | --- | --- | --- |
| DDIM, DDPM, DPM-Solver++, UniPC, DEIS (`a^2 + b^2 = 1`) | epsilon | 1/a | -b/a |
| | velocity | a | -b |
| | sample | 0 | 1 |
| Euler, Euler ancestral (`a = 1`, `b = s`; the net sees `x_t / sqrt(1 + s^2)`) | epsilon | 1 | -s |
| | velocity | 1/(1 + s^2) | -s/sqrt(1 + s^2) |
| | sample | 0 | 1 |
| EDM Euler, EDM DPM-Solver (Karras et al. 2022, arXiv 2206.00364, eq. 7) | any | c_skip | +-c_out |
| flow matching (`a = 1 - s`, `b = s`) | velocity | 1 | -s |
"""

import math
from typing import Any, NamedTuple

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddim_parallel import DDIMParallelScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm_parallel import DDPMParallelScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler

_VARIANCE_PRESERVING = (
    CosineDDIMScheduler,
    DDIMScheduler,
    DDIMParallelScheduler,
    DDPMScheduler,
    DDPMParallelScheduler,
)
_MULTISTEP = (DPMSolverMultistepScheduler, UniPCMultistepScheduler, DEISMultistepScheduler)
_SIGMA = (EulerDiscreteScheduler, EulerAncestralDiscreteScheduler)


class DenoisedCoefficients(NamedTuple):
    """The scalars of `x0 = sample * x_t + output * model_output`.

    Attributes:
        sample: Factor of the noisy sample.
        output: Factor of the model output, never 0.
    """

    sample: float
    output: float


def denoised_coefficients(scheduler: Any, timestep: int | float | Tensor) -> DenoisedCoefficients:
    """Says how a scheduler turns a noisy sample and a model output into a clean sample.

    A scheduler from elsewhere takes part by having methods `denoised_coefficients(timestep)` and
    `signal_and_noise_rates(timestep)` of its own, which are asked first.

    Args:
        scheduler: After `set_timesteps`.
        timestep: The one about to be passed to `scheduler.step`.

    Returns:
        The two scalars.

    Raises:
        TypeError: the scheduler is not in the table, among them those that evaluate the net twice a step.
        ValueError: the scheduler clips, or predicts epsilon where no signal is left, or its prediction type is not in
            the table.

    Example:
        >>> from latentstem import CosineDDIMScheduler
        >>> scheduler = CosineDDIMScheduler(max_signal_rate=0.8, min_signal_rate=0.6)
        >>> scheduler.set_timesteps(4)
        >>> a, b = denoised_coefficients(scheduler, scheduler.timesteps[0])
        >>> round(a, 3), round(b, 3)
        (0.6, -0.8)
    """
    if hasattr(scheduler, "denoised_coefficients"):
        return DenoisedCoefficients(*scheduler.denoised_coefficients(timestep))
    _check(scheduler)
    if hasattr(scheduler, "precondition_outputs"):
        sigma = _sigma(scheduler, timestep)
        return DenoisedCoefficients(
            float(scheduler.precondition_outputs(1.0, 0.0, sigma)),
            float(scheduler.precondition_outputs(0.0, 1.0, sigma)),
        )
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return DenoisedCoefficients(1.0, -_sigma(scheduler, timestep))

    prediction_type = scheduler.config.prediction_type
    if prediction_type in ("sample", "original_sample"):
        return DenoisedCoefficients(0.0, 1.0)
    if prediction_type == "flow_prediction" and scheduler.config.use_flow_sigmas:
        return DenoisedCoefficients(1.0, -_sigma(scheduler, timestep))
    signal, noise = signal_and_noise_rates(scheduler, timestep)
    # Euler's x_t is the one of the table's first rows divided by its signal rate.
    scale = signal if isinstance(scheduler, _SIGMA) else 1.0
    if prediction_type == "epsilon":
        if signal == 0:
            raise ValueError(
                f"epsilon says nothing of the clean sample at timestep {float(timestep):g}, where no signal is left; "
                "use a schedule that ends above signal rate 0, or a net that predicts v"
            )
        return DenoisedCoefficients(scale / signal, -noise / signal)
    if prediction_type == "v_prediction":
        return DenoisedCoefficients(scale * signal, -noise)
    raise ValueError(
        f"prediction_type must be epsilon, v_prediction or sample, got {prediction_type!r} in "
        f"{type(scheduler).__name__}"
    )


def signal_and_noise_rates(scheduler: Any, timestep: int | float | Tensor) -> tuple[float, float]:
    """Says in which proportion a noisy sample holds signal and noise, scaled so that the squares sum to 1.

    Args:
        scheduler: After `set_timesteps`.
        timestep: The one about to be passed to `scheduler.step`.

    Returns:
        Signal rate and noise rate.

    Raises:
        TypeError: the scheduler is not one that `denoised_coefficients` knows.
    """
    if hasattr(scheduler, "signal_and_noise_rates"):
        return scheduler.signal_and_noise_rates(timestep)
    _check(scheduler)
    if isinstance(scheduler, _VARIANCE_PRESERVING):
        alpha = float(scheduler.alphas_cumprod[int(timestep)])
        return math.sqrt(alpha), math.sqrt(1 - alpha)
    sigma = _sigma(scheduler, timestep)
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler) or scheduler.config.get("use_flow_sigmas", False):
        signal, noise = 1 - sigma, sigma
    else:  # EDM's data has the standard deviation sigma_data
        signal, noise = scheduler.config.get("sigma_data", 1.0), sigma
    length = math.hypot(signal, noise)
    return signal / length, noise / length


def step_position(scheduler: Any, timestep: int | float | Tensor) -> int:
    """Index of a timestep in `scheduler.timesteps`, as the scheduler itself counts where it does."""
    position = getattr(scheduler, "step_index", None)
    if position is None:
        position = getattr(scheduler, "begin_index", None)
    if position is None and hasattr(scheduler, "index_for_timestep"):
        position = scheduler.index_for_timestep(timestep)
    if position is None:
        position = int((scheduler.timesteps - timestep).abs().argmin())
    return position


def _sigma(scheduler: Any, timestep: int | float | Tensor) -> float:
    return float(scheduler.sigmas[step_position(scheduler, timestep)])


def _check(scheduler: Any) -> None:
    name = type(scheduler).__name__
    known = (*_VARIANCE_PRESERVING, *_MULTISTEP, *_SIGMA, FlowMatchEulerDiscreteScheduler)
    if getattr(scheduler, "order", 1) != 1:
        raise TypeError(
            f"{name} evaluates the net more than once a step, so a step has no single clean sample to edit; use a "
            "scheduler of one evaluation, e.g. DPMSolverMultistepScheduler"
        )
    if not isinstance(scheduler, known) and not hasattr(scheduler, "precondition_outputs"):
        raise TypeError(
            f"{name} is not a scheduler whose clean sample is known; use one of "
            f"{', '.join(sorted(kind.__name__ for kind in known))} or an EDM scheduler, or give it methods "
            "denoised_coefficients(timestep) and signal_and_noise_rates(timestep)"
        )
    for option in ("clip_sample", "thresholding"):
        if scheduler.config.get(option, False):
            raise ValueError(
                f"{name} has {option}=True, which bends the clean sample and cuts unbounded latents; build it with "
                f"{name}.from_config(scheduler.config, {option}=False)"
            )
