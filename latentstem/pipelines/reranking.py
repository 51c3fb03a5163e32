"""Best of N: generate several stems for a mix, score each with the reranker, and keep the best.

A stem that a reranker chose scores well by that reranker. Evaluate such stems with another one, or choose with none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latentstem.pipelines.diffusion import StemDiffusionPipeline


@dataclass(frozen=True)
class Candidate:
    """One generated stem.

    Attributes:
        seed: Seed of the noise that it was sampled from.
        latents: Normalized latents `(1, latent_channels, frames)`.
        score: How well it fits the mix, from the pipeline's reranker; None without ranking.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> mix_latents = torch.randn(1, 64, 11)
        >>> drawn = draw_candidates(pipe, [3, 4, 5], mix_latents=mix_latents, num_inference_steps=2)
        >>> [candidate.seed for candidate in best_candidates(pipe, mix_latents, drawn, 3)]  # doctest: +SKIP
        [4, 5, 3]
    """

    seed: int
    latents: Tensor
    score: float | None = None


def draw_candidates(
    pipe: StemDiffusionPipeline, seeds: Iterable[int], mix_latents: Tensor, **call: Any
) -> Iterator[Candidate]:
    """Generate one stem for each seed, each when it is asked for.

    Args:
        pipe: Pipeline that generates the stems.
        seeds: Seeds of the stems.
        mix_latents: Latents of the mix, `(1, latent_channels, frames)`, as in `EncodedMix.latents`.
        call: Further arguments of the pipeline's call.

    Yields:
        A candidate for each seed, the same whatever the other seeds are.
    """
    generate: Any = pipe  # the base class has no call of its own
    for seed in seeds:
        result = generate(
            mix_latents=mix_latents,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
            **{"sampling_rate": pipe.sampling_rate, **call},
        )
        yield Candidate(seed, result.audios)


def best_candidates(
    pipe: StemDiffusionPipeline, mix_latents: Tensor, candidates: Iterable[Candidate], keep_best: int
) -> list[Candidate]:
    """Score candidates with the pipeline's reranker and return the best, holding no more than these.

    Args:
        pipe: Pipeline whose reranker scores the candidates.
        mix_latents: Latents of the mix, `(1, latent_channels, frames)`.
        candidates: Candidates to choose from.
        keep_best: Number of candidates to keep at most.

    Returns:
        The best with their scores, best first; of equal ones the earlier.
    """
    best: list[Candidate] = []
    for candidate in candidates:
        best.append(replace(candidate, score=pipe.score(mix_latents, candidate.latents).item()))
        scores = torch.tensor([[kept.score for kept in best]], dtype=torch.float64)
        best = [best[index] for index in rank_scores(scores, keep_best)[0]]
    return best


def rank_scores(scores: Tensor, keep_best: int) -> Tensor:
    """Rank the stems of each mix, best first; of equal ones the earlier.

    Args:
        scores: Scores of the stems of each mix, `(mixes, stems)`, the greater the better.
        keep_best: Number of stems to keep of each mix, at most.

    Returns:
        Indices into the stems of each mix, `(mixes, min(stems, keep_best))`.

    Example:
        >>> rank_scores(torch.tensor([[0.1, 0.7, 0.3]]), keep_best=2)
        tensor([[1, 2]])
    """
    return scores.argsort(dim=1, descending=True, stable=True)[:, :keep_best]
