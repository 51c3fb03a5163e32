"""Clean sample `x0 = A * x_t + B * output`, with scalars A and B, for every evaluation of the net by a scheduler.

With `x_t = a * x0 + b * noise`, and for what each net predicts:

| prediction | output | A | B |
| --- | --- | --- | --- |
| epsilon | `noise` | 1/a | -b/a |
| velocity | `a * noise - b * x0` | a/(a^2 + b^2) | -b/(a^2 + b^2) |
| sample | `x0` | 0 | 1 |
| flow | `noise - x0` | 1/(a + b) | -b/(a + b) |

What differs between families of schedulers is where a and b are read: DDIM and DDPM keep them as `alphas_cumprod`, the
multistep solvers and Euler as sigmas `b / a` (Euler holds `x_t / a`, which is scaled for the net), flow matching as `b`
with `a = 1 - b`. EDM (Karras et al. 2022, arXiv 2206.00364, eq. 7) gives A and B itself. Any other scheduler gives a
and b by a method `signal_and_noise_rates`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

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


class DenoisedCoefficients(NamedTuple):
    """Scalars of `x0 = sample * x_t + output * model_output`.

    Attributes:
        sample: Factor of the noisy sample.
        output: Factor of the model output, never 0.
    """

    sample: float
    output: float


class NoiseLevel(NamedTuple):
    """Rates of a noisy sample `x_t = (signal * x0 + noise * noise_sample) / input_scale`.

    Attributes:
        signal: Factor of the clean sample in what the net is given.
        noise: Factor of the noise in what the net is given.
        input_scale: Factor by which the scheduler multiplies the noisy sample for the net.
    """

    signal: float
    noise: float
    input_scale: float = 1.0


class HasRates(Protocol):
    """Protocol of a scheduler of your own, which then serves training, guidance, hooks and checks.

    Its config says `prediction_type`: `"epsilon"`, `"v_prediction"`, `"sample"` or `"flow_prediction"`, and without one
    it is the last. Timesteps are then real numbers from 0 to `num_train_timesteps`, else integers below it.
    """

    def signal_and_noise_rates(self, timestep: int | float | Tensor) -> tuple[Any, Any]:
        """Return the factors of clean sample and noise in `x_t`, shaped like `timestep`."""
        ...


def denoised_coefficients(scheduler: Any, timestep: int | float | Tensor) -> DenoisedCoefficients:
    """Return the scalars by which a noisy sample and a model output make a clean sample.

    A scheduler may have a method `denoised_coefficients(timestep)` of its own, or `signal_and_noise_rates(timestep)`
    (see `HasRates`), which are called first.

    Args:
        scheduler: Scheduler, after `set_timesteps`.
        timestep: Timestep about to be passed to `scheduler.step`.

    Returns:
        Factors of the noisy sample and of the model output.

    Raises:
        TypeError: The scheduler is of no known family, or evaluates the net more than once a step.
        ValueError: The scheduler clips, or predicts epsilon where no signal is left, or its prediction type is not in
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
    if hasattr(scheduler, "precondition_outputs"):
        _check(scheduler)
        sigma = _sigma(scheduler, timestep)
        return DenoisedCoefficients(
            float(scheduler.precondition_outputs(1.0, 0.0, sigma)),
            float(scheduler.precondition_outputs(0.0, 1.0, sigma)),
        )
    signal, noise, scale = noise_level(scheduler, timestep)
    match prediction_type(scheduler):
        case "sample" | "original_sample":
            return DenoisedCoefficients(0.0, 1.0)
        case "epsilon" if signal == 0:
            raise ValueError(
                f"epsilon does not determine the clean sample at timestep {float(timestep):g}, where no signal "
                "is left; use a schedule that ends above signal rate 0, or a net that predicts v"
            )
        case "epsilon":
            return DenoisedCoefficients(scale / signal, -noise / signal)
        case "v_prediction":
            power = signal**2 + noise**2
            return DenoisedCoefficients(scale * signal / power, -noise / power)
        case "flow_prediction":
            return DenoisedCoefficients(scale / (signal + noise), -noise / (signal + noise))
        case _:
            raise unknown_prediction_type(scheduler)


def unknown_prediction_type(scheduler: Any) -> ValueError:
    """Return the error of a scheduler whose prediction type is none of the four."""
    return ValueError(
        "prediction_type must be epsilon, v_prediction, sample or flow_prediction, got "
        f"{prediction_type(scheduler)!r} in {type(scheduler).__name__}"
    )


def prediction_type(scheduler: Any) -> str:
    """Return what a scheduler takes a net's output for; flow matching schedulers have no such entry in their config.

    Example:
        >>> prediction_type(DDIMScheduler()), prediction_type(FlowMatchEulerDiscreteScheduler())
        ('epsilon', 'flow_prediction')
    """
    return scheduler.config.get("prediction_type", "flow_prediction")


def noise_level(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    """Return the rates of the noisy sample at a timestep of a sampling run.

    Args:
        scheduler: Scheduler, after `set_timesteps`.
        timestep: Timestep about to be passed to `scheduler.step`.

    Returns:
        Rates in what the net is given, and its scale.

    Raises:
        TypeError: The scheduler is of no known family, or evaluates the net more than once a step.
        ValueError: The scheduler clips.

    Example:
        >>> scheduler = FlowMatchEulerDiscreteScheduler()
        >>> scheduler.set_timesteps(4)
        >>> noise_level(scheduler, scheduler.timesteps[0])
        NoiseLevel(signal=0.0, noise=1.0, input_scale=1.0)
    """
    if hasattr(scheduler, "signal_and_noise_rates"):
        return NoiseLevel(*map(float, scheduler.signal_and_noise_rates(timestep)))
    return _check(scheduler)(scheduler, timestep)


def signal_and_noise_rates(scheduler: Any, timestep: int | float | Tensor) -> tuple[float, float]:
    """Return the rates of signal and noise in a noisy sample, scaled so that their squares sum to 1.

    Args:
        scheduler: Scheduler, after `set_timesteps`.
        timestep: Timestep about to be passed to `scheduler.step`.

    Returns:
        Signal rate and noise rate.

    Raises:
        TypeError: The scheduler is not one that `denoised_coefficients` knows.
    """
    signal, noise, _ = noise_level(scheduler, timestep)
    length = math.hypot(signal, noise)
    return signal / length, noise / length


def step_position(scheduler: Any, timestep: int | float | Tensor) -> int:
    """Return the index of a timestep in `scheduler.timesteps`, as the scheduler counts where it does."""
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


def _level_of_alphas(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    alpha = float(scheduler.alphas_cumprod[int(timestep)])
    return NoiseLevel(math.sqrt(alpha), math.sqrt(1 - alpha))


def _level_of_sigmas(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    if scheduler.config.get("use_flow_sigmas", False):
        return _level_of_flow(scheduler, timestep)
    sigma = _sigma(scheduler, timestep)
    return NoiseLevel(1 / math.hypot(1, sigma), sigma / math.hypot(1, sigma))


def _level_of_euler(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    signal, noise, _ = _level_of_sigmas(scheduler, timestep)
    return NoiseLevel(signal, noise, input_scale=signal)


def _level_of_flow(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    sigma = _sigma(scheduler, timestep)
    return NoiseLevel(1 - sigma, sigma)


def _level_of_edm(scheduler: Any, timestep: int | float | Tensor) -> NoiseLevel:
    sigma, data = _sigma(scheduler, timestep), scheduler.config["sigma_data"]
    length = math.hypot(data, sigma)
    return NoiseLevel(data / length, sigma / length, input_scale=data / length)


_Reader = Callable[[Any, int | float | Tensor], NoiseLevel]

# One reader a family of diffusers' schedulers; to take in another family, add its line.
_FAMILIES: list[tuple[tuple[type, ...], _Reader]] = [
    ((DDIMScheduler, DDIMParallelScheduler, DDPMScheduler, DDPMParallelScheduler), _level_of_alphas),
    ((DPMSolverMultistepScheduler, UniPCMultistepScheduler, DEISMultistepScheduler), _level_of_sigmas),
    ((EulerDiscreteScheduler, EulerAncestralDiscreteScheduler), _level_of_euler),
    ((FlowMatchEulerDiscreteScheduler,), _level_of_flow),
]


def _check(scheduler: Any) -> _Reader:
    """Refuse a scheduler whose clean sample is not known; return the reader of its family."""
    name = type(scheduler).__name__
    if getattr(scheduler, "order", 1) != 1:
        raise TypeError(
            f"{name} evaluates the net more than once a step, so a step has no single clean sample to edit; use a "
            "scheduler of one evaluation, e.g. DPMSolverMultistepScheduler"
        )
    for option in ("clip_sample", "thresholding"):
        if scheduler.config.get(option, False):
            raise ValueError(
                f"{name} has {option}=True, which bends the clean sample and cuts unbounded latents; build it with "
                f"{name}.from_config(scheduler.config, {option}=False)"
            )
    if hasattr(scheduler, "precondition_outputs"):
        return _level_of_edm
    for kinds, reader in _FAMILIES:
        if isinstance(scheduler, kinds):
            return reader
    known = sorted(kind.__name__ for kinds, _ in _FAMILIES for kind in kinds)
    raise TypeError(
        f"{name} is not a scheduler whose clean sample is known; use CosineDDIMScheduler, "
        f"one of {', '.join(known)} or an EDM scheduler, or give it a method signal_and_noise_rates(timestep)"
    )
