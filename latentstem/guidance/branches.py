"""Branches of guidance: which conditions each evaluation of the net keeps, for our guiders and diffusers' own."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.guiders.guider_utils import BaseGuidance
from torch import Tensor, nn

from latentstem._diffusers import make_skippable


def guidance_branches(guider: BaseGuidance, names: Sequence[str]) -> list[Any]:
    """Return the evaluations of the net that a guider needs at this step.

    Args:
        guider: Guider with its state set to the step. A method `prepare_conditions` returns the conditions that each
            evaluation keeps; a guider without one is given the pair of all conditions and none.
        names: Names of the conditions that are given.

    Returns:
        One branch an evaluation, whose attribute `kept` is the set of names that it keeps, and whose `noise_pred` is to
        be set for the guider's call.

    Example:
        >>> from diffusers import ClassifierFreeGuidance
        >>> guider = ClassifierFreeGuidance(guidance_scale=3.0)
        >>> guider.set_state(step=0, num_inference_steps=8, timestep=torch.tensor(999))
        >>> [sorted(branch.kept) for branch in guidance_branches(guider, ["mix"])]
        [['mix'], []]
    """
    if hasattr(guider, "prepare_conditions"):
        return guider.prepare_conditions(names)
    pair: Any = {"kept": (frozenset(names), frozenset())}
    return guider.prepare_inputs(pair)


def dropped_in(branch: Any, conditions: dict[str, Tensor], dropped: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the masks of the conditions for one branch.

    Args:
        branch: Branch that `guidance_branches` returned.
        conditions: All conditions that are given, by name.
        dropped: Masks of what is dropped in every branch, by name.

    Returns:
        Mask of every condition, by name: all true for those that the branch does not keep.

    Example:
        >>> from types import SimpleNamespace
        >>> conditions = {"mix": torch.zeros(2, 4, 9), "style": torch.zeros(2, 3)}
        >>> dropped_in(SimpleNamespace(kept={"style"}), conditions, {})
        {'mix': tensor([True, True]), 'style': tensor([False, False])}
    """
    masks = {}
    for name, value in conditions.items():
        mask = dropped.get(name, torch.zeros(len(value), dtype=torch.bool, device=value.device))
        masks[name] = mask if name in branch.kept else torch.ones_like(mask)
    return masks


def changes_net(guider: BaseGuidance) -> bool:
    """Return whether a guider changes the net between branches, which must then be evaluated one by one.

    Example:
        >>> from diffusers import ClassifierFreeGuidance, LayerSkipConfig, SkipLayerGuidance
        >>> skipping = SkipLayerGuidance(skip_layer_config=LayerSkipConfig(indices=[0], fqn="mid_block.resnets"))
        >>> changes_net(skipping), changes_net(ClassifierFreeGuidance())
        (True, False)
    """
    return type(guider).prepare_models is not BaseGuidance.prepare_models


@contextmanager
def changed_net(guider: BaseGuidance, net: nn.Module, branch: Any, earlier: Sequence[Any]) -> Iterator[None]:
    """Change the net as a guider asks for a branch, within the context.

    Args:
        guider: Guider whose `prepare_models` and `cleanup_models` are called.
        net: Denoiser; guiders find its blocks by name, such as `fqn="mid_block.attentions"`.
        branch: Branch about to be evaluated.
        earlier: Branches of this step that were evaluated before.

    Raises:
        ValueError: The branch should differ from the others by a change of the net, and there is none, so that the
            guider would be without effect.
    """
    blocks = {type(block) for stack in net.modules() if isinstance(stack, nn.ModuleList) for block in stack}
    make_skippable(*(block for block in blocks if "hidden_states" in inspect.signature(block.forward).parameters))
    before = _hooks(net)
    guider.prepare_models(net)
    try:
        role = getattr(branch, BaseGuidance._identifier_key)
        by_net = role not in ("pred_cond", "pred_uncond") or any(branch.kept == other.kept for other in earlier)
        if by_net and _hooks(net) == before:
            raise ValueError(
                f"{type(guider).__name__} finds nothing in {type(net).__name__} that it can change, so it would be "
                "without effect; use SkipLayerGuidance with LayerSkipConfig(indices, fqn) and the name of a list of "
                'blocks, such as fqn="mid_block.attentions", or ClassifierFreeGuidance'
            )
        yield
    finally:
        guider.cleanup_models(net)


def _hooks(net: nn.Module) -> set[tuple[str, str]]:
    """Return the names of diffusers' hooks on the modules of a net."""
    found = set()
    for name, module in net.named_modules():
        registry = getattr(module, "_diffusers_hook", None)
        found |= {(name, hook) for hook in getattr(registry, "hooks", {})}
    return found
