"""Retrieval of stems by their mixes: soft assignments, ranks, top-k accuracy, and accompaniment prompt adherence.

Row i of a matrix of scores is a mix, column j a stem, and stem i belongs to mix i. Scores are logits of
`latentstem.ContrastiveStemModel` or of any other model that scores pairs.
"""

from collections.abc import Callable

import numpy as np

from latentstem.evaluation.frechet import frechet_distance


def soft_assignments(scores: np.ndarray) -> np.ndarray:
    """Compute for each mix the probability of each stem: the softmax of every row (arXiv 2402.01412, figure 3).

    Args:
        scores: Logits `(mixes, stems)`.

    Returns:
        Probabilities `(mixes, stems)`, every row summing to one.

    Example:
        >>> soft_assignments(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    scores = np.asarray(scores, dtype=np.float64)
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def mean_diagonal(scores: np.ndarray) -> float:
    """Average the probability of the mix's own stem by `soft_assignments`; 1 / stems by chance.

    Args:
        scores: Logits `(mixes, stems)`, square.

    Raises:
        ValueError: If `scores` is not square, or is empty.

    Example:
        >>> mean_diagonal(np.zeros((4, 4)))
        0.25
    """
    return float(np.diag(soft_assignments(_square(scores))).mean())


def ranks(scores: np.ndarray) -> np.ndarray:
    """Rank each mix's own stem among all stems.

    Args:
        scores: Logits `(mixes, stems)`, square.

    Returns:
        Ranks `(mixes,)`; 0 is the best, and ties have their mean rank.

    Raises:
        ValueError: If `scores` is not square, or is empty.

    Example:
        >>> ranks(np.array([[2.0, 1.0], [3.0, 0.0]])).tolist()
        [0.0, 1.0]
    """
    scores = _square(scores)
    own = np.diag(scores)[:, None]
    ties = (scores == own).sum(axis=1) - 1
    return (scores > own).sum(axis=1) + ties / 2


def top_k(scores: np.ndarray, k: int) -> float:
    """Compute the fraction of the mixes whose own stem is among the k best; k / stems by chance.

    Args:
        scores: Logits `(mixes, stems)`, square.
        k: Number of best stems, at least 1.

    Raises:
        ValueError: If `scores` is not square, or is empty, or `k` is below 1.

    Example:
        >>> top_k(np.array([[2.0, 1.0], [3.0, 0.0]]), 1)
        0.5
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    return float((ranks(scores) < k).mean())


def prompt_adherence(
    candidates: np.ndarray,
    aligned: np.ndarray,
    misaligned: np.ndarray,
    distance: Callable[[np.ndarray, np.ndarray], float] = frechet_distance,
) -> float:
    """Compute the accompaniment prompt adherence, APA (Grachten 2025, arXiv 2503.06346).

    With `d` the distance of two sets: `1/2 + (d(candidates, misaligned) - d(candidates, aligned)) / (2 max(d(aligned,
    misaligned), |that difference|))`, distances floored at zero.

    Args:
        candidates: Embeddings of the pairs to evaluate, each a mix and its generated stem, `(pairs, dimensions)`.
        aligned: Embeddings of pairs of a mix and its true stem, `(pairs, dimensions)`.
        misaligned: Embeddings of pairs of a mix and the stem of another mix, `(pairs, dimensions)`.
        distance: Distance of two sets of embeddings.

    Returns:
        1 where the candidates equal the aligned pairs, 0 where they equal the misaligned pairs, and 0 where all three
        sets are equal.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> aligned, misaligned = rng.normal(size=(50, 2)), rng.normal(2.0, size=(50, 2))
        >>> prompt_adherence(aligned, aligned, misaligned), prompt_adherence(misaligned, aligned, misaligned)
        (1.0, 0.0)
    """
    to_aligned, to_misaligned, between = (
        max(distance(first, second), 0.0)
        for first, second in ((aligned, candidates), (misaligned, candidates), (aligned, misaligned))
    )
    nearer = to_misaligned - to_aligned
    scale = max(between, abs(nearer))
    return 0.5 + nearer / (2.0 * scale) if scale > 0 else 0.0


def _square(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not len(scores):
        raise ValueError(f"got scores of shape {scores.shape}, expected as many stems as mixes")
    return scores
