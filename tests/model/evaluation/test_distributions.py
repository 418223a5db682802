"""Measures of sets against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial import cKDTree

from model.evaluation.distributions import (
    chamfer_matrix,
    coverage,
    frechet_distance,
    kernel_distance,
    minimum_matching_distance,
    nearest_neighbour_accuracy,
)
from model.evaluation.metrics import chamfer_distance


def axes(*lengths: float) -> np.ndarray:
    """Points at plus and minus each length on its axis: mean 0, covariance diagonal and known."""
    return np.concatenate([np.diag(lengths), -np.diag(lengths)])


def variances(*lengths: float) -> np.ndarray:
    return 2 * np.square(lengths) / (2 * len(lengths) - 1)


def test_frechet_distance_of_equal_covariances_is_that_of_the_means() -> None:
    features = np.random.default_rng(0).normal(size=(50, 4))
    shift = np.array([3.0, 0.0, -4.0, 0.0])
    assert frechet_distance(features, features + shift) == pytest.approx(25.0)
    assert frechet_distance(features, features[::-1]) == pytest.approx(0.0, abs=1e-12)


def test_frechet_distance_of_diagonal_covariances() -> None:
    a, b = (1.0, 2.0, 3.0), (2.0, 2.0, 0.5)
    expected = np.square(np.sqrt(variances(*a)) - np.sqrt(variances(*b))).sum()
    assert frechet_distance(axes(*a), axes(*b)) == pytest.approx(expected)


def test_frechet_distance_is_the_formula_with_the_matrix_square_root() -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(size=(200, 5)) @ generator.normal(size=(5, 5))
    b = generator.normal(size=(90, 5)) @ generator.normal(size=(5, 5)) + 1
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = np.square(a.mean(0) - b.mean(0)).sum()
    expected += np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(b, a) == pytest.approx(expected)


def test_frechet_distance_of_singular_covariances_is_exact() -> None:
    # Two lines at a right angle in a space of many features: Tr (A B)^(1/2) is 0.
    a, b = np.zeros((3, 100)), np.zeros((3, 100))
    a[:, 0], b[:, 1] = (-1, 0, 1), (-2, 0, 2)
    assert frechet_distance(a, b) == pytest.approx(1.0 + 4.0)
    assert frechet_distance(a, 3 * a) == pytest.approx((3 - 1) ** 2)


def test_features_of_one_shape_are_refused() -> None:
    for measure in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match="at least 2 shapes"):
            measure(np.zeros((1, 3)), np.zeros((4, 3)))


def test_kernel_distance_of_two_points_each() -> None:
    # One feature; pairs within a set have kernels (1 + 1)^3 and (4 + 1)^3, across (2 + 1)^3.
    a, b = np.array([[1.0], [1.0]]), np.array([[2.0], [2.0]])
    assert kernel_distance(a, b) == pytest.approx(8 + 125 - 2 * 27)


def test_kernel_distance_leaves_out_equal_pairs_and_divides_by_the_features() -> None:
    a = np.array([[2.0, 0.0], [0.0, 2.0]])  # within: (0 / 2 + 1)^3
    b = np.array([[2.0, 0.0], [2.0, 0.0]])  # within: (4 / 2 + 1)^3
    across = (27 + 27 + 1 + 1) / 4
    assert kernel_distance(a, b) == pytest.approx(1 + 27 - 2 * across)


def test_kernel_distance_is_zero_on_average_for_one_distribution() -> None:
    generator = np.random.default_rng(0)
    values = [
        kernel_distance(generator.normal(size=(8, 4)), generator.normal(size=(12, 4)))
        for _ in range(400)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * error


def test_chamfer_matrix_is_the_chamfer_distance_of_each_pair() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((3, 40, 3)), generator.random((2, 30, 3))
    trees_a, trees_b = [cKDTree(cloud) for cloud in a], [cKDTree(cloud) for cloud in b]
    expected = [[chamfer_distance(one, other) for other in b] for one in a]
    np.testing.assert_allclose(chamfer_matrix(trees_a, trees_b), expected)
    expected = [[chamfer_distance(one, other) for other in a] for one in a]
    np.testing.assert_allclose(chamfer_matrix(trees_a, trees_a), expected)


# Distances of two samples (rows) to three references (columns).
ACROSS = np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]])


def test_minimum_matching_distance_is_over_references() -> None:
    assert minimum_matching_distance(ACROSS) == pytest.approx((1 + 2 + 5) / 3)


def test_coverage_counts_references_once() -> None:
    assert coverage(ACROSS) == pytest.approx(1 / 3)
    assert coverage(np.array([[1.0, 2.0, 9.0], [9.0, 2.0, 1.0]])) == pytest.approx(2 / 3)


def test_coverage_of_a_tie_is_the_first_reference() -> None:
    assert coverage(np.full((5, 4), 2.0)) == pytest.approx(1 / 4)


def test_samples_without_surface_cover_nothing() -> None:
    assert coverage(np.array([[np.inf] * 3, [1.0, 2.0, 9.0]])) == pytest.approx(1 / 3)
    assert coverage(np.full((2, 3), np.inf)) == 0.0


def on_a_line(samples: list[float], references: list[float]) -> float:
    def between(one: list[float], other: list[float]) -> np.ndarray:
        return np.abs(np.subtract.outer(np.array(one), np.array(other)))

    return nearest_neighbour_accuracy(
        between(samples, samples), between(samples, references), between(references, references)
    )


def test_sets_far_apart_are_told_apart() -> None:
    assert on_a_line([0.0, 1.0, 2.0], [10.0, 11.0, 12.0]) == 1.0


def test_copies_of_the_references_are_their_nearest() -> None:
    assert on_a_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]) == 0.0


def test_ties_between_the_sets_count_half() -> None:
    assert on_a_line([0.0, 1.0], [2.0, 3.0]) == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)
    assert on_a_line([5.0, 5.0, 5.0], [5.0, 5.0]) == 0.5


def test_accuracy_of_one_distribution_is_one_half_for_any_sizes() -> None:
    generator = np.random.default_rng(0)
    values = [
        on_a_line(generator.random(30).tolist(), generator.random(90).tolist()) for _ in range(200)
    ]
    assert np.mean(values) == pytest.approx(118 / 238, abs=0.01)  # (n - 2) / 2 (n - 1), n = 120


def test_a_sample_without_surface_is_told_apart() -> None:
    alone, apart = np.zeros((1, 1)), np.full((1, 2), np.inf)
    near = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert nearest_neighbour_accuracy(alone, apart, near) == 1.0
