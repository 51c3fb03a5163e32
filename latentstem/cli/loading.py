"""Weights and devices by the names that the command line gives them."""

import json
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import latentstem
from latentstem.cli.errors import UsageError, one_line, require_extras

if TYPE_CHECKING:
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
"""What the folder of a published adapter holds."""
DEFAULT_TARGET = "bass"
"""What weights make that were saved before they said it."""
Adapter = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="What a fine-tuning has published, to go into the weights' U-Net."),
]
"""The option of the commands that take one."""


def load_pipeline(weights: str, adapter: Path | None = None) -> "StemAccompanimentPipeline":
    """Load shipped weights by name or a folder by path, and refuse files that do not hold every tensor.

    Args:
        weights: as given on the command line.
        adapter: likewise: folder of an adapter that goes into the U-Net.

    Raises:
        UsageError: unknown name, or a damaged, incomplete or mis-shaped folder; no adapter, a damaged one, one of
            another net, or peft is missing.
    """
    from diffusers.utils import logging
    from torch import nn

    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

    folder = _folder(weights)
    if not (folder / "model_index.json").is_file():
        for place in (folder, folder / "adapter"):
            if (place / ADAPTER_FILE).is_file():
                raise UsageError(
                    f"{folder}: holds an adapter, no whole weights; name those that it was trained beside (bass-gm if "
                    f"they are the shipped ones), and give --adapter {place}"
                )
        raise UsageError(f"{folder}: holds no model_index.json; expected a folder saved by save_pretrained")
    logging.set_verbosity(CRITICAL)  # what goes wrong is said below, in one line
    logging.disable_progress_bar()
    try:
        pipe = StemAccompanimentPipeline.from_pretrained(folder, local_files_only=True)
        for name, component in pipe.components.items():
            if not isinstance(component, nn.Module):
                continue
            # diffusers only warns of a missing tensor, and leaves such a layer at random values.
            if missing := sorted(component.state_dict().keys() - _stored_tensors(pipe, folder, name)):
                raise ValueError(f"{name} lacks {len(missing)} tensors, the first {missing[0]}")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{folder}: weights cannot be loaded: {type(error).__name__}: {reason[:200]}; fetch or save them again"
        ) from error
    if adapter is not None:
        _add_adapter(pipe, adapter)
    return pipe


def target_name(weights: str) -> str:
    """What weights make, by the name after which their stems are named: "bass" where they do not say it.

    Args:
        weights: as given on the command line.

    Raises:
        UsageError: there are no such weights, or their target is no name for a file.

    Example:
        >>> from latentstem.cli.loading import target_name
        >>> target_name("bass-gm")
        'bass'
    """
    from latentstem.pipelines.output import check_target

    file = _folder(weights) / "model_index.json"
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return DEFAULT_TARGET  # what is wrong with the folder is said when it is loaded
    target = index.get("target") if isinstance(index, dict) else None
    if not isinstance(target, str):
        return DEFAULT_TARGET
    try:
        check_target(target)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error
    return target


def _folder(weights: str) -> Path:
    folder = Path(weights)
    if folder.is_dir():
        return folder
    try:
        return Path(latentstem.pretrained_path(weights))
    except ValueError as error:
        raise UsageError(f"{error}; or give a folder that exists") from error


def _stored_tensors(pipe: "StemAccompanimentPipeline", folder: Path, name: str) -> set[str]:
    """Return the names of the tensors in a component's files, as the component calls them today."""
    from safetensors import safe_open

    renamed_weights = getattr(getattr(pipe, name), "_renamed_weights", {})
    earlier_names = [earlier for earlier, today in pipe._renamed_components.items() if today == name]
    stored: set[str] = set()
    for subfolder in (name, *earlier_names):
        for file in (folder / subfolder).glob("*.safetensors"):
            with safe_open(file, framework="pt") as tensors:
                stored.update(renamed_weights.get(tensor, tensor) for tensor in tensors.keys())  # noqa: SIM118
    return stored


def _add_adapter(pipe: "StemAccompanimentPipeline", folder: Path) -> None:
    if not (folder / ADAPTER_FILE).is_file():
        raise UsageError(f"{folder}: holds no {ADAPTER_FILE}; expected the folder `adapter` of a fine-tuning's output")
    require_extras("--adapter", "training", "peft")
    try:
        pipe.unet.load_lora_adapter(folder)
    except Exception as error:
        raise UsageError(
            f"{folder}: the adapter does not go into these weights: {type(error).__name__}: {one_line(error)[:200]}; "
            "give --weights those that it was trained beside"
        ) from error


def choose_device(name: str) -> str:
    """The device to compute on: `name` itself where it is there, the fastest that is there for "auto".

    Raises:
        UsageError: there is no such device here.

    Example:
        >>> from latentstem.cli.loading import choose_device
        >>> choose_device("cpu")
        'cpu'
    """
    import torch

    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if device in there)
    if name not in there:
        raise UsageError(f"device {name!r} is not there; expected auto or one of: {', '.join(there)}")
    return name
