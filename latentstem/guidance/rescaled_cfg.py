"""Classifier-free guidance with latent rescaling (w and phi of arXiv 2402.01412, figure 2), as a diffusers guider."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_flags, check_number, short
from latentstem.guidance.functional import STRONGEST, classifier_free_guidance, rescale_std


class RescaledClassifierFreeGuidance(BaseGuidance):
    """Guide towards the conditions and reduce the standard deviation that this adds.

    Conditions that `condition_scales` names have weights of their own. They are added one after the other to those that
    it does not name, and each difference is weighted (as in InstructPix2Pix, Brooks et al. 2023, arXiv 2211.09800,
    eq. 3): `none + w (rest - none) + w_1 (rest+1 - rest) + w_2 (rest+1+2 - rest+1)`, an evaluation of the net for each
    set of conditions. Neighbours of equal weight take one together.

    A component that pipelines save and load, for diffusers' own pipelines with a guider too. Rescaling is not linear,
    so it matters what is rescaled: by `space` a pipeline knows whether to give clean samples or raw model outputs.
    A pipeline that does not read it gives model outputs.

    Args:
        guidance_scale: Weight w of the conditions: 1 is the conditional prediction itself, and the net runs half as
            often.
        condition_scales: Weights of single conditions, by name; the others have `guidance_scale`, all together.
        guidance_rescale: Fraction phi of the added standard deviation that is removed, 0 to 1.
        per_channel: Whether each channel is rescaled by itself, or all by one factor.
        space: Space in which predictions are combined, `"denoised"` for clean samples or `"output"` for the net's raw
            predictions.
        start: Fraction of the steps before which guidance is off.
        stop: Fraction of the steps after which guidance is off.
        enabled: Whether to guide; False always returns the conditional prediction.

    Raises:
        ValueError: A scale is not between -1000 and 1000, the rescaling outside 0 to 1, the space unknown, or the
            window out of order.

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
        condition_scales: Mapping[str, float] | None = None,
    ):
        check_number(0, 1, start=start, stop=stop, guidance_rescale=guidance_rescale)
        if not start <= stop or start == 1:
            raise ValueError(f"got start={start} and stop={stop}; expected 0 <= start <= stop <= 1, and start below 1")
        check_flags(enabled=enabled, per_channel=per_channel)
        check_number(0, STRONGEST, guidance_scale=guidance_scale)
        if not isinstance(condition_scales, Mapping | None):
            raise ValueError(f"got condition_scales={short(condition_scales)}; expected numbers by names of conditions")
        for name, scale in (condition_scales or {}).items():
            check_number(-STRONGEST, STRONGEST, **{f"condition_scales[{name!r}]": scale})
        super().__init__(start, stop, enabled)
        if space not in ("denoised", "output"):
            raise ValueError(f'space must be "denoised" or "output", got {short(space)}')
        self.register_to_config(
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            per_channel=per_channel,
            space=space,
            start=start,
            stop=stop,
            enabled=enabled,
            condition_scales=dict(condition_scales or {}),
        )
        self.guidance_scale = guidance_scale
        self.guidance_rescale = guidance_rescale
        self.per_channel = per_channel
        self.space = space
        self.condition_scales = dict(condition_scales or {})
        self._steps: list[tuple[frozenset[str], float]] | None = None

    def set_state(self, step: int, num_inference_steps: int, timestep: Any) -> None:
        """Begin a step of the sampling run."""
        super().set_state(step, num_inference_steps, timestep)
        self._steps = None

    def prepare_conditions(self, names: Sequence[str]) -> list[Any]:
        """Return which conditions each evaluation of the net keeps.

        Args:
            names: Names of the conditions that are given.

        Returns:
            One batch of inputs a branch, whose attribute `kept` is a set of names: all of them first, then none, then
            the sets between.
        """
        self._steps = self._weighted_sets(names)
        *between, (everything, _) = self._steps
        sets = {"pred_cond": everything}
        if self._steps[0][1] != 1:
            sets["pred_uncond"] = frozenset()
        sets |= {f"pred_{index}": kept for index, (kept, _) in enumerate(between, start=1)}
        return [self._prepare_batch({"kept": (kept,)}, 0, name) for name, kept in sets.items()]  # pyright: ignore[reportArgumentType]

    def _weighted_sets(self, names: Sequence[str]) -> list[tuple[frozenset[str], float]]:
        """Return growing sets of conditions, each with the weight of its difference from the set before."""
        if not self._is_active:
            return [(frozenset(names), 1.0)]
        rest = [name for name in names if name not in self.condition_scales]
        added = [(rest, self.guidance_scale)] if rest else []
        added += [([name], scale) for name, scale in self.condition_scales.items() if name in names]
        sets: list[tuple[frozenset[str], float]] = []
        for more, scale in added or [([], 1.0)]:
            kept = frozenset(more) | (sets[-1][0] if sets else frozenset())
            if sets and sets[-1][1] == scale:
                sets.pop()
            sets.append((kept, scale))
        return sets

    def prepare_inputs(self, data: dict[str, tuple[Any, Any]]) -> list[Any]:
        """Split inputs given as pairs (with, without the condition) into one batch of inputs a branch."""
        return [
            self._prepare_batch(data, index, self._input_predictions[index]) for index in range(self.num_conditions)
        ]

    def prepare_inputs_from_block_state(self, data: Any, input_fields: dict[str, Any]) -> list[Any]:
        """Split the inputs of diffusers' modular pipelines, which are fields of a state, into one batch a branch."""
        return [
            self._prepare_batch_from_block_state(input_fields, data, index, self._input_predictions[index])
            for index in range(self.num_conditions)
        ]

    def forward(self, pred_cond: Tensor, pred_uncond: Tensor | None = None, **between: Tensor) -> GuiderOutput:
        """Combine the predictions.

        Args:
            pred_cond: Prediction with all conditions, `(batch, channels, frames)`.
            pred_uncond: Prediction without any condition; not needed where the first weight is 1.
            **between: Predictions with a part of the conditions, from fewer to more, where `condition_scales` weighs
                them.

        Returns:
            Guided prediction `pred`, with `pred_cond` and `pred_uncond`.

        Raises:
            ValueError: A prediction is not finite, where no gradient is recorded.
        """
        given = {"pred_cond": pred_cond, "pred_uncond": pred_uncond, **between}
        if self.num_conditions == 1 or (pred_uncond is None and not between):
            check_finite("the prediction", pred_cond, given)
            return GuiderOutput(pred=pred_cond, pred_cond=pred_cond, pred_uncond=pred_uncond)
        scales = [scale for _, scale in self._steps or [(None, self.guidance_scale)]]
        predictions = [*between.values(), pred_cond]
        before = predictions[0] if pred_uncond is None else pred_uncond
        pred = classifier_free_guidance(predictions[0], before, scales[0])
        for fewer, more, scale in zip(predictions, predictions[1:], scales[1:], strict=False):
            pred = pred + scale * (more - fewer)
        if self.guidance_rescale > 0:
            dim = -1 if self.per_channel else None
            pred = rescale_std(pred, pred_cond, self.guidance_rescale, dim)
        check_finite("the guided prediction", pred, given)
        return GuiderOutput(pred=pred, pred_cond=pred_cond, pred_uncond=pred_uncond)

    @property
    def is_conditional(self) -> bool:
        """Whether the branch being prepared is the one with the condition."""
        return self._count_prepared == 1

    @property
    def num_conditions(self) -> int:
        """Number of evaluations of the net at this step: 1 where the conditional prediction is the result."""
        if self._steps is not None:
            return len(self._steps) + (self._steps[0][1] != 1)
        return 2 if self._is_active and self.guidance_scale != 1 else 1

    @property
    def _is_active(self) -> bool:
        if not self._enabled or self._num_inference_steps is None:
            return self._enabled
        first = int(self._start * self._num_inference_steps)
        return first <= self._step < int(self._stop * self._num_inference_steps)
