"""Lets a program load saved weights that knows diffusers alone; latentstem has to be installed, not imported.

from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained(
    "path/to/weights", custom_pipeline="examples/custom_pipeline", trust_remote_code=True
)

Put this file into a folder of weights, and `custom_pipeline` may be that folder itself. diffusers runs the file, which
is why it asks for `trust_remote_code`.
"""

from latentstem import StemAccompanimentPipeline

__all__ = ["StemAccompanimentPipeline"]
