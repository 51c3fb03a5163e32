"""Shipped weights by their names, where pipelines are loaded."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import latentstem


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


class ShippedByName:
    """Mixin for pipelines: `from_pretrained` takes the name of shipped weights, beside folders and names on a hub.

    A subclass of `DiffusionPipeline` names this class first among its bases.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **options: Any) -> Self:
        """Load a pipeline.

        Args:
            pretrained_model_name_or_path: Name of shipped weights, folder of a saved pipeline, or its name on a hub.
            **options: Options of `DiffusionPipeline.from_pretrained`.
        """
        folder = weights_folder(pretrained_model_name_or_path)
        return super().from_pretrained(folder, **options)  # pyright: ignore[reportAttributeAccessIssue]
