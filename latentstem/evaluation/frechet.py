"""Distances between two sets of embeddings: Fréchet's, of the Gaussians that fit them, and its unbiased kernel twin.

The Fréchet distance (Heusel et al. 2017; Kilgour et al. 2019 for audio, "FAD") compares means and covariances, and is
too large on few samples. The kernel distance (Gretton et al. 2012; Chung et al. 2025 for audio, "KAD") has no bias.
"""

from collections.abc import Iterable

import numpy as np


class GaussianStatistics:
    """Mean and covariance of embeddings, gathered batch by batch.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1979) in double precision, so the result does
    not depend on how the embeddings were divided, and embeddings far from the origin lose no digits.

    Args:
        dimensions: Length of an embedding.

    Attributes:
        count: Embeddings seen.
        mean: `(dimensions,)`.

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
        """Gather batches `(embeddings, dimensions)`.

        Raises:
            ValueError: If there is no batch, or one has another shape than the first.
        """
        statistics = None
        for batch in batches:
            statistics = statistics or cls(_checked(batch).shape[1])
            statistics.update(batch)
        if statistics is None:
            raise ValueError("got no embeddings, expected at least one batch")
        return statistics

    def update(self, embeddings: np.ndarray) -> None:
        """Count in a batch `(embeddings, dimensions)`.

        Raises:
            ValueError: If the shape is another, or a value is not finite.
        """
        embeddings = _checked(embeddings)
        if embeddings.shape[1] != len(self.mean):
            raise ValueError(f"got embeddings of {embeddings.shape[1]} dimensions, expected {len(self.mean)} as before")
        count = len(embeddings)
        if not count:
            return
        mean = embeddings.mean(axis=0)
        centred = embeddings - mean
        apart = mean - self.mean
        total = self.count + count
        self._scatter += centred.T @ centred + np.outer(apart, apart) * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance `(dimensions, dimensions)`.

        Raises:
            ValueError: If fewer than two embeddings were seen.
        """
        if self.count < 2:
            raise ValueError(f"got {self.count} embeddings, expected at least 2 for a covariance")
        return self._scatter / (self.count - 1)


def frechet_distance(reference: np.ndarray | GaussianStatistics, candidates: np.ndarray | GaussianStatistics) -> float:
    """Squared Fréchet distance of the Gaussians that fit two sets: `|m - n|^2 + tr(S + T - 2 (S T)^(1/2))`.

    The trace of the root is the sum of the roots of the eigenvalues of `S^(1/2) T S^(1/2)`, which is symmetric: real
    whatever the rank, where the general matrix root of `S T` breaks down with fewer embeddings than dimensions.

    Args:
        reference: Embeddings `(embeddings, dimensions)`, at least two, or their statistics.
        candidates: Likewise, with as many dimensions.

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
    one, other = (_statistics(embeddings) for embeddings in (reference, candidates))
    if len(one.mean) != len(other.mean):
        raise ValueError(f"got embeddings of {len(one.mean)} and {len(other.mean)} dimensions, expected the same")
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    between = np.linalg.eigvalsh(root @ other.covariance @ root)
    apart = one.mean - other.mean
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return max(float(apart @ apart + traces - 2.0 * np.sqrt(np.maximum(between, 0.0)).sum()), 0.0)


def kernel_distance(reference: np.ndarray, candidates: np.ndarray, bandwidth: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy under a Gaussian kernel, times 100: KAD.

    Args:
        reference: Embeddings `(embeddings, dimensions)`, at least two.
        candidates: Likewise, with as many dimensions.
        bandwidth: Deviation of the kernel; the median distance of two reference embeddings if absent. Give one and the
            same to compare several sets of candidates with different references.

    Returns:
        The distance; around 0, and below it as often as above, for two samples of one distribution.

    Raises:
        ValueError: If shapes do not fit, a value is not finite, a set has fewer than two embeddings, or the bandwidth
            is not positive, as the median is not where most reference embeddings are the same.

    Example:
        >>> import numpy as np
        >>> embeddings = np.random.default_rng(0).normal(size=(200, 4))
        >>> near, far = kernel_distance(embeddings, embeddings + 0.1), kernel_distance(embeddings, embeddings + 1.0)
        >>> near < 2.0 < far
        True
    """
    one, other = _checked(reference), _checked(candidates)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"got embeddings of {one.shape[1]} and {other.shape[1]} dimensions, expected the same")
    if min(len(one), len(other)) < 2:
        raise ValueError(f"got {len(one)} and {len(other)} embeddings, expected at least 2 each")
    within = _squared_distances(one, one)
    if bandwidth is None:
        bandwidth = float(np.median(np.sqrt(within[np.triu_indices(len(one), 1)])))
    if not bandwidth > 0:
        raise ValueError(
            f"bandwidth is {bandwidth}, expected a positive number: are the reference embeddings all alike?"
        )

    def mean_kernel(squares: np.ndarray, itself: bool) -> float:
        kernel = np.exp(-squares / (2.0 * bandwidth**2))
        count = squares.size
        if itself:  # a pair of one embedding with itself is what makes the plain mean biased
            kernel, count = kernel - np.diag(np.diag(kernel)), count - len(squares)
        return float(kernel.sum() / count)

    across = mean_kernel(_squared_distances(one, other), itself=False)
    return 100.0 * (mean_kernel(within, True) + mean_kernel(_squared_distances(other, other), True) - 2.0 * across)


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # About a common centre, or the difference of large squares would round away.
    centre = one.mean(axis=0)
    one, other = one - centre, other - centre
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2.0 * (one @ other.T)
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
