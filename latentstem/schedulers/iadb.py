"""Iterative alpha-(de)blending (Heitz, Belcour & Chambon 2023, arXiv 2305.03486), by Runge-Kutta methods.

A blend of noise and data, `x = r * noise + (1 - r) * data`, is moved from noise (r = 1) to data (r = 0) along the
ordinary differential equation `dx/dr = E[noise - data | x]`. The paper samples by Euler's method with the blending
parameter `alpha = 1 - r`, and its net predicts `data - noise`. Here, as in diffusers' flow matching, the net predicts
`noise - data`, so that one net serves this scheduler and those.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import MOST_TIMESTEPS, check_whole, short


@dataclass
class IADBSchedulerOutput(BaseOutput):
    """Output of `IADBScheduler.step`.

    Attributes:
        prev_sample: Sample at the next timestep, to be given to the net again.
        pred_original_sample: The clean sample that the model output stands for.
    """

    prev_sample: Tensor
    pred_original_sample: Tensor


class _Method(NamedTuple):
    """An explicit Runge-Kutta method whose every evaluation starts from the slope of the evaluation before it."""

    nodes: tuple[float, ...]  # where in the step each evaluation lies, from 0 to 1
    weights: tuple[float, ...]  # of the slopes in the slope of the whole step


_EULER = _Method((0.0,), (1.0,))
_MIDPOINT = _Method((0.0, 1 / 2), (0.0, 1.0))
_HEUN = _Method((0.0, 1.0), (1 / 2, 1 / 2))
_HEUN_THIRD_ORDER = _Method((0.0, 1 / 3, 2 / 3), (1 / 4, 0.0, 3 / 4))
_RK4 = _Method((0.0, 1 / 2, 1 / 2, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6))

_METHODS = {"euler": _EULER, "midpoint": _MIDPOINT, "heun": _HEUN, "rk4": _RK4}

# Where no noise is left the clean sample is the sample itself, whatever the net says, and guidance and hooks on clean
# samples have no effect. So the step that arrives there takes a method that does not evaluate its end. A lower order of
# one step, by one, leaves the order of the whole run as it is.
_LAST_METHODS = {**_METHODS, "heun": _MIDPOINT, "rk4": _HEUN_THIRD_ORDER}

_NOISE_RATE_AT_DATA = 1e-3
"""Noise rate that stands for 0 in the coefficients of the clean sample.

Inversion evaluates the net where no noise is left; with a factor of 0 its output could not be had back from the clean
sample. Large enough that float32 keeps four digits of the output, small enough that the sample is still the clean one.
"""


class _Evaluation(NamedTuple):
    """An evaluation of the net within a step."""

    noise_rate: float
    begins: bool  # whether it is the first of its step
    ends: bool  # whether it is the last of its step
    weight: float  # of its slope in the slope of the whole step
    advance: float  # change of the noise rate from the beginning of the step to the sample that follows


class IADBScheduler(SchedulerMixin, ConfigMixin):
    """Deterministic sampling along straight blends of noise and data, and its inversion from data to noise.

    The net is one of flow matching: it predicts `noise - data` (negate the output of a net that was trained by the
    authors' code). A timestep is the share of noise in the sample times `num_train_timesteps`.

    A step of `"midpoint"` or `"heun"` evaluates the net twice, one of `"rk4"` four times. `timesteps` lists every
    evaluation, and each is followed by one call of `step`, so that the usual loop needs no change; the last step of
    `"rk4"` has three.

    Args:
        num_train_timesteps: Timestep at which a sample is noise alone.
        solver: Method that integrates the equation: `"euler"`, as published, `"midpoint"`, `"heun"` or `"rk4"`. With n
            steps their errors shrink as 1/n, 1/n^2, 1/n^2 and 1/n^4.

    Raises:
        ValueError: The solver is none of the four, or `num_train_timesteps` is below 1.

    Example:
        >>> import torch
        >>> scheduler = IADBScheduler(solver="heun")
        >>> scheduler.set_timesteps(2)
        >>> scheduler.timesteps
        tensor([1024.,  512.,  512.,  256.])
        >>> data, sample = torch.full((1, 3), 5.0), torch.randn(1, 3)
        >>> for timestep in scheduler.timesteps:
        ...     noise_minus_data = (sample - data) * 1024 / timestep  # as a net would predict that knows the data
        ...     sample = scheduler.step(noise_minus_data, timestep, sample).prev_sample
        >>> torch.allclose(sample, data, atol=1e-5)
        True
    """

    init_noise_sigma = 1.0

    @register_to_config
    def __init__(self, num_train_timesteps: int = 1024, solver: Literal["euler", "midpoint", "heun", "rk4"] = "euler"):
        if not isinstance(solver, str) or solver not in _METHODS:
            raise ValueError(f"solver must be euler, midpoint, heun or rk4, got {short(solver)}")
        check_whole(1, MOST_TIMESTEPS, num_train_timesteps=num_train_timesteps)
        self.num_inference_steps: int | None = None
        self.timesteps = torch.arange(num_train_timesteps, 0, -1, dtype=torch.float32)
        self._evaluations: list[_Evaluation] = []
        self._begin_index: int | None = None
        self._step_index: int | None = None
        self._start: Tensor | None = None  # sample at the beginning of the step
        self._slope: Tensor | float = 0.0  # weighted sum of the slopes of the step so far

    def __len__(self) -> int:
        return self.config["num_train_timesteps"]

    @property
    def order(self) -> int:
        """Evaluations of the net a step, by which pipelines find the timestep of a step: `timesteps[order * step]`."""
        return len(_METHODS[self.config["solver"]].nodes)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        sigmas: Sequence[float] | None = None,
        invert: bool = False,
    ) -> None:
        """Choose the timesteps of a run and begin it.

        Args:
            num_inference_steps: Number of steps, evenly spaced from noise to data; None takes that of `sigmas`.
            device: Device of `timesteps`; None is the CPU.
            sigmas: Noise rates at which the steps begin in place of even ones, descending, in (0, 1]; the last step
                ends at data.
            invert: Whether to run the other way, from data to noise, over the same noise rates.

        Raises:
            ValueError: The number of steps is below 1 or not that of `sigmas`, or `sigmas` do not descend within (0,
                1].

        Example:
            >>> scheduler = IADBScheduler()
            >>> scheduler.set_timesteps(4, invert=True)
            >>> scheduler.timesteps
            tensor([  0., 256., 512., 768.])
        """
        if sigmas is None:
            if num_inference_steps is None or num_inference_steps < 1:
                raise ValueError(f"num_inference_steps must be 1 or more, got {num_inference_steps}")
            sigmas = [1 - step / num_inference_steps for step in range(num_inference_steps)]
        rates = [*map(float, sigmas), 0.0]
        if num_inference_steps not in (None, len(sigmas)) or len(rates) < 2 or not _descend(rates):
            raise ValueError(
                f"got {len(sigmas)} sigmas for num_inference_steps={num_inference_steps}: {list(sigmas)[:8]}, expected "
                "one a step, descending, above 0 and at most 1"
            )
        methods = [_METHODS[self.config["solver"]]] * len(sigmas)
        if invert:
            rates.reverse()
        else:
            methods[-1] = _LAST_METHODS[self.config["solver"]]
        self._evaluations = [
            evaluation
            for method, (start, end) in zip(methods, itertools.pairwise(rates), strict=True)
            for evaluation in _evaluations(method, start, end)
        ]
        visited = [evaluation.noise_rate * len(self) for evaluation in self._evaluations]
        self.timesteps = torch.tensor(visited, dtype=torch.float32, device=device)
        self.num_inference_steps = len(sigmas)
        self._begin_index = self._step_index = self._start = None

    @property
    def step_index(self) -> int | None:
        """Index in `timesteps` of the next call of `step`; None before the first."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """Index in `timesteps` at which the run begins; None where it has not been set."""
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say where in `timesteps` the run begins, as for variations of a sample.

        Args:
            begin_index: Index in `timesteps`, one at which a step begins.

        Raises:
            ValueError: No step begins at the index.
        """
        if not 0 <= begin_index < len(self._evaluations) or not self._evaluations[begin_index].begins:
            raise ValueError(
                f"no step begins at index {begin_index} of the {len(self._evaluations)} timesteps; call set_timesteps "
                f"first and pass a multiple of scheduler.order, which is {self.order}"
            )
        self._begin_index = begin_index

    def index_for_timestep(self, timestep: int | float | Tensor) -> int:
        """Return the index in `timesteps` of the step that begins at a timestep.

        Args:
            timestep: Timestep at which a step begins.

        Returns:
            The index.

        Raises:
            ValueError: No step begins at the timestep.
        """
        for index in (self.timesteps.cpu() == float(timestep)).nonzero().flatten().tolist():
            if index < len(self._evaluations) and self._evaluations[index].begins:
                return index
        raise ValueError(
            f"no step begins at timestep {float(timestep):g}; call set_timesteps first and pass its timesteps in order"
        )

    def scale_model_input(self, sample: Tensor, timestep: int | float | Tensor | None = None) -> Tensor:
        """Return the sample as it is; other schedulers scale it here."""
        return sample

    def step(
        self, model_output: Tensor, timestep: int | float | Tensor, sample: Tensor, return_dict: bool = True
    ) -> IADBSchedulerOutput | tuple[Tensor, Tensor]:
        """Take in one evaluation of the net and return the next sample to evaluate it on.

        Within a step of several evaluations, the sample that the step began with is remembered. So the calls must
        follow `timesteps` in order.

        Args:
            model_output: Output of the net, `noise - data`, shaped like `sample`.
            timestep: Timestep of the sample, the next of `timesteps`.
            sample: Sample that the net was given.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            `prev_sample` and `pred_original_sample`.

        Raises:
            ValueError: `timestep` is not the next of those chosen with `set_timesteps`.
        """
        if self._step_index is None:
            self._step_index = self.index_for_timestep(timestep) if self._begin_index is None else self._begin_index
        if self._step_index == len(self._evaluations) or self.timesteps[self._step_index] != float(timestep):
            expected = self.timesteps[self._step_index :][:1].tolist() or "none: the run is over"
            raise ValueError(
                f"got timestep {float(timestep):g}, expected {expected}; call step once for each of timesteps, in "
                "order, and set_timesteps before every run"
            )
        evaluation = self._evaluations[self._step_index]
        if evaluation.begins:
            self._start, self._slope = sample, 0.0
        assert self._start is not None  # a run begins where a step does
        self._slope = self._slope + evaluation.weight * model_output
        slope = self._slope if evaluation.ends else model_output
        previous = self._start + evaluation.advance * slope
        original = sample - evaluation.noise_rate * model_output
        self._step_index += 1
        if not return_dict:
            return previous, original
        return IADBSchedulerOutput(prev_sample=previous, pred_original_sample=original)

    def signal_and_noise_rates(self, timestep: int | float | Tensor) -> tuple[Any, Any]:
        """Return the factors of clean sample and noise in the noisy sample; they sum to 1.

        Args:
            timestep: Timesteps from 0 to `num_train_timesteps`, of any shape.

        Returns:
            Signal rates and noise rates: numbers for a number, else float32 tensors shaped like `timestep`.
        """
        timestep = timestep.float() if isinstance(timestep, Tensor) else timestep
        noise_rate = timestep / len(self)
        return 1 - noise_rate, noise_rate

    def denoised_coefficients(self, timestep: int | float | Tensor) -> tuple[float, float]:
        """Return the factors of noisy sample and model output in the clean sample, 1 and minus the noise rate.

        At timestep 0 the second is -0.001 and not 0: inversion can then take the output back from the clean sample.

        Args:
            timestep: Timestep from 0 to `num_train_timesteps`.

        Returns:
            The two factors.
        """
        return 1.0, -(float(timestep) / len(self) or _NOISE_RATE_AT_DATA)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Blend clean samples with noise: `(1 - r) * original + r * noise`.

        Args:
            original_samples: Clean samples, `(batch, ...)`.
            noise: Noise of deviation 1, shaped like `original_samples`.
            timesteps: Timesteps `(batch,)` or `(1,)`, from 0 to `num_train_timesteps`.

        Returns:
            The noisy samples, in the dtype of `original_samples`.
        """
        _, noise_rate = self.signal_and_noise_rates(timesteps.to(original_samples.device))
        noise_rate = noise_rate.reshape(-1, *[1] * (original_samples.ndim - 1)).to(original_samples.dtype)
        return (1 - noise_rate) * original_samples + noise_rate * noise


def _descend(rates: Sequence[float]) -> bool:
    """Return whether noise rates descend strictly from at most 1; false where one is NaN."""
    return rates[0] <= 1 and all(before > after for before, after in itertools.pairwise(rates))


def _evaluations(method: _Method, start: float, end: float) -> list[_Evaluation]:
    """List the evaluations of one step of a method between two noise rates."""
    last = len(method.nodes) - 1
    return [
        _Evaluation(
            noise_rate=start + node * (end - start),
            begins=index == 0,
            ends=index == last,
            weight=weight,
            advance=end - start if index == last else method.nodes[index + 1] * (end - start),
        )
        for index, (node, weight) in enumerate(zip(method.nodes, method.weights, strict=True))
    ]
