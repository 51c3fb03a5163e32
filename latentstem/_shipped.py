"""Folders of shipped weights by their names."""

import json
import os
from contextlib import suppress
from pathlib import Path

import latentstem

SHARED = "shared.json"
"""File beside a `model_index.json`, a JSON object from a codec that is not saved with the pipeline to the name of the
shipped weights that hold it: `{"autoencoder": "bass"}`. An autoencoder is larger than all other nets together."""


def weights_folder(weights: str | os.PathLike[str]) -> str:
    """Return the folder of weights that may be given by the name of shipped ones.

    A folder of that name in the working directory comes before only if a pipeline is saved in it: many people have a
    folder of recordings called "bass".

    Args:
        weights: Name of shipped weights, or anything else, which is returned as it is.

    Example:
        >>> weights_folder("bass") == latentstem.pretrained_path("bass")
        True
        >>> weights_folder("runs/mine/pipeline")
        'runs/mine/pipeline'
    """
    if not (Path(weights) / "model_index.json").is_file():
        with suppress(ValueError):
            return latentstem.pretrained_path(str(weights))
    return os.fspath(weights)


def shared_components(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the folders of the codecs that a pipeline has from shipped weights, by their names in the pipeline.

    Args:
        folder: Folder of a saved pipeline, or anything else, which shares nothing.

    Raises:
        ValueError: There are no shipped weights of a name.

    Example:
        >>> shared_components(weights_folder("bass"))
        {}
    """
    file = Path(folder, SHARED)
    shared = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {name: Path(latentstem.pretrained_path(weights), name) for name, weights in shared.items()}
