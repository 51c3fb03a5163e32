"""Guidance that a net has learned: its weight is a condition of the net (Meng et al. 2023, arXiv 2210.03142)."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_flags, check_number, short
from latentstem.guidance.functional import STRONGEST

GUIDANCE = "guidance"
"""Name of the net's global condition that tells the weight."""


def guidance_condition(scales: Tensor) -> Tensor:
    """Return the vectors by which a net is told weights of guidance.

    Args:
        scales: Weights of guidance, `(batch,)`.

    Returns:
        The global condition "guidance", `(batch, 1)`: 0 where nothing is added to the conditional prediction.

    Example:
        >>> guidance_condition(torch.tensor([1.0, 5.0])).tolist()
        [[0.0], [1.0]]
    """
    return (scales[:, None] - 1.0) / 4.0


class DistilledGuidance(BaseGuidance):
    """Guide in one evaluation of a net that was trained to predict what guidance makes of its teacher's predictions.

    The first of the two stages of "On Distillation of Guided Diffusion Models" (Meng et al. 2023, arXiv 2210.03142,
    section 3.1), as `latentstem train unet --teacher` trains it: the weight is the net's global condition "guidance".
    All conditions are weighed together, and how much is rescaled was settled in training.

    A component that pipelines save and load in place of `RescaledClassifierFreeGuidance`, which a net that has learned
    its guidance still serves: that guider does not tell the weight, and the net predicts as it did before.

    Args:
        guidance_scale: Weight w of the conditions, 1 to `strongest`; 1 is the conditional prediction.
        strongest: Greatest weight that the net has learned.
        enabled: Whether to guide; False always returns the conditional prediction.

    Raises:
        ValueError: The scale is not among those that the net has learned.

    Example:
        >>> guider = DistilledGuidance(guidance_scale=3.0)
        >>> guider.net_conditions(2, torch.device("cpu"))
        {'guidance': tensor([[0.5000],
                [0.5000]])}
        >>> prediction = torch.randn(2, 8, 16)
        >>> guider.forward(prediction).pred is prediction
        True
    """

    _input_predictions = ["pred_cond"]

    # Not decorated with register_to_config, which takes positional arguments for untouched defaults: `new` drops those.
    def __init__(self, guidance_scale: float = 4.0, strongest: float = 6.0, enabled: bool = True):
        check_flags(enabled=enabled)
        check_number(1, STRONGEST, strongest=strongest)
        check_number(0, STRONGEST, guidance_scale=guidance_scale)
        if not 1 <= guidance_scale <= strongest:
            raise ValueError(
                f"got guidance_scale={short(guidance_scale)}, and the net has learned 1 to {strongest}; give one of "
                "these, or guide with RescaledClassifierFreeGuidance, which evaluates the net twice a step"
            )
        super().__init__(enabled=enabled)
        self.register_to_config(guidance_scale=guidance_scale, strongest=strongest, enabled=enabled)
        self.guidance_scale = guidance_scale
        self.strongest = strongest

    def net_conditions(self, batch: int, device: torch.device) -> dict[str, Tensor]:
        """Return what the net is told at this step, to be given with the other conditions.

        Args:
            batch: Number of items.
            device: Device of the net.

        Returns:
            The global condition "guidance", `(batch, 1)`; nothing where guidance is off.
        """
        if not self._enabled:
            return {}
        return {GUIDANCE: guidance_condition(torch.full((batch,), float(self.guidance_scale), device=device))}

    def prepare_conditions(self, names: Sequence[str]) -> list[Any]:
        """Return the one evaluation of the net, with all conditions.

        Args:
            names: Names of the conditions that are given.

        Returns:
            One batch of inputs, whose attribute `kept` is the set of names.
        """
        return [self._prepare_batch({"kept": (frozenset(names),)}, 0, "pred_cond")]  # pyright: ignore[reportArgumentType]

    def forward(self, pred_cond: Tensor) -> GuiderOutput:
        """Return the prediction, which is guided already.

        Args:
            pred_cond: Prediction of the net, `(batch, channels, frames)`.

        Raises:
            ValueError: The prediction is not finite, where no gradient is recorded.
        """
        check_finite("the prediction", pred_cond, {"pred_cond": pred_cond})
        return GuiderOutput(pred=pred_cond, pred_cond=pred_cond)

    @property
    def is_conditional(self) -> bool:
        """Whether the branch being prepared is the one with the condition."""
        return True

    @property
    def num_conditions(self) -> int:
        """Number of evaluations of the net at a step."""
        return 1
