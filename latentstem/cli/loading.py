"""Load weights and choose a device by the names that the command line gives them."""

import json
import warnings
from collections.abc import Sequence
from contextlib import suppress
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import latentstem
from latentstem._shipped import shared_components, weights_folder
from latentstem.cli.errors import UsageError, one_line, require_extras

if TYPE_CHECKING:
    from latentstem.pipelines.bassnet import BassNetPipeline
    from latentstem.pipelines.loop import LoopPipeline
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
"""File in the folder of a published adapter."""
DEFAULT_TARGET = "bass"
"""Target of weights that were saved before they named it."""
_COMMANDS = {"StemAccompanimentPipeline": "accompany", "BassNetPipeline": "bassnet", "LoopPipeline": "loop"}
Adapter = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder of a fine-tuned adapter, to be loaded into the denoiser of the weights.",
        rich_help_panel="Expert",
    ),
]
"""Option of the commands that take an adapter."""


def load_pipeline(weights: str, adapter: Path | None = None) -> "StemAccompanimentPipeline":
    """Load shipped weights by name or a folder by path, and refuse files that do not hold every tensor.

    Args:
        weights: Name of shipped weights, or folder of saved ones.
        adapter: Folder of an adapter that goes into the U-Net; None loads none.

    Raises:
        UsageError: The name is unknown; the folder is damaged, incomplete or of another shape; the adapter is missing,
            damaged or of another net; or peft is not installed.
    """
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

    folder = _folder(weights)
    if not (folder / "model_index.json").is_file():
        for candidate in (folder, folder / "adapter"):
            if (candidate / ADAPTER_FILE).is_file():
                raise UsageError(
                    f"{folder}: holds an adapter, no whole weights; name the weights that it was trained for (bass "
                    f"if they are the shipped ones), and give --adapter {candidate}"
                )
    pipe = _load(StemAccompanimentPipeline, folder)
    if adapter is not None:
        add_adapters(pipe, [adapter])
    return pipe


def load_bassnet(weights: str) -> "BassNetPipeline":
    """Load a BassNet as `load_pipeline` loads other weights.

    Args:
        weights: Name of shipped weights, or folder of saved ones.

    Raises:
        UsageError: The name is unknown, or the folder is damaged, incomplete or of another shape.
    """
    from latentstem.pipelines.bassnet import BassNetPipeline

    return _load(BassNetPipeline, _folder(weights))


def load_loops(weights: str, beside: "StemAccompanimentPipeline | None" = None) -> "LoopPipeline":
    """Load a pipeline of loops as `load_pipeline` loads other weights.

    Args:
        weights: Name of shipped weights, or folder of saved ones.
        beside: Pipeline whose codec is taken where the loops share that of its weights, and not loaded once more.

    Raises:
        UsageError: The name is unknown, or the folder is damaged, incomplete or of another shape.
    """
    from latentstem.pipelines.loop import LoopPipeline

    folder, components = _folder(weights), {}
    if beside is not None:
        own = Path(str(beside.config.get("_name_or_path")))
        with suppress(OSError, ValueError, AttributeError):  # loading the folder reports what is wrong with it
            shared = shared_components(folder)
            components = {name: getattr(beside, name) for name, codec in shared.items() if codec.parent == own}
    return _load(LoopPipeline, folder, **components)


def _load(pipeline: Any, folder: Path, **components: Any) -> Any:
    from diffusers.utils import logging
    from torch import nn

    if not (folder / "model_index.json").is_file():
        raise UsageError(f"{folder}: holds no model_index.json; expected a folder saved by save_pretrained")
    try:
        kind = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError):
        kind = None  # loading the folder reports what is wrong with it
    if isinstance(kind, str) and kind in _COMMANDS and kind != pipeline.__name__:
        raise UsageError(f"{folder}: holds a {kind}; these are weights for `latentstem {_COMMANDS[kind]}`")
    logging.set_verbosity(CRITICAL)  # errors are reported below, in one line
    logging.disable_progress_bar()
    try:
        pipe = pipeline.from_pretrained(folder, local_files_only=True, **components)
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
    return pipe


def target_name(weights: str, chosen: str | None = None) -> str:
    """Return the name of the stem that weights generate, after which files are named; "bass" where they name none.

    Args:
        weights: Name of shipped weights, or folder of saved ones.
        chosen: Name of the stem that is asked for; None is the one that they generate by default.

    Raises:
        UsageError: There are no such weights, they do not generate what is asked for, or no file could be named after
            it.

    Example:
        >>> from latentstem.cli.loading import target_name
        >>> target_name("bass")
        'bass'
    """
    from latentstem.pipelines.output import check_target

    file = _folder(weights) / "model_index.json"
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        index = None  # loading the folder reports what is wrong with it
    own, targets = (index.get("target"), index.get("targets")) if isinstance(index, dict) else (None, None)
    own = own if isinstance(own, str) else DEFAULT_TARGET
    known = targets if isinstance(targets, list) else [own]
    if chosen is not None and chosen not in known:
        raise UsageError(f"got --target {chosen}, and the weights {weights} generate {', '.join(map(str, known))}")
    target = chosen or own
    try:
        check_target(target)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error
    return target


def _folder(weights: str) -> Path:
    folder = Path(weights_folder(weights))
    if folder.is_dir():
        return folder
    try:
        return Path(latentstem.pretrained_path(weights))
    except ValueError as error:
        raise UsageError(f"{error}; or give a folder that exists") from error


def _stored_tensors(pipe: Any, folder: Path, name: str) -> set[str]:
    """Return the names of the tensors in a component's files, as the component calls them today."""
    from safetensors import safe_open

    renamed_weights = getattr(getattr(pipe, name), "_renamed_weights", {})
    earlier_names = [earlier for earlier, today in getattr(pipe, "_renamed_components", {}).items() if today == name]
    folders = [folder / subfolder for subfolder in (name, *earlier_names)]
    stored: set[str] = set()
    for subfolder in (*folders, *filter(None, [shared_components(folder).get(name)])):
        for file in subfolder.glob("*.safetensors"):
            with safe_open(file, framework="pt") as tensors:
                stored.update(renamed_weights.get(tensor, tensor) for tensor in tensors.keys())  # noqa: SIM118
    return stored


def add_adapters(pipe: "StemAccompanimentPipeline", folders: Sequence[Path]) -> list[str]:
    """Load adapters into the U-Net of a pipeline; the first of them is then at work.

    Args:
        pipe: The pipeline.
        folders: Folders of the adapters.

    Returns:
        A name of each: that of its folder, or of the fine-tuning whose folder `adapter` it is.

    Raises:
        UsageError: An adapter is missing, damaged or of another net, two have one name, or peft is not installed.
    """
    names: list[str] = []
    for folder in folders:
        if not (folder / ADAPTER_FILE).is_file():
            raise UsageError(
                f"{folder}: holds no {ADAPTER_FILE}; expected the folder `adapter` of a fine-tuning's output"
            )
        require_extras("--adapter", "training", "peft")
        full = folder.resolve()
        name = (full.parent if full.name == "adapter" else full).name.replace(".", "-")  # of a module, without dots
        if name in names:
            raise UsageError(f"{folder}: got two adapters with the name {name}; rename one of their folders")
        try:
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # peft's, of several adapters
                pipe.unet.load_lora_adapter(folder, adapter_name=name)
        except Exception as error:
            raise UsageError(
                f"{folder}: the adapter does not go into these weights: {type(error).__name__}: "
                f"{one_line(error)[:200]}; give the weights that it was trained for as --weights"
            ) from error
        names.append(name)
    if len(names) > 1:
        pipe.unet.set_adapter(names[0])
    return names


def choose_device(name: str) -> str:
    """Return the device to compute on: `name` itself, or the fastest for "auto".

    Args:
        name: Name of a device, or "auto".

    Raises:
        UsageError: This machine has no such device.

    Example:
        >>> from latentstem.cli.loading import choose_device
        >>> choose_device("cpu")
        'cpu'
    """
    import torch

    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        available.append("mps")
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if device in available)
    if name not in available:
        raise UsageError(f"device {name!r} is not available; expected auto or one of: {', '.join(available)}")
    return name
