"""Load saved weights from a program that imports diffusers only; latentstem has to be installed.

from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained(
    "path/to/weights", custom_pipeline="examples/custom_pipeline", trust_remote_code=True
)

If this file is in a folder of weights, `custom_pipeline` can be that folder. diffusers runs the file and therefore asks
for `trust_remote_code`.
"""

from latentstem import StemAccompanimentPipeline

__all__ = ["StemAccompanimentPipeline"]
