"""Makes diffusers load classes of this package from saved folders: the one file that knows a private name of diffusers.

`model_index.json` then says `["latentstem", "StemUNet1DModel"]`, whatever file the class is in. Every module that
subclasses a diffusers class imports this one, so that importing any such name is enough.
"""

import logging

import diffusers

try:
    from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES
except ImportError as error:
    raise ImportError(
        f"latentstem needs diffusers >=0.42,<0.44, got {diffusers.__version__}, whose pipeline loading looks "
        'different; install a fitting one: pip install "diffusers>=0.42,<0.44"'
    ) from error

# diffusers looks these names up on the package itself, so `latentstem/__init__.py` holds them too.
LOADABLE_CLASSES.setdefault(
    "latentstem",
    {
        base: ["save_pretrained", "from_pretrained"]
        for base in ("ModelMixin", "SchedulerMixin", "BaseGuidance", "DiffusionPipeline")
    },
)


def _is_worth_saying(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Guiders are currently an experimental feature")


# diffusers says it each time a guider is built, and a pipeline builds one a call.
logging.getLogger("diffusers.guiders.guider_utils").addFilter(_is_worth_saying)
