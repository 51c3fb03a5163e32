"""LoRA adapters of a pipeline's denoiser, by the names that the pipelines of diffusers have for them.

diffusers' own mixin is not inherited: it imports peft, which takes seconds, wherever it is installed.
"""

import os
from collections.abc import Sequence
from typing import Any


class AdaptedDenoiser:
    """Loads, weighs and removes adapters of `unet`; peft has to be installed.

    Example:
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")  # doctest: +SKIP
        >>> pipe.load_lora_weights("runs/my-bass/adapter", adapter_name="my-bass")  # doctest: +SKIP
        >>> pipe.set_adapters("my-bass", 0.7)  # doctest: +SKIP
    """

    unet: Any

    def load_lora_weights(
        self,
        pretrained_model_name_or_path_or_dict: str | os.PathLike | dict,
        adapter_name: str | None = None,
        **options: Any,
    ) -> None:
        """Load an adapter into the denoiser, and put it to work in place of others.

        Args:
            pretrained_model_name_or_path_or_dict: Folder of the adapter, or its tensors by name.
            adapter_name: Name of the adapter; None draws one.
            **options: Options of `StemUNet1DModel.load_lora_adapter`.

        Raises:
            ValueError: The adapter is of another net.
        """
        source = pretrained_model_name_or_path_or_dict
        self.unet.load_lora_adapter(source, adapter_name=adapter_name, **options)

    def set_adapters(
        self, adapter_names: str | list[str], adapter_weights: float | Sequence[float] | None = None
    ) -> None:
        """Put loaded adapters to work, in place of others.

        Args:
            adapter_names: Name of an adapter, or names of several.
            adapter_weights: How much each counts; None is 1.
        """
        self.unet.set_adapters(adapter_names, weights=adapter_weights)

    def disable_lora(self) -> None:
        """Leave the adapters out, which stay loaded."""
        self.unet.disable_adapters()

    def enable_lora(self) -> None:
        """Put the adapters that were left out to work again."""
        self.unet.enable_adapters()

    def unload_lora_weights(self) -> None:
        """Remove all adapters; the net is then the one before the first of them."""
        self.unet.unload_lora()
