"""Metrics on point sets whose distances are known."""

import numpy as np
import pytest

from model.evaluation.metrics import (
    chamfer_distance,
    f_score,
    nearest_distances,
    volume_iou,
)
from tests.shapes import sphere

LINE = np.stack([np.arange(10.0), np.zeros(10), np.zeros(10)], axis=1)
SHIFT = np.array([0.0, 0.25, 0.0])


def test_nearest_distances_are_exact() -> None:
    queries = np.array([[0.0, 3.0, 4.0], [2.4, 0.0, 0.0], [12.0, 0.0, 0.0]])
    np.testing.assert_allclose(nearest_distances(queries, LINE), [5.0, 0.4, 3.0])


def test_equal_sets_are_at_no_distance() -> None:
    assert chamfer_distance(LINE, LINE[::-1]) == 0.0
    assert f_score(LINE, LINE[::-1]) == 1.0


def test_chamfer_is_the_mean_of_both_directions() -> None:
    far = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    near = np.array([[0.0, 0.0, 0.0]])
    assert chamfer_distance(far, near) == pytest.approx((1.0 + 0.0) / 2)
    assert chamfer_distance(near, far) == pytest.approx(chamfer_distance(far, near))


def test_chamfer_of_a_shifted_line_is_the_shift() -> None:
    assert chamfer_distance(LINE, LINE + SHIFT) == pytest.approx(0.25)


def test_concentric_spheres_differ_by_their_radii() -> None:
    inner, outer = sphere(1.0).mesh.vertices, sphere(1.1).mesh.vertices
    assert chamfer_distance(np.asarray(inner), np.asarray(outer)) == pytest.approx(0.1, rel=1e-6)


def test_f_score_is_the_harmonic_mean() -> None:
    half_off = LINE.copy()
    half_off[:5, 1] = 10.0
    # Precision 1/2 (five points are near the line), recall 1/2 (five line points are found).
    assert f_score(half_off, LINE) == pytest.approx(0.5)
    # Precision 1, recall 1/2.
    assert f_score(LINE[:5], LINE) == pytest.approx(2 / 3)


def test_f_score_threshold_is_strict_and_settable() -> None:
    moved = LINE + SHIFT
    assert f_score(moved, LINE) == 0.0
    assert f_score(moved, LINE, threshold=0.3) == 1.0
    assert f_score(moved, LINE, threshold=0.25) == 0.0


def test_volume_iou_counts_points() -> None:
    a = np.array([True, True, True, False, False])
    b = np.array([False, True, True, True, False])
    assert volume_iou(a, b) == 0.5
    assert volume_iou(a, a) == 1.0
    assert volume_iou(a, ~a) == 0.0


def test_volume_iou_of_nothing_with_nothing_is_one() -> None:
    empty = np.zeros(4, dtype=bool)
    assert volume_iou(empty, empty) == 1.0


def test_volume_iou_of_boxes() -> None:
    points = np.random.default_rng(0).random((200_000, 3))
    a, b = points[:, 0] < 0.5, (points[:, 0] > 0.25) & (points[:, 0] < 0.75)
    assert volume_iou(a, b) == pytest.approx(1 / 3, abs=0.01)
