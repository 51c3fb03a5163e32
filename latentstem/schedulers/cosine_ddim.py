"""DDIM (Song et al. 2021, arXiv 2010.02502, eq. 12 and 16) on a cosine schedule of signal and noise rates.

The schedule is an angle that grows evenly with time, `signal = cos(angle)`, `noise = sin(angle)`, and the default
prediction is the velocity `v = signal * noise_sample - noise * original` (Salimans & Ho 2022, arXiv 2202.00512).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import (
    MOST_TIMESTEPS,
    check_finite,
    check_list,
    check_number,
    check_tensors,
    check_whole,
    entries,
    short,
)


@dataclass
class CosineDDIMSchedulerOutput(BaseOutput):
    """Output of `CosineDDIMScheduler.step`.

    Attributes:
        prev_sample: Sample at the next timestep, to be given to the net again.
        pred_original_sample: The clean sample that the model output stands for.
    """

    prev_sample: Tensor
    pred_original_sample: Tensor


def _betas(num_train_timesteps: int, max_signal_rate: float, min_signal_rate: float) -> list[float]:
    """Compute betas whose `cumprod(1 - beta)` is the squared cosine of angles evenly spaced between the two rates."""
    angles = torch.linspace(
        math.acos(max_signal_rate), math.acos(min_signal_rate), num_train_timesteps, dtype=torch.float64
    )
    alphas_cumprod = angles.cos().square()
    before = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    return (1 - alphas_cumprod / before).tolist()


def _signal_rates(betas: list[float]) -> tuple[float, float]:
    """Return the first and last signal rate of betas, to the digits that a product of a thousand factors keeps."""
    signal = (1 - torch.tensor(betas, dtype=torch.float64)).cumprod(0).sqrt()
    return float(f"{signal[0]:.12g}"), float(f"{signal[-1]:.12g}")


def _of_one_shape(**tensors: Tensor) -> dict[str, Tensor]:
    check_tensors(**tensors)
    shapes = [tuple(value.shape) for value in tensors.values()]
    if shapes[0] != shapes[1]:
        raise ValueError(f"got {' and '.join(tensors)} of shapes {shapes[0]} and {shapes[1]}; expected equal ones")
    return tensors


class CosineDDIMScheduler(SchedulerMixin, ConfigMixin):
    """DDIM on a cosine schedule whose config diffusers' own schedulers read.

    `DDIMScheduler`, `DPMSolverMultistepScheduler` and `UniPCMultistepScheduler`, built by
    `from_config(scheduler.config)`, have exactly its `alphas_cumprod`: a net trained with this one serves them all.
    Unlike stock DDIM it ends exactly at noise zero for any number of steps, not only for divisors of
    `num_train_timesteps`.

    Args:
        num_train_timesteps: Length of the schedule in timesteps. 1024 has many divisors, which stock DDIM needs.
        max_signal_rate: Signal rate at timestep 0, below 1; None takes that of `trained_betas`, or 0.999 without.
        min_signal_rate: Signal rate at the last timestep, above 0, where epsilon would be undefined; None takes that of
            `trained_betas`, or 0.02 without.
        prediction_type: Target that the net predicts: `"v_prediction"`, `"epsilon"` or `"sample"`.
        trained_betas: Schedule as the config holds it, for other schedulers to read; None computes it from the rates.
            Rates that are given too must agree with it.
        clip_sample: False, because latents are unbounded. Stored because the default of stock DDIM is True.
        set_alpha_to_one: True, because the last step ends at noise zero. Stored for other schedulers to read.
        timestep_spacing: `"trailing"`, because the first step is taken at full noise. Stored for other schedulers to
            read.

    Attributes:
        max_signal_rate: Greatest signal rate. The config holds it as `trained_betas` only, because other schedulers
            warn of keys that they do not know.
        min_signal_rate: Least signal rate.

    Raises:
        ValueError: A number is out of bounds, the rates are out of order, the prediction type is unknown, or a stored
            value differs from the above.

    Example:
        >>> import torch
        >>> from diffusers import DDIMScheduler
        >>> scheduler = CosineDDIMScheduler()
        >>> stock = DDIMScheduler.from_config(scheduler.config)
        >>> torch.equal(stock.alphas_cumprod, scheduler.alphas_cumprod)
        True
        >>> scheduler.set_timesteps(4)
        >>> scheduler.timesteps
        tensor([1023,  767,  511,  255])
    """

    order = 1

    # Not decorated with register_to_config: it would note untouched arguments as "defaults", and another scheduler's
    # from_config drops those in favour of its own (clipping, epsilon, leading spacing).
    def __init__(
        self,
        num_train_timesteps: int = 1024,
        max_signal_rate: float | None = None,
        min_signal_rate: float | None = None,
        prediction_type: Literal["v_prediction", "epsilon", "sample"] = "v_prediction",
        trained_betas: list[float] | None = None,
        clip_sample: bool = False,
        set_alpha_to_one: bool = True,
        timestep_spacing: str = "trailing",
    ):
        check_whole(1, MOST_TIMESTEPS, num_train_timesteps=num_train_timesteps)
        if trained_betas is not None:
            check_list(MOST_TIMESTEPS, trained_betas=trained_betas)
            check_number(-1, 1, **entries(trained_betas=trained_betas))
        rates = (0.999, 0.02) if trained_betas is None else _signal_rates(trained_betas)
        max_signal_rate = rates[0] if max_signal_rate is None else max_signal_rate
        min_signal_rate = rates[1] if min_signal_rate is None else min_signal_rate
        check_number(0, 1, min_signal_rate=min_signal_rate, max_signal_rate=max_signal_rate)
        if not 0 < min_signal_rate < max_signal_rate < 1:
            raise ValueError(
                "the signal rates must satisfy 0 < min_signal_rate < max_signal_rate < 1, "
                f"got {min_signal_rate} and {max_signal_rate}"
            )
        if prediction_type not in ("v_prediction", "epsilon", "sample"):
            raise ValueError(f"prediction_type must be v_prediction, epsilon or sample, got {short(prediction_type)}")
        settings = [short(value) for value in (clip_sample, set_alpha_to_one, timestep_spacing)]
        if clip_sample or not set_alpha_to_one or timestep_spacing != "trailing":
            raise ValueError(
                "CosineDDIMScheduler works with clip_sample=False, set_alpha_to_one=True and "
                f"timestep_spacing='trailing', got {', '.join(settings)}; "
                "for other settings use diffusers' DDIMScheduler.from_config(scheduler.config, ...)"
            )
        betas = _betas(num_train_timesteps, max_signal_rate, min_signal_rate)
        if trained_betas is not None:
            given = torch.tensor(trained_betas, dtype=torch.float64)
            if len(given) != num_train_timesteps or not torch.allclose(given, given.new_tensor(betas)):
                raise ValueError(
                    f"trained_betas are not those of {num_train_timesteps} timesteps between the signal rates "
                    f"{max_signal_rate:g} and {min_signal_rate:g}; leave trained_betas out to have them computed"
                )
            betas = given.tolist()
        self.max_signal_rate, self.min_signal_rate = max_signal_rate, min_signal_rate
        self.register_to_config(
            num_train_timesteps=num_train_timesteps,
            prediction_type=prediction_type,
            trained_betas=betas,
            clip_sample=clip_sample,
            set_alpha_to_one=set_alpha_to_one,
            timestep_spacing=timestep_spacing,
        )
        # By way of float32 betas, as diffusers computes it, so that both come out equal to the bit.
        self.betas = torch.tensor(betas, dtype=torch.float32)
        self.alphas_cumprod = torch.cumprod(1.0 - self.betas, dim=0)
        self.init_noise_sigma = 1.0
        self.num_inference_steps: int | None = None
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)
        self._previous_timestep: dict[int, int] = {}

    def __len__(self) -> int:
        return self.config["num_train_timesteps"]

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose the timesteps of a sampling run, evenly spaced from full noise down.

        Args:
            num_inference_steps: Number of steps, 1 to `num_train_timesteps`.
            device: Device of `timesteps`; None is the CPU.

        Raises:
            ValueError: The number of steps is out of range.
        """
        total = self.config["num_train_timesteps"]
        check_whole(1, total, num_inference_steps=num_inference_steps)
        steps_left = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64)
        timesteps = (steps_left * total / num_inference_steps).round().long() - 1
        visited = timesteps.tolist()
        self._previous_timestep = dict(zip(visited, [*visited[1:], -1], strict=True))
        self.num_inference_steps = num_inference_steps
        self.timesteps = timesteps.to(device)

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """Return the sample as it is; other schedulers scale it here."""
        return sample

    def previous_signal_rate(self, timestep: int | Tensor) -> float:
        """Return the signal rate of the sample that `step` returns when taken at a timestep.

        Args:
            timestep: Timestep at which `step` is taken, one of `timesteps`.

        Returns:
            Signal rate, in (0, 1]; 1 after the last step.

        Raises:
            ValueError: `set_timesteps` has not been called, or `timestep` is not one of `timesteps`.
        """
        if int(timestep) not in self._previous_timestep:
            raise ValueError(
                f"timestep {int(timestep)} is not one of the {len(self._previous_timestep)} chosen; call "
                "set_timesteps first and pass its timesteps"
            )
        previous = self._previous_timestep[int(timestep)]
        return math.sqrt(self.alphas_cumprod[previous]) if previous >= 0 else 1.0

    def step(
        self,
        model_output: Tensor,
        timestep: int | Tensor,
        sample: Tensor,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> CosineDDIMSchedulerOutput | tuple[Tensor, Tensor]:
        """Take one step towards the data (arXiv 2010.02502, eq. 12; the added noise is eq. 16).

        Args:
            model_output: Output of the net, shaped like `sample`.
            timestep: Timestep of the sample, one of `timesteps`.
            sample: Noisy sample that the net was given.
            eta: Fraction of DDPM's noise that is added: 0 is deterministic, 1 adds as much as DDPM.
            generator: Generator of the added noise, or one an item; unused at `eta=0`.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            `prev_sample` and `pred_original_sample`.

        Raises:
            ValueError: `timestep` is not one of those chosen with `set_timesteps`, `eta` is out of range, or a tensor
                is not finite.
        """
        inputs = _of_one_shape(model_output=model_output, sample=sample)
        # 1. Clean sample and noise from the model output.
        signal, noise = self.signal_and_noise_rates(timestep)
        if self.config["prediction_type"] == "v_prediction":
            original = signal * sample - noise * model_output
            predicted_noise = signal * model_output + noise * sample
        elif self.config["prediction_type"] == "epsilon":
            original = (sample - noise * model_output) / signal
            predicted_noise = model_output
        else:
            original = model_output
            predicted_noise = (sample - signal * model_output) / noise
        return self._step(original, predicted_noise, timestep, eta, generator, return_dict, inputs)

    def step_from_denoised(
        self,
        denoised: Tensor,
        timestep: int | Tensor,
        sample: Tensor,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> CosineDDIMSchedulerOutput | tuple[Tensor, Tensor]:
        """Take one step from the clean sample, where guidance or hooks have it already, as `step` does.

        Args:
            denoised: Clean sample, shaped like `sample`.
            timestep: Timestep of the sample, one of `timesteps`.
            sample: Noisy sample that the net was given.
            eta: Fraction of DDPM's noise that is added: 0 is deterministic, 1 adds as much as DDPM.
            generator: Generator of the added noise, or one an item; unused at `eta=0`.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            `prev_sample` and `pred_original_sample`.

        Raises:
            ValueError: `timestep` is not one of those chosen with `set_timesteps`, `eta` is out of range, or a tensor
                is not finite.
        """
        inputs = _of_one_shape(denoised=denoised, sample=sample)
        signal, noise = self.signal_and_noise_rates(timestep)
        predicted_noise = (sample - signal * denoised) / noise
        return self._step(denoised, predicted_noise, timestep, eta, generator, return_dict, inputs)

    def _step(
        self,
        original: Tensor,
        predicted_noise: Tensor,
        timestep: int | Tensor,
        eta: float,
        generator: torch.Generator | list[torch.Generator] | None,
        return_dict: bool,
        inputs: dict[str, Tensor],
    ) -> CosineDDIMSchedulerOutput | tuple[Tensor, Tensor]:
        check_number(0, 1, eta=eta)
        # 2. Noise to be added (eq. 16), and the direction that points back to the noisy sample (eq. 12).
        alpha = self.alphas_cumprod[int(timestep)].item()
        alpha_previous = self.previous_signal_rate(timestep) ** 2
        added = eta * math.sqrt((1 - alpha_previous) / (1 - alpha) * (1 - alpha / alpha_previous))
        direction = math.sqrt(max(1 - alpha_previous - added**2, 0.0)) * predicted_noise

        # 3. The sample at the next timestep.
        previous = math.sqrt(alpha_previous) * original + direction
        if added > 0:
            previous = previous + added * randn_tensor(
                tuple(original.shape), generator=generator, device=original.device, dtype=original.dtype
            )
        check_finite("the clean sample", original, inputs)
        check_finite("the next sample", previous, inputs)
        if not return_dict:
            return previous, original
        return CosineDDIMSchedulerOutput(prev_sample=previous, pred_original_sample=original)

    def signal_and_noise_rates(self, timestep: int | float | Tensor) -> tuple[Any, Any]:
        """Return the factors of clean sample and noise in the noisy sample; their squares sum to 1.

        Args:
            timestep: Timesteps, integers from 0 to `num_train_timesteps - 1`, of any shape.

        Returns:
            Signal rates and noise rates: numbers for a single timestep, else float32 tensors shaped like `timestep`.

        Raises:
            ValueError: A timestep is out of range; of several it is looked for on the CPU only.
        """
        last = self.config["num_train_timesteps"] - 1
        if not isinstance(timestep, Tensor) or timestep.ndim == 0:
            check_number(0, last, timestep=timestep.item() if isinstance(timestep, Tensor) else timestep)
            alpha = float(self.alphas_cumprod[int(timestep)])
            return math.sqrt(alpha), math.sqrt(1 - alpha)
        if timestep.device.type == "cpu" and not ((timestep >= 0) & (timestep <= last)).all():
            raise ValueError(
                f"got timesteps from {timestep.min()} to {timestep.max()}; expected numbers from 0 to {last}"
            )
        alpha = self.alphas_cumprod.to(timestep.device)[timestep.long()]
        return alpha.sqrt(), (1 - alpha).sqrt()

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix clean samples with noise: `signal * original + noise_rate * noise`.

        Args:
            original_samples: Clean samples, `(batch, ...)`.
            noise: Noise of deviation 1, shaped like `original_samples`.
            timesteps: Timesteps `(batch,)` or `(1,)`, integers from 0 to `num_train_timesteps - 1`.

        Returns:
            The noisy samples, in the dtype of `original_samples`.

        Raises:
            ValueError: A timestep is out of range, or samples or noise are not finite.
        """
        signal, noise_rate = self._rates_like(original_samples, timesteps)
        noisy = signal * original_samples + noise_rate * noise
        check_finite("the noisy sample", noisy, {"original_samples": original_samples, "noise": noise})
        return noisy

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return the training target of a velocity net, `signal * noise - noise_rate * sample`.

        Args:
            sample: Clean samples, `(batch, ...)`.
            noise: Noise that was mixed in, shaped like `sample`.
            timesteps: Timesteps `(batch,)` or `(1,)`, integers from 0 to `num_train_timesteps - 1`.

        Returns:
            Velocity, shaped like `sample`.

        Raises:
            ValueError: A timestep is out of range, or samples or noise are not finite.
        """
        signal, noise_rate = self._rates_like(sample, timesteps)
        velocity = signal * noise - noise_rate * sample
        check_finite("the velocity", velocity, {"sample": sample, "noise": noise})
        return velocity

    def _rates_like(self, sample: Tensor, timesteps: Tensor) -> list[Tensor]:
        rates = self.signal_and_noise_rates(timesteps.to(sample.device))
        return [rate.reshape(-1, *[1] * (sample.ndim - 1)).to(sample.dtype) for rate in rates]
