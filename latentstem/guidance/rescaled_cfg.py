"""Classifier-free guidance with latent rescaling, as a diffusers guider: w and phi of arXiv 2402.01412, figure 2."""

import math
from typing import Any, Literal

from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.guidance.functional import classifier_free_guidance, rescale_std


class RescaledClassifierFreeGuidance(BaseGuidance):
    """Guides towards the condition and takes back the spread that this adds.

    A component that pipelines save and load, for diffusers' own pipelines with a guider too. Rescaling is not linear,
    so it matters what is rescaled: `space` tells the pipeline whether to hand over clean samples or raw model outputs.
    A pipeline that does not ask hands over model outputs.

    Args:
        guidance_scale: The weight w: 1 is the conditional prediction itself, and the net runs half as often.
        guidance_rescale: The share phi of the added spread that is taken back, 0 to 1.
        per_channel: Whether each channel is rescaled by itself, or all by one factor.
        space: What is combined, `"denoised"` for clean samples or `"output"` for the net's raw predictions.
        start: Share of the steps before which guidance is off.
        stop: Share of the steps after which guidance is off.
        enabled: False: always the conditional prediction.

    Raises:
        ValueError: a scale that is not finite, a rescaling outside 0 to 1, an unknown space, or a window out of order.

    Example:
        >>> import torch
        >>> guider = RescaledClassifierFreeGuidance(guidance_scale=3.0, guidance_rescale=0.5)
        >>> cond, uncond = torch.randn(2, 8, 16), torch.randn(2, 8, 16)
        >>> guider.forward(cond, uncond).pred.shape
        torch.Size([2, 8, 16])
        >>> guider.new(guidance_scale=1.0).forward(cond, uncond).pred is cond
        True
    """

    _input_predictions = ["pred_cond", "pred_uncond"]

    # Not decorated with register_to_config, which takes positional arguments for untouched defaults: `new` drops those.
    def __init__(
        self,
        guidance_scale: float = 4.0,
        guidance_rescale: float = 0.7,
        per_channel: bool = False,
        space: Literal["denoised", "output"] = "denoised",
        start: float = 0.0,
        stop: float = 1.0,
        enabled: bool = True,
    ):
        super().__init__(start, stop, enabled)
        if not math.isfinite(guidance_scale):
            raise ValueError(f"guidance_scale must be a finite number, got {guidance_scale}")
        if not 0 <= guidance_rescale <= 1:
            raise ValueError(f"guidance_rescale must be 0 to 1, got {guidance_rescale}")
        if space not in ("denoised", "output"):
            raise ValueError(f'space must be "denoised" or "output", got {space!r}')
        self.register_to_config(
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            per_channel=per_channel,
            space=space,
            start=start,
            stop=stop,
            enabled=enabled,
        )
        self.guidance_scale = guidance_scale
        self.guidance_rescale = guidance_rescale
        self.per_channel = per_channel
        self.space = space

    def prepare_inputs(self, data: dict[str, tuple[Any, Any]]) -> list[Any]:
        """Splits inputs given as pairs (with, without the condition) into one batch of inputs a branch."""
        return [
            self._prepare_batch(data, index, self._input_predictions[index]) for index in range(self.num_conditions)
        ]

    def prepare_inputs_from_block_state(self, data: Any, input_fields: dict[str, Any]) -> list[Any]:
        """The same for diffusers' modular pipelines, whose inputs are fields of a state."""
        return [
            self._prepare_batch_from_block_state(input_fields, data, index, self._input_predictions[index])
            for index in range(self.num_conditions)
        ]

    def forward(self, pred_cond: Tensor, pred_uncond: Tensor | None = None) -> GuiderOutput:
        """Combines the two predictions.

        Args:
            pred_cond: With the condition, `(batch, channels, frames)`.
            pred_uncond: Without it; not needed where `num_conditions` is 1.

        Returns:
            `pred`, and the two inputs.
        """
        if self.num_conditions == 1 or pred_uncond is None:
            return GuiderOutput(pred=pred_cond, pred_cond=pred_cond, pred_uncond=pred_uncond)
        pred = classifier_free_guidance(pred_cond, pred_uncond, self.guidance_scale)
        if self.guidance_rescale > 0:
            dim = -1 if self.per_channel else None
            pred = rescale_std(pred, pred_cond, self.guidance_rescale, dim)
        return GuiderOutput(pred=pred, pred_cond=pred_cond, pred_uncond=pred_uncond)

    @property
    def is_conditional(self) -> bool:
        """Whether the branch being prepared is the one with the condition."""
        return self._count_prepared == 1

    @property
    def num_conditions(self) -> int:
        """1 where the conditional prediction is the answer, else 2."""
        if not self._enabled or self.guidance_scale == 1:
            return 1
        if self._num_inference_steps is None:
            return 2
        first = int(self._start * self._num_inference_steps)
        end = int(self._stop * self._num_inference_steps)
        return 2 if first <= self._step < end else 1
