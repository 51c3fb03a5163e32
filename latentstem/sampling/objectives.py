"""Training objectives of a denoiser: noise levels and targets, read from the scheduler that it will serve.

With clean samples `x`, noise `n` and the scheduler's rates `a, b` at a timestep, the net is given `a x + b n`, and the
target is

| prediction type | target | source |
| --- | --- | --- |
| epsilon | `n` | Ho et al. 2020, arXiv 2006.11239, eq. 14 |
| v_prediction | `a n - b x` | Salimans & Ho 2022, arXiv 2202.00512, section 4 |
| sample | `x` | |
| flow_prediction | `n - x` | Lipman et al. 2023, arXiv 2210.02747; deblending: Heitz et al. 2023, arXiv 2305.03486 |

One loop trains them all: diffusers' DDIM and DDPM families, flow matching, and any scheduler with a method
`signal_and_noise_rates`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentstem._checks import MOST_TIMESTEPS, check_number, check_whole, entries, short
from latentstem.sampling.denoised import noise_level, prediction_type, unknown_prediction_type

COMPARED_TIMESTEPS = 17
"""Number of timesteps, evenly spaced over the schedule, at which two schedules are compared."""

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", "flow_prediction")
"""What a net may predict."""

RATE_TOLERANCE = 5e-4
"""Greatest difference of rates between schedules that count as equal: solvers round their timesteps."""


@dataclass(frozen=True)
class Objective:
    """Draw the noise levels and compute the targets of a training.

    Args:
        scheduler: Scheduler to train for.

    Example:
        >>> from diffusers import FlowMatchEulerDiscreteScheduler
        >>> objective = Objective(FlowMatchEulerDiscreteScheduler())
        >>> clean, noise = torch.randn(2, 5, 4, 9)
        >>> timesteps = objective.draw_timesteps(5)
        >>> noisy = objective.add_noise(clean, noise, timesteps)
        >>> torch.equal(objective.target(clean, noise, timesteps), noise - clean)
        True
    """

    scheduler: Any

    @property
    def num_train_timesteps(self) -> int:
        """Length of the schedule: timesteps lie from 0 to it."""
        return self.scheduler.config["num_train_timesteps"]

    def draw_timesteps(self, batch: int, noise_emphasis: float = 0.0) -> Tensor:
        """Draw timesteps whose density grows as a power of the timestep.

        Args:
            batch: Number of timesteps.
            noise_emphasis: Power of the timestep by which the density grows; 0 draws all timesteps alike.

        Returns:
            `(batch,)`: integers from 0 to `num_train_timesteps - 1`; floats up to `num_train_timesteps` where the
            schedule is continuous.
        """
        total = self.num_train_timesteps
        timesteps = total * torch.rand(batch) ** (1 / (1 + noise_emphasis))
        return timesteps if _is_continuous(self.scheduler) else timesteps.long().clamp(max=total - 1)

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix clean samples with noise.

        Args:
            clean: Clean samples, `(batch, ...)`.
            noise: Noise of deviation 1, shaped like `clean`.
            timesteps: Timesteps, `(batch,)`.

        Returns:
            Noisy samples, shaped like `clean`.
        """
        signal, noise_rate = self._rates_like(clean, timesteps)
        return signal * clean + noise_rate * noise

    def target(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Compute what the net is to predict.

        Args:
            clean: Clean samples, `(batch, ...)`.
            noise: Noise that was mixed in, shaped like `clean`.
            timesteps: Timesteps, `(batch,)`.

        Returns:
            Target, shaped like `clean`.

        Raises:
            ValueError: The scheduler's prediction type is not in the table.
        """
        signal, noise_rate = self._rates_like(clean, timesteps)
        match prediction_type(self.scheduler):
            case "epsilon":
                return noise
            case "v_prediction":
                return signal * noise - noise_rate * clean
            case "sample":
                return clean
            case "flow_prediction":
                return noise - clean
            case _:
                raise unknown_prediction_type(self.scheduler)

    def clean(self, noisy: Tensor, output: Tensor, timesteps: Tensor) -> Tensor:
        """Compute the clean samples of which a net's output is the target.

        Args:
            noisy: Noisy samples that the net was given, `(batch, ...)`.
            output: Output of the net, shaped like `noisy`.
            timesteps: Timesteps, `(batch,)`.

        Returns:
            Clean samples, shaped like `noisy`.

        Raises:
            ValueError: The scheduler's prediction type is not in the table.

        Example:
            >>> from latentstem import CosineDDIMScheduler
            >>> objective, timesteps = Objective(CosineDDIMScheduler()), torch.tensor([100, 900])
            >>> clean, noise = torch.randn(2, 2, 4, 9)
            >>> noisy = objective.add_noise(clean, noise, timesteps)
            >>> output = objective.target(clean, noise, timesteps)
            >>> torch.allclose(objective.clean(noisy, output, timesteps), clean, atol=1e-5)
            True
        """
        signal, noise_rate = self._rates_like(noisy, timesteps)
        match prediction_type(self.scheduler):
            case "epsilon":
                return (noisy - noise_rate * output) / signal
            case "v_prediction":
                return (signal * noisy - noise_rate * output) / (signal**2 + noise_rate**2)
            case "sample":
                return output
            case "flow_prediction":
                return (noisy - noise_rate * output) / (signal + noise_rate)
            case _:
                raise unknown_prediction_type(self.scheduler)

    def noise(self, noisy: Tensor, clean: Tensor, timesteps: Tensor) -> Tensor:
        """Compute the noise that makes clean samples these noisy ones; where there is none, it is 0.

        Args:
            noisy: Noisy samples, `(batch, ...)`.
            clean: Clean samples, shaped like `noisy`.
            timesteps: Timesteps, `(batch,)`.

        Returns:
            Noise, shaped like `noisy`.
        """
        signal, noise_rate = self._rates_like(noisy, timesteps)
        return torch.where(noise_rate > 0, (noisy - signal * clean) / noise_rate.clamp(min=1e-6), 0.0)

    def _rates_like(self, sample: Tensor, timesteps: Tensor) -> list[Tensor]:
        rates = training_rates(self.scheduler, timesteps.to(sample.device))
        return [rate.reshape(-1, *[1] * (sample.ndim - 1)).to(sample.dtype) for rate in rates]


def training_rates(scheduler: Any, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors of clean sample and noise in what a net is given, at any timesteps of the schedule.

    Unlike `latentstem.sampling.denoised.noise_level`, it needs no sampling run.

    Args:
        scheduler: Scheduler that has the schedule.
        timesteps: Timesteps from 0 to `num_train_timesteps`, of any shape.

    Returns:
        Signal rates and noise rates, float32, shaped like `timesteps`.

    Raises:
        TypeError: The scheduler has no known schedule over timesteps.

    Example:
        >>> from diffusers import FlowMatchEulerDiscreteScheduler
        >>> training_rates(FlowMatchEulerDiscreteScheduler(), torch.tensor([250.0]))
        (tensor([0.7500]), tensor([0.2500]))
    """
    if hasattr(scheduler, "signal_and_noise_rates"):
        signal, noise = (torch.as_tensor(rate) for rate in scheduler.signal_and_noise_rates(timesteps))
        return signal, noise
    if _is_continuous(scheduler):  # flow matching: a shift only chooses which timesteps are visited
        noise = timesteps.float() / scheduler.config["num_train_timesteps"]
        return 1 - noise, noise
    if not hasattr(scheduler, "alphas_cumprod"):
        raise TypeError(
            f"{type(scheduler).__name__} keeps no alphas_cumprod from which to read its noise levels; use a scheduler "
            "of the DDIM or flow matching kind, or give it a method signal_and_noise_rates(timestep)"
        )
    alpha = scheduler.alphas_cumprod.to(timesteps.device)[timesteps.long()]
    return alpha.sqrt(), (1 - alpha).sqrt()


def add_noise_for_step(scheduler: Any, clean: Tensor, noise: Tensor, timestep: int | float | Tensor) -> Tensor:
    """Mix the noisy sample from which a sampling run can begin at a timestep.

    Args:
        scheduler: Scheduler, after `set_timesteps`.
        clean: Clean samples, `(batch, ...)`.
        noise: Noise of deviation 1, shaped like `clean`.
        timestep: Timestep about to be passed to `scheduler.step`.

    Returns:
        Noisy samples at the scheduler's scale.
    """
    signal, noise_rate, scale = noise_level(scheduler, timestep)
    return (signal * clean + noise_rate * noise) / scale


def schedule_of(scheduler: Any) -> dict[str, Any]:
    """Describe a schedule in numbers that a config can hold.

    Args:
        scheduler: Scheduler that a net is trained with.

    Returns:
        `num_train_timesteps`, `prediction_type`, and `signal_rates` and `noise_rates` at `COMPARED_TIMESTEPS` of them.

    Raises:
        TypeError: The scheduler has no known schedule over timesteps.
    """
    total = scheduler.config["num_train_timesteps"]
    signal, noise = training_rates(scheduler, torch.linspace(0, total - 1, COMPARED_TIMESTEPS).round())
    return {
        "num_train_timesteps": total,
        "prediction_type": prediction_type(scheduler),
        "signal_rates": [round(rate, 6) for rate in signal.tolist()],
        "noise_rates": [round(rate, 6) for rate in noise.tolist()],
    }


def check_trained_schedule(trained: Any) -> Mapping[str, Any]:
    """Refuse a saved schedule that lacks an entry, or has one that no schedule has.

    Args:
        trained: Schedule as `schedule_of` returns it, or as version 0.1.0 saved it, with the `max_signal_rate` and
            `min_signal_rate` of a cosine schedule in place of the lists.

    Returns:
        The schedule.

    Raises:
        ValueError: An entry is missing, unknown or out of bounds.

    Example:
        >>> check_trained_schedule({"num_train_timesteps": 1024})
        Traceback (most recent call last):
        ValueError: the trained schedule lacks prediction_type, signal_rates, noise_rates; ...
    """
    if not isinstance(trained, Mapping):
        raise ValueError(f"got trained_schedule={short(trained)}; expected what schedule_of(scheduler) returns")
    own = ("max_signal_rate", "min_signal_rate") if "max_signal_rate" in trained else ("signal_rates", "noise_rates")
    names = ("num_train_timesteps", "prediction_type", *own)
    missing, unknown = [name for name in names if name not in trained], sorted(map(str, set(trained) - set(names)))
    if missing or unknown:
        faults = ["lacks " + ", ".join(missing)] * bool(missing) + ["has unknown " + ", ".join(unknown)] * bool(unknown)
        raise ValueError(
            f"the trained schedule {' and '.join(faults)}; save the pipeline again, or give what "
            "schedule_of(scheduler) returns"
        )
    check_whole(1, MOST_TIMESTEPS, num_train_timesteps=trained["num_train_timesteps"])
    if trained["prediction_type"] not in PREDICTION_TYPES:
        raise ValueError(
            f"the trained schedule has prediction_type={short(trained['prediction_type'])}; expected one of "
            f"{', '.join(PREDICTION_TYPES)}"
        )
    if "max_signal_rate" in trained:
        check_number(0, 1, **{name: trained[name] for name in own})
        return trained
    for name in own:
        rates = trained[name]
        if not isinstance(rates, list | tuple) or len(rates) != COMPARED_TIMESTEPS:
            raise ValueError(
                f"got {name}={short(rates)} in the trained schedule; expected {COMPARED_TIMESTEPS} numbers"
            )
        check_number(0, 1e6, **entries(**{name: rates}))
    return trained


def check_schedule(scheduler: Any, trained: Mapping[str, Any]) -> None:
    """Refuse a scheduler whose noise levels or predictions are not those that a net was trained with.

    Args:
        scheduler: Scheduler to sample with.
        trained: Schedule of the training, as `schedule_of` returns it.

    Raises:
        TypeError: The scheduler has no known schedule over timesteps.
        ValueError: The schedules differ; the message says how to build one that fits.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> from latentstem import CosineDDIMScheduler
        >>> trained = CosineDDIMScheduler()
        >>> check_schedule(DDIMScheduler.from_config(trained.config), schedule_of(trained))
        >>> check_schedule(DDIMScheduler(), schedule_of(trained))
        Traceback (most recent call last):
        ValueError: DDIMScheduler has another noise schedule ...
    """
    name = type(scheduler).__name__
    fix = f"{name}.from_config(pipe.scheduler.config) of the scheduler saved with the weights"
    own = schedule_of(scheduler)
    same = own["num_train_timesteps"] == trained["num_train_timesteps"] and all(
        abs(ours - theirs) <= RATE_TOLERANCE
        for rates in ("signal_rates", "noise_rates")
        for ours, theirs in zip(own[rates], trained[rates], strict=True)
    )
    if not same:
        raise ValueError(
            f"{name} has another noise schedule than the one the net was trained on, which would return noise; build "
            f"it with {fix}"
        )
    if own["prediction_type"] != trained["prediction_type"]:
        raise ValueError(
            f"{name} takes the net's output for {own['prediction_type']!r}, but it was trained to predict "
            f"{trained['prediction_type']!r}; build it with {fix}"
        )


def _is_continuous(scheduler: Any) -> bool:
    """Return whether timesteps are noise rates times `num_train_timesteps`, whole or not, as in flow matching."""
    return scheduler.config.get("use_flow_sigmas", False) or prediction_type(scheduler) == "flow_prediction"
