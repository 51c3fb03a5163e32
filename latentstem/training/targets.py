"""Several stems that one net learns to generate, told which by the global condition "target"."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from latentstem.conditioning.target import target_code
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.training.latents import LatentOptions, TrackCondition
from latentstem.training.unet_validation import UNetValidation

Settings = TypeVar("Settings", bound=LatentOptions)

_ERROR = "prediction_error"


def settings_of_targets(settings: Settings, targets: Mapping[str, Any] | None) -> dict[str, Settings]:
    """Return the settings under which the latents of each target are made.

    Args:
        settings: Settings of the training.
        targets: Names of the stems that the net learns, to the names of their files; None of a net for one stem.

    Returns:
        Names of the targets to settings whose `target` is the name of its files; of a net for one stem, its own.

    Raises:
        ValueError: `settings.target` is not one of the targets, or one is not the name of files.
    """
    if targets is None:
        return {settings.target: settings}
    if settings.target not in targets or not all(isinstance(stem, str) for stem in targets.values()):
        raise ValueError(
            f"got the targets {targets} and target {settings.target!r}; expected names of files by target, "
            f'and one of the targets, e.g. --targets \'{{"bass": "bass", "drums": "drums"}}\' --target drums'
        )
    return {name: replace(settings, target=stem) for name, stem in targets.items()}


def target_condition(target: str, targets: Mapping[str, Any] | None) -> dict[str, TrackCondition]:
    """Return the condition that tells a net which stem to generate.

    Args:
        target: Name of the stem.
        targets: Names of all stems that the net learns; None of a net for one, which is not told.

    Returns:
        The function that makes the condition, by its name.

    Example:
        >>> target_condition("drums", {"bass": "bass", "drums": "drums"})["target"](None, 10)
        tensor([0., 1.])
    """
    if targets is None:
        return {}
    code = target_code(target, list(targets))
    return {"target": lambda track, frames: code}


def validate_targets(
    validations: Mapping[str, UNetValidation], unet: StemUNet1DModel, preview: Path
) -> dict[str, float]:
    """Validate a net on each of its targets.

    Args:
        validations: Validations by target.
        unet: Net in evaluation mode.
        preview: Path of the files of the preview, without a suffix; with several targets their names follow.

    Returns:
        The metrics of the one target; of several those of each, behind its name, and the mean `prediction_error`.
    """
    if len(validations) < 2:
        return {name: value for validation in validations.values() for name, value in validation(unet, preview).items()}
    found = {
        target: validation(unet, preview.with_name(f"{preview.name}-{target}"))
        for target, validation in validations.items()
    }
    metrics = {f"{target}_{name}": value for target, own in found.items() for name, value in own.items()}
    errors = [own[_ERROR] for own in found.values() if _ERROR in own]
    return metrics | ({_ERROR: round(float(np.mean(errors)), 4)} if errors else {})
