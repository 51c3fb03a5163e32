"""Does each stem fit its own mix best: soft assignments, retrieval, and accompaniment prompt adherence.

Row i of a matrix of scores is a mix, column j a stem, and stem i was made for mix i. Scores are the logits of
`latentstem.ContrastiveStemModel` or of any other judge.
"""

from collections.abc import Callable

import numpy as np

from latentstem.evaluation.frechet import frechet_distance


def soft_assignments(scores: np.ndarray) -> np.ndarray:
    """For each mix, how likely each stem is its own: the softmax of every row (arXiv 2402.01412, figure 3).

    Args:
        scores: Logits `(mixes, stems)`.

    Returns:
        Probabilities `(mixes, stems)`, every row summing to one.

    Example:
        >>> soft_assignments(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    scores = np.asarray(scores, dtype=np.float64)
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def mean_diagonal(scores: np.ndarray) -> float:
    """Mean probability that `soft_assignments` gives to the mix's own stem; 1 / stems by chance.

    Example:
        >>> mean_diagonal(np.zeros((4, 4)))
        0.25
    """
    return float(np.diag(soft_assignments(_square(scores))).mean())


def ranks(scores: np.ndarray) -> np.ndarray:
    """Place of each mix's own stem among all stems, `(mixes,)`; 0 is the best, and ties share their mean place.

    Example:
        >>> ranks(np.array([[2.0, 1.0], [3.0, 0.0]])).tolist()
        [0.0, 1.0]
    """
    scores = _square(scores)
    own = np.diag(scores)[:, None]
    ties = (scores == own).sum(axis=1) - 1
    return (scores > own).sum(axis=1) + ties / 2


def top_k(scores: np.ndarray, k: int) -> float:
    """Share of the mixes whose own stem is among the k that score best; k / stems by chance.

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
    """Accompaniment prompt adherence, APA (Grachten 2025, arXiv 2503.06346).

    With `d` the distance of two sets: `1/2 + (d(candidates, misaligned) - d(candidates, aligned)) / (2 max(d(aligned,
    misaligned), |that difference|))`, distances floored at zero.

    Args:
        candidates: Embeddings of pairs to judge, a mix and what was made for it, `(pairs, dimensions)`.
        aligned: Of pairs that belong together.
        misaligned: Of the same mixes with each other's stems.
        distance: Of two sets of embeddings.

    Returns:
        1 where candidates are as the aligned pairs, 0 where they are as the misaligned ones; 0 where these do not
        differ at all.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> aligned, misaligned = rng.normal(size=(50, 2)), rng.normal(2.0, size=(50, 2))
        >>> prompt_adherence(aligned, aligned, misaligned), prompt_adherence(misaligned, aligned, misaligned)
        (1.0, 0.0)
    """
    to_aligned, to_misaligned, between = (
        max(distance(one, other), 0.0)
        for one, other in ((aligned, candidates), (misaligned, candidates), (aligned, misaligned))
    )
    nearer = to_misaligned - to_aligned
    scale = max(between, abs(nearer))
    return 0.5 + nearer / (2.0 * scale) if scale > 0 else 0.0


def _square(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not len(scores):
        raise ValueError(f"got scores of shape {scores.shape}, expected as many stems as mixes")
    return scores
