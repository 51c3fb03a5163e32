"""Registration of this package with diffusers, and every use of a private name of diffusers.

`model_index.json` then says `["latentstem", "StemUNet1DModel"]`, whatever file the class is in. Every module that
subclasses a diffusers class imports this one, so that importing any such name is enough.
"""

import logging
import sys
import warnings
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


class RenamedComponents:
    """A mixin for pipelines whose components had other names when earlier versions saved them.

    diffusers loads a component from the folder of its name and passes it to the constructor under that name. So the
    constructor takes each earlier name as well, as an optional component, and calls `_resolve_renamed`. Components
    are registered, listed and saved under today's names only.

    A subclass of `DiffusionPipeline` names this class first among its bases.
    """

    _renamed_components: Mapping[str, str] = {}
    """From each earlier name of a component to today's."""

    @classmethod
    def _get_signature_keys(cls, obj: Any) -> tuple[list[str], list[str]]:
        """Return the names of components and options: of a class those that it loads, of a pipeline those it has."""
        components, options = super()._get_signature_keys(obj)  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(obj, type):
            return components, options
        return [name for name in components if name not in cls._renamed_components], options

    def _resolve_renamed(self, earlier_name: str, earlier: Any, today: Any) -> Any:
        """Return the component under whichever name the constructor got it; warn unless diffusers loads a folder."""
        if earlier is None:
            return today
        caller = sys._getframe(2).f_globals.get("__name__", "")
        if not caller.startswith("diffusers."):
            self._warn_of_renamed(earlier_name, stacklevel=4)
        return earlier if today is None else today

    def _warn_of_renamed(self, earlier_name: str, stacklevel: int = 3) -> None:
        name = self._renamed_components[earlier_name]
        warnings.warn(f"{earlier_name} is now called {name}", DeprecationWarning, stacklevel=stacklevel)

    def register_modules(self, **components: Any) -> None:
        """Set components, under today's names; see `DiffusionPipeline.register_modules`."""
        for earlier_name, name in self._renamed_components.items():
            if earlier_name in components:
                self._warn_of_renamed(earlier_name)
                components[name] = components.pop(earlier_name)
        super().register_modules(**components)  # pyright: ignore[reportAttributeAccessIssue]


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
