"""Sampling presets: the solver and the number of steps for three qualities.

`benchmarks/quality/presets.py` measured them, and `benchmarks/quality/solvers.py` the distances behind the choice:
UniPC (Zhao et al. 2023, arXiv 2302.04867) is as near to true basses in 8 or 16 evaluations of the net as DDIM in any.
"""

from enum import StrEnum

from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.sampling.denoised import prediction_type
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler


class Quality(StrEnum):
    """A trade-off between time and quality.

    Attributes:
        FAST: UniPC with 8 steps, an eighth of the evaluations of `BEST`.
        STANDARD: UniPC with 16 steps, the default of the command line, the page and the server.
        BEST: DDIM with 64 steps, the default of the pipeline, as in arXiv 2402.01412; Euler steps for a net that is
            trained by flow matching.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> Quality.FAST.apply_to(pipe), type(pipe.scheduler).__name__
        (8, 'UniPCMultistepScheduler')
    """

    FAST = "fast"
    STANDARD = "standard"
    BEST = "best"

    def apply_to(self, pipe: StemAccompanimentPipeline) -> int:
        """Replace a pipeline's scheduler by the solver of this quality, on the same noise schedule.

        Args:
            pipe: Pipeline whose `scheduler` is replaced.

        Returns:
            Number of steps to pass as `num_inference_steps`.
        """
        config = pipe.scheduler.config
        flow = prediction_type(pipe.scheduler) == "flow_prediction"
        if self is Quality.BEST:
            solver = FlowMatchEulerDiscreteScheduler if flow else CosineDDIMScheduler
            pipe.scheduler = solver.from_config(config)
        else:
            # The configs of flow matching schedulers say neither.
            options = {"prediction_type": "flow_prediction", "use_flow_sigmas": True} if flow else {}
            pipe.scheduler = UniPCMultistepScheduler.from_config(config, **options)
        return {Quality.FAST: 8, Quality.STANDARD: 16, Quality.BEST: 64}[self]


DEFAULT_QUALITY = Quality.STANDARD
"""Quality of the command line, the page, the server and `latentstem.accompany`, unless they are told another."""
