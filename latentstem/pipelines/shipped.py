"""Shipped weights by their names, where pipelines are loaded."""

import os
from typing import Any, Self

from latentstem._shipped import shared_components, weights_folder
from latentstem.models.codec import load_codec


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
        precision = {name: options[name] for name in ("dtype", "torch_dtype") if name in options}
        for name, codec in shared_components(folder).items():
            if name not in options:
                options[name] = load_codec(codec, **precision)
        return super().from_pretrained(folder, **options)  # pyright: ignore[reportAttributeAccessIssue]
