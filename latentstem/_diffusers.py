"""Registration of this package with diffusers, and every use of a private name of diffusers.

`model_index.json` then says `["latentstem", "StemUNet1DModel"]`, whatever file the class is in. Every module that
subclasses a diffusers class imports this one, so that importing any such name is enough.
"""

import logging
from collections.abc import Mapping
from typing import Any

import diffusers

try:
    from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES
except ImportError as error:
    raise ImportError(
        f"latentstem needs diffusers >=0.42,<0.44, got {diffusers.__version__}, whose pipeline loading looks "
        'different; install a fitting one: pip install "diffusers>=0.42,<0.44"'
    ) from error

# diffusers looks these names up on the package itself, so `latentstem/__init__.py` resolves them too.
LOADABLE_CLASSES.setdefault(
    "latentstem",
    {
        base: ["save_pretrained", "from_pretrained"]
        for base in ("ModelMixin", "SchedulerMixin", "BaseGuidance", "DiffusionPipeline")
    },
)


def _is_not_repeated(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Guiders are currently an experimental feature")


# diffusers logs it each time a guider is built, and a pipeline builds one a call.
logging.getLogger("diffusers.guiders.guider_utils").addFilter(_is_not_repeated)


class RenamedWeights:
    """Mixin for models whose weights had other names when earlier versions saved them.

    A subclass of `ModelMixin` names this class first among its bases.
    """

    _renamed_weights: Mapping[str, str] = {}
    """Name of each renamed weight today, by its earlier name."""

    def _fix_state_dict_keys_on_load(self, state_dict: dict[str, Any]) -> None:
        """Rename in place; diffusers calls this before it compares names."""
        super()._fix_state_dict_keys_on_load(state_dict)  # pyright: ignore[reportAttributeAccessIssue]
        for before, now in self._renamed_weights.items():
            if before in state_dict:
                state_dict[now] = state_dict.pop(before)


def make_skippable(*blocks: type) -> None:
    """Let diffusers' guiders skip blocks of these classes (`LayerSkipConfig(indices, fqn=...)`).

    Args:
        blocks: Module classes whose `forward` takes `hidden_states` and returns as much.
    """
    # Imported here: registering loads every transformer of diffusers, and few guiders skip layers.
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

    for block in blocks:
        if block not in TransformerBlockRegistry._registry:
            TransformerBlockRegistry.register(block, TransformerBlockMetadata(return_hidden_states_index=0))
