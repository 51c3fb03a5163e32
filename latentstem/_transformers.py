"""Loading of models of transformers, which is imported when first needed, from safetensors, with errors that help."""

import os
from typing import Any


def load_pretrained(
    folder_or_name: str | os.PathLike[str], *kinds: str, extra: str, local_files_only: bool, **options: Any
) -> list[Any]:
    """Load the parts of a model from a folder, or by its name on the Hugging Face hub.

    Args:
        folder_or_name: Folder or name, for example `"laion/clap-htsat-unfused"`.
        *kinds: Names of the classes of transformers that load the parts, for example `"ClapModel"`.
        extra: Extra of latentstem that installs transformers.
        local_files_only: Whether a name must be in the local cache of the hub; otherwise what is missing is downloaded.
        **options: Further options of `from_pretrained` of all the parts. Weights are read from safetensors alone unless
            `use_safetensors` says otherwise.

    Returns:
        The parts, in the order of `kinds`.

    Raises:
        ImportError: If transformers is not installed.
        OSError: If a part is neither in the folder nor, by that name, where it may be looked for.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            f"{kinds[0]} needs transformers >=5.0, which cannot be imported ({error}); "
            f'pip install transformers, or "latentstem[{extra}]"'
        ) from error
    options = {"use_safetensors": True, "local_files_only": local_files_only, **options}
    parts = []
    for kind in kinds:
        try:
            parts.append(getattr(transformers, kind).from_pretrained(folder_or_name, **options))
        except OSError as error:
            if not local_files_only:
                raise
            raise OSError(
                f"found no {kind} with weights in safetensors under {os.fspath(folder_or_name)!r}, neither as a folder "
                f"nor in the local cache of the Hugging Face hub ({str(error).splitlines()[0]}); pass the folder of a "
                "saved model, or its name on the hub with local_files_only=False, which downloads it"
            ) from error
    return parts
