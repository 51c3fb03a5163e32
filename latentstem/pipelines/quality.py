"""Three bargains between time and quality: which solver, and how many evaluations of the net.

`benchmarks/quality/presets.py` measured them, and `benchmarks/quality/solvers.py` the distances behind the choice:
UniPC (Zhao et al. 2023, arXiv 2302.04867) is as near to true basses in 16 evaluations as DDIM ever comes.
"""

from enum import StrEnum

from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler


class Quality(StrEnum):
    """How much time sampling may take.

    Attributes:
        FAST: UniPC, 8 steps: an eighth of the evaluations of `BEST`.
        STANDARD: UniPC, 16 steps.
        BEST: DDIM, 64 steps, as the pipeline does it when nothing is said.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> Quality.FAST.apply_to(pipe), type(pipe.scheduler).__name__
        (8, 'UniPCMultistepScheduler')
    """

    FAST = "fast"
    STANDARD = "standard"
    BEST = "best"

    def apply_to(self, pipe: StemAccompanimentPipeline) -> int:
        """Gives a pipeline the solver of this quality, on the schedule that it has.

        Args:
            pipe: Whose `scheduler` is replaced.

        Returns:
            Steps to ask for, as `num_inference_steps`.
        """
        solver, steps = {
            Quality.FAST: (UniPCMultistepScheduler, 8),
            Quality.STANDARD: (UniPCMultistepScheduler, 16),
            Quality.BEST: (CosineDDIMScheduler, 64),
        }[self]
        pipe.scheduler = solver.from_config(pipe.scheduler.config)
        return steps
