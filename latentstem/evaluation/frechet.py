"""Distances of two sets of embeddings: Fréchet distance of fitted Gaussians, and unbiased kernel distance (MMD).

The Fréchet distance (Heusel et al. 2017; Kilgour et al. 2019 for audio, "FAD") compares means and covariances, and is
too large on few samples. The kernel distance (Gretton et al. 2012; Chung et al. 2025 for audio, "KAD") has no bias.
"""

from collections.abc import Iterable

import numpy as np


class GaussianStatistics:
    """Mean and covariance of embeddings, updated batch by batch.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1979) in double precision, so the result does
    not depend on how the embeddings were divided, and embeddings far from the origin lose no digits.

    Args:
        dimensions: Length of an embedding.

    Attributes:
        count: Number of embeddings.
        mean: Mean of the embeddings, `(dimensions,)`.

    Example:
        >>> import numpy as np
        >>> statistics = GaussianStatistics.of([np.array([[0.0], [2.0]]), np.array([[4.0]])])
        >>> statistics.count, statistics.mean.tolist(), statistics.covariance.tolist()
        (3, [2.0], [[4.0]])
    """

    def __init__(self, dimensions: int):
        self.count = 0
        self.mean = np.zeros(dimensions)
        self._scatter = np.zeros((dimensions, dimensions))

    @classmethod
    def of(cls, batches: Iterable[np.ndarray]) -> "GaussianStatistics":
        """Compute the statistics of batches `(embeddings, dimensions)`.

        Raises:
            ValueError: If there is no batch, or a batch has other dimensions than the first.
        """
        statistics = None
        for batch in batches:
            statistics = statistics or cls(_checked(batch).shape[1])
            statistics.update(batch)
        if statistics is None:
            raise ValueError("got no embeddings, expected at least one batch")
        return statistics

    def update(self, embeddings: np.ndarray) -> None:
        """Add a batch `(embeddings, dimensions)`.

        Raises:
            ValueError: If the shape differs, or a value is not finite.
        """
        embeddings = _checked(embeddings)
        if embeddings.shape[1] != len(self.mean):
            raise ValueError(f"got embeddings of {embeddings.shape[1]} dimensions, expected {len(self.mean)} as before")
        count = len(embeddings)
        if not count:
            return
        mean = embeddings.mean(axis=0)
        centred = embeddings - mean
        difference = mean - self.mean
        total = self.count + count
        self._scatter += centred.T @ centred + np.outer(difference, difference) * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance `(dimensions, dimensions)`.

        Raises:
            ValueError: If fewer than two embeddings were added.
        """
        if self.count < 2:
            raise ValueError(f"got {self.count} embeddings, expected at least 2 for a covariance")
        return self._scatter / (self.count - 1)


def frechet_distance(reference: np.ndarray | GaussianStatistics, candidates: np.ndarray | GaussianStatistics) -> float:
    """Compute the squared Fréchet distance of the Gaussians that fit two sets.

    `|m - n|^2 + tr(S + T - 2 (S T)^(1/2))` with means `m`, `n` and covariances `S`, `T`. The trace of the root is the
    sum of the roots of the eigenvalues of `S^(1/2) T S^(1/2)`, which is symmetric: real whatever the rank, where the
    general matrix root of `S T` breaks down with fewer embeddings than dimensions.

    Args:
        reference: Reference embeddings `(embeddings, dimensions)`, at least two, or their statistics.
        candidates: Candidate embeddings `(embeddings, dimensions)`, at least two, or their statistics.

    Returns:
        The distance, 0 or more, in squared units of the embedding.

    Raises:
        ValueError: If shapes do not fit, a value is not finite, or a set has fewer than two embeddings.

    Example:
        >>> import numpy as np
        >>> embeddings = np.random.default_rng(0).normal(size=(100, 4))
        >>> round(frechet_distance(embeddings, embeddings + 1.0), 6)
        4.0
    """
    first, second = (_statistics(embeddings) for embeddings in (reference, candidates))
    if len(first.mean) != len(second.mean):
        raise ValueError(
            f"got embeddings of {len(first.mean)} and {len(second.mean)} dimensions, expected equally many: "
            "embed both sets by one model"
        )
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ second.covariance @ root)
    difference = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(float(difference @ difference + traces - 2.0 * np.sqrt(np.maximum(eigenvalues, 0.0)).sum()), 0.0)


def kernel_distance(reference: np.ndarray, candidates: np.ndarray, bandwidth: float | None = None) -> float:
    """Compute the unbiased squared maximum mean discrepancy under a Gaussian kernel, times 100: KAD.

    Args:
        reference: Reference embeddings `(embeddings, dimensions)`, at least two.
        candidates: Candidate embeddings `(embeddings, dimensions)`, at least two.
        bandwidth: Standard deviation of the kernel; by default the median distance of two reference embeddings. Set it
            to compare sets of candidates with different references.

    Returns:
        The distance; around 0, and below it as often as above, for two samples of one distribution.

    Raises:
        ValueError: If shapes do not fit, a value is not finite, a set has fewer than two embeddings, or the bandwidth
            is not positive, as the median is where most reference embeddings are equal.

    Example:
        >>> import numpy as np
        >>> embeddings = np.random.default_rng(0).normal(size=(200, 4))
        >>> near, far = kernel_distance(embeddings, embeddings + 0.1), kernel_distance(embeddings, embeddings + 1.0)
        >>> near < 2.0 < far
        True
    """
    first, second = _checked(reference), _checked(candidates)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"got embeddings of {first.shape[1]} and {second.shape[1]} dimensions, expected equally many: "
            "embed both sets by one model"
        )
    if min(len(first), len(second)) < 2:
        raise ValueError(f"got {len(first)} and {len(second)} embeddings, expected at least 2 each")
    within = _squared_distances(first, first)
    if bandwidth is None:
        bandwidth = float(np.median(np.sqrt(within[np.triu_indices(len(first), 1)])))
    if not bandwidth > 0:
        raise ValueError(
            f"bandwidth is {bandwidth}, expected a positive number: are the reference embeddings all alike?"
        )

    def mean_kernel(squares: np.ndarray, one_set: bool) -> float:
        kernel = np.exp(-squares / (2.0 * bandwidth**2))
        count = squares.size
        if one_set:  # pairs of an embedding with itself would bias the mean
            kernel, count = kernel - np.diag(np.diag(kernel)), count - len(squares)
        return float(kernel.sum() / count)

    across = mean_kernel(_squared_distances(first, second), one_set=False)
    return 100.0 * (mean_kernel(within, True) + mean_kernel(_squared_distances(second, second), True) - 2.0 * across)


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # About a common centre, or the difference of large squares would round away.
    centre = first.mean(axis=0)
    first, second = first - centre, second - centre
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2.0 * (first @ second.T)
    return np.maximum(squares, 0.0)


def _statistics(embeddings: np.ndarray | GaussianStatistics) -> GaussianStatistics:
    return embeddings if isinstance(embeddings, GaussianStatistics) else GaussianStatistics.of([embeddings])


def _checked(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2:
        raise ValueError(f"got embeddings of shape {embeddings.shape}, expected (embeddings, dimensions)")
    if not np.isfinite(embeddings).all():
        raise ValueError("got embeddings with values that are not finite; expected numbers only")
    return embeddings
