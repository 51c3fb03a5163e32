"""Distances of sets of embeddings, against closed forms and against the definitions written out."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import GaussianStatistics, frechet_distance, kernel_distance

SEEDS = st.integers(0, 2**32 - 1)


def shaped(rng: np.random.Generator, count: int, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Embeddings whose mean and covariance are exactly those given."""
    drawn = rng.normal(size=(count, len(mean)))
    drawn = (drawn - drawn.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return drawn @ np.linalg.cholesky(covariance).T + mean


@given(SEEDS, st.integers(2, 6))
def test_known_gaussians_have_the_distance_of_the_closed_form(seed, dimensions):
    rng = np.random.default_rng(seed)
    (first, second), (s, t) = rng.normal(size=(2, dimensions)), rng.normal(size=(2, dimensions, 2 * dimensions))
    s, t = s @ s.T / dimensions + 0.1 * np.eye(dimensions), t @ t.T / dimensions + 0.1 * np.eye(dimensions)
    expected = ((first - second) ** 2).sum() + np.trace(s + t - 2 * np.real(scipy.linalg.sqrtm(s @ t)))
    found = frechet_distance(shaped(rng, 50, first, s), shaped(rng, 40, second, t))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-8)


@given(SEEDS)
def test_the_distance_is_symmetric_and_does_not_change_with_the_axes(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(30, 5)), rng.normal(1.0, 2.0, size=(20, 5))
    turned, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    distance = frechet_distance(first, second)
    assert frechet_distance(second, first) == pytest.approx(distance)
    assert frechet_distance(first @ turned + 3.0, second @ turned + 3.0) == pytest.approx(distance)


def test_fewer_embeddings_than_dimensions_give_a_finite_distance():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 64)), rng.normal(size=(7, 64))
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-9)
    # Each covariance has few directions and shares none of them: the traces alone are left.
    apart = ((first.mean(0) - second.mean(0)) ** 2).sum() + first.var(0, ddof=1).sum() + second.var(0, ddof=1).sum()
    assert 0 < frechet_distance(first, second) <= apart


@given(SEEDS, st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_statistics_do_not_depend_on_how_embeddings_come(seed, sizes):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(1e6, 1.0, size=(size, 3)) for size in (*sizes, 2)]
    statistics, whole = GaussianStatistics.of(batches), np.concatenate(batches)
    assert statistics.count == len(whole)
    assert np.allclose(statistics.mean, whole.mean(0), rtol=1e-12)
    assert np.allclose(statistics.covariance, np.cov(whole.T), atol=1e-6)


@given(SEEDS)
def test_the_kernel_distance_is_the_u_statistic_written_out(seed):
    rng = np.random.default_rng(seed)
    first, second, bandwidth = rng.normal(size=(6, 3)), rng.normal(0.5, 1.0, size=(5, 3)), 1.7

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))

    within = [
        np.mean(
            [
                kernel(embeddings[i], embeddings[j])
                for i in range(len(embeddings))
                for j in range(len(embeddings))
                if i != j
            ]
        )
        for embeddings in (first, second)
    ]
    across = np.mean([kernel(a, b) for a in first for b in second])
    assert kernel_distance(first, second, bandwidth) == pytest.approx(100 * (sum(within) - 2 * across))


def test_the_kernel_distance_is_unbiased_and_the_frechet_distance_is_not():
    """Over many pairs of samples of one distribution the first averages zero at any size."""
    rng = np.random.default_rng(0)
    for count in (5, 20):
        pairs = rng.normal(size=(2000, 2, count, 3))
        kernel = np.array([kernel_distance(first, second, 2.0) for first, second in pairs])
        assert abs(kernel.mean()) < 4 * kernel.std() / len(kernel) ** 0.5
        frechet = np.array([frechet_distance(first, second) for first, second in pairs[:200]])
        assert frechet.mean() > 10 * frechet.std() / len(frechet) ** 0.5


def test_the_default_bandwidth_is_the_median_distance_of_the_reference():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(9, 3)), rng.normal(size=(8, 3))
    distances = [np.linalg.norm(first[i] - first[j]) for i in range(9) for j in range(i)]
    assert kernel_distance(first, second) == pytest.approx(kernel_distance(first, second, float(np.median(distances))))


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.ones(3), np.ones((2, 3)), "expected .embeddings, dimensions."),
        (np.eye(3), np.eye(2), "3 and 2 dimensions"),
        (np.eye(3), np.full((2, 3), np.nan), "not finite"),
        (np.eye(3), np.ones((1, 3)), "at least 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(distance, first, second, said):
    with pytest.raises(ValueError, match=said):
        distance(first, second)


def test_alike_references_need_a_bandwidth():
    with pytest.raises(ValueError, match="bandwidth"):
        kernel_distance(np.ones((3, 2)), np.eye(2))
