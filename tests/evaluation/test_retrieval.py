"""Soft assignments, retrieval and prompt adherence, against definitions written out and where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.evaluation import mean_diagonal, prompt_adherence, ranks, soft_assignments, top_k

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 8), st.floats(-1e3, 1e3))
def test_assignments_are_probabilities_that_do_not_know_the_level_of_a_row(seed, count, level):
    scores = 50 * np.random.default_rng(seed).normal(size=(count, count))
    assigned = soft_assignments(scores)
    assert np.allclose(assigned.sum(1), 1.0)
    assert np.allclose(assigned, soft_assignments(scores + level), atol=1e-9)
    assert (assigned.argmax(1) == scores.argmax(1)).all()


@given(SEEDS, st.integers(1, 8))
def test_a_rank_counts_the_stems_that_score_better(seed, count):
    scores = np.random.default_rng(seed).permutation(count * count).reshape(count, count).astype(float)
    expected = [sorted(row, reverse=True).index(row[index]) for index, row in enumerate(scores)]
    assert ranks(scores).tolist() == expected
    assert [top_k(scores, k) for k in (1, count)] == [np.mean([rank == 0 for rank in expected]), 1.0]


def test_a_judge_that_scores_all_alike_is_at_chance():
    """Ties must not count as hits, or a model with constant scores would be perfect."""
    alike = np.zeros((25, 25))
    assert top_k(alike, 1) == 0.0
    assert ranks(alike).tolist() == [12.0] * 25
    assert mean_diagonal(alike) == pytest.approx(1 / 25)


def test_the_diagonal_is_what_a_sure_judge_gives_to_true_pairs():
    assert mean_diagonal(100 * np.eye(5)) == pytest.approx(1.0)
    assert mean_diagonal(100 * np.roll(np.eye(5), 1, axis=1)) == pytest.approx(0.0, abs=1e-9)


def pairs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of mixes and of their stems that share what makes them a pair."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(200, 3))
    return shared + 0.1 * rng.normal(size=shared.shape), shared + 0.1 * rng.normal(size=shared.shape)


def test_adherence_is_one_for_aligned_pairs_and_nought_for_rotated_ones():
    (mixes, stems), (others, their_stems) = pairs(0), pairs(1)
    aligned = np.concatenate([mixes, stems], axis=1)
    misaligned = np.concatenate([mixes, np.roll(stems, 1, axis=0)], axis=1)
    assert prompt_adherence(aligned, aligned, misaligned) == pytest.approx(1.0)
    assert prompt_adherence(misaligned, aligned, misaligned) == pytest.approx(0.0, abs=1e-9)
    # On songs of their own too, up to the bias of the distance.
    assert prompt_adherence(np.concatenate([others, their_stems], axis=1), aligned, misaligned) > 0.9
    rotated = np.concatenate([others, np.roll(their_stems, 1, axis=0)], axis=1)
    assert prompt_adherence(rotated, aligned, misaligned) < 0.1


@given(SEEDS)
def test_adherence_is_the_published_formula(seed):
    rng = np.random.default_rng(seed)
    table = {(a, b): float(rng.uniform(-0.5, 3.0)) for a in "CRM" for b in "CRM"}
    names = {key: np.full((1, 1), ord(key)) for key in "CRM"}

    def distance(one, other):
        return table[chr(int(one[0, 0])), chr(int(other[0, 0]))]

    near, far, between = (max(0.0, table[key]) for key in (("R", "C"), ("M", "C"), ("R", "M")))
    n = far - near
    expected = 0.5 + n / (2 * max(between, abs(n))) if max(between, abs(n)) > 0 else 0.0
    assert prompt_adherence(names["C"], names["R"], names["M"], distance) == pytest.approx(expected)


def test_what_is_no_square_of_scores_is_refused():
    with pytest.raises(ValueError, match="as many stems as mixes"):
        mean_diagonal(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="at least 1"):
        top_k(np.zeros((2, 2)), 0)
