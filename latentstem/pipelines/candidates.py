"""Stems drawn one at a time for one mix, each that of its seed alone; only the best of them are held."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


@dataclass(frozen=True)
class Candidate:
    """One stem that was drawn.

    Attributes:
        seed: What it was drawn from.
        latents: Normalized, `(1, latent_channels, frames)`.
        score: How well it fits the mix by the pipeline's judge; None where nobody asked.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> mix_latents = torch.randn(1, 64, 11)
        >>> drawn = draw_candidates(pipe, [3, 4, 5], mix_latents=mix_latents, num_inference_steps=2)
        >>> [candidate.seed for candidate in best_candidates(pipe, mix_latents, drawn, 3)]  # doctest: +SKIP
        [4, 5, 3]
    """

    seed: int
    latents: Tensor
    score: float | None = None


def draw_candidates(
    pipe: StemAccompanimentPipeline, seeds: Iterable[int], mix_latents: Tensor, **call: Any
) -> Iterator[Candidate]:
    """Draws stems, each when it is asked for.

    Args:
        pipe: Which draws them.
        seeds: One a stem.
        mix_latents: What they are to fit, `(1, latent_channels, frames)`, as `MixFile.latents`.
        call: What else the pipeline's call is to be given.

    Yields:
        A candidate for each seed, as the pipeline alone would give it, whatever the other seeds.
    """
    for seed in seeds:
        result: Any = pipe(
            mix_latents=mix_latents,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
            **{"sampling_rate": pipe.sampling_rate, **call},
        )
        yield Candidate(seed, result.audios)


def best_candidates(
    pipe: StemAccompanimentPipeline, mix_latents: Tensor, candidates: Iterable[Candidate], keep_best: int
) -> list[Candidate]:
    """Chooses by the pipeline's judge; no more than the chosen are held while the others come and go.

    Args:
        pipe: Whose judge scores them.
        mix_latents: What they are to fit, `(1, latent_channels, frames)`.
        candidates: To choose from.
        keep_best: How many to keep at most.

    Returns:
        The best, with their scores, best first; of equal ones the earlier.
    """
    best: list[Candidate] = []
    for candidate in candidates:
        best.append(replace(candidate, score=pipe.score(mix_latents, candidate.latents).item()))
        best.sort(key=lambda one: -(one.score or 0.0))
        del best[keep_best:]
    return best
