"""Metrics on point sets whose distances are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.data import procedural
from model.data.procedural.solids import Solids
from model.evaluation.metrics import (
    chamfer_distance,
    f_score,
    far_points,
    nearest_distances,
    nearest_neighbours,
    normal_consistency,
    occupancy_iou,
)
from model.evaluation.scores import COMPLETE_SHARE
from model.geometry.sampling import sample_oriented_surface, sample_surface
from tests.shapes import sphere

LINE = np.stack([np.arange(10.0), np.zeros(10), np.zeros(10)], axis=1)
SHIFT = np.array([0.0, 0.25, 0.0])


def test_nearest_distances_are_exact() -> None:
    queries = np.array([[0.0, 3.0, 4.0], [2.4, 0.0, 0.0], [12.0, 0.0, 0.0]])
    np.testing.assert_allclose(nearest_distances(queries, LINE), [5.0, 0.4, 3.0])


def test_nearest_neighbours_are_named() -> None:
    queries = np.array([[0.0, 3.0, 4.0], [2.4, 0.0, 0.0], [12.0, 0.0, 0.0]])
    distances, indices = nearest_neighbours(queries, LINE)
    assert indices.tolist() == [0, 2, 9]
    np.testing.assert_array_equal(distances, nearest_distances(queries, LINE))


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


def test_two_samplings_of_one_surface_differ_by_half_a_spacing() -> None:
    first, second = (sample_surface(sphere(1.0).mesh, 10_000, seed=seed) for seed in (0, 1))
    expected = 0.5 * np.sqrt(4 * np.pi / 10_000)
    assert chamfer_distance(first, second) == pytest.approx(expected, rel=0.02)


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


def test_points_are_far_beyond_the_distance_to_the_nearest_other() -> None:
    assert not far_points(LINE, LINE + SHIFT / 5).any()
    assert far_points(LINE, LINE + SHIFT / 4.9).all()
    assert far_points(LINE, LINE[:7]).tolist() == [False] * 7 + [True] * 3
    assert not far_points(LINE[:7], LINE).any()
    assert far_points(LINE, LINE[:7], distance=1.0).sum() == 2


@pytest.mark.parametrize("seed", [0, 2, 8, 10])  # two with short legs, one with slim ones
def test_a_leg_taken_out_of_a_parametric_chair_is_missed(seed: int) -> None:
    def surface(solids: Solids, seed: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        return solids.sample_surface(20_000, generator)[0].numpy()

    chair = procedural.build("chair", seed)
    truth = surface(chair, 0)
    assert not far_points(truth, surface(chair, 1)).any()
    on_solid = (chair.solid_distances(torch.from_numpy(truth)[None])[0].abs() < 1e-4).numpy()
    legs = 0
    for row, own in enumerate(truth[points] for points in on_solid):
        heights = own[:, 1] - truth[:, 1].min()
        if len(own) and heights.min() < 0.02 and np.ptp(heights) > 0.2:
            legs += 1
            rounding = chair.rounding.clone()
            rounding[0, row] = -torch.inf
            rest = surface(replace(chair, rounding=rounding), 1)
            assert far_points(truth, rest).mean() > 1 - COMPLETE_SHARE
    assert legs == 4


def test_occupancy_iou_counts_points() -> None:
    a = np.array([True, True, True, False, False])
    b = np.array([False, True, True, True, False])
    assert occupancy_iou(a, b) == 0.5
    assert occupancy_iou(a, a) == 1.0
    assert occupancy_iou(a, ~a) == 0.0


def test_occupancy_iou_of_nothing_with_nothing_is_one() -> None:
    empty = np.zeros(4, dtype=bool)
    assert occupancy_iou(empty, empty) == 1.0


def test_occupancy_iou_of_boxes() -> None:
    points = np.random.default_rng(0).random((200_000, 3))
    a, b = points[:, 0] < 0.5, (points[:, 0] > 0.25) & (points[:, 0] < 0.75)
    assert occupancy_iou(a, b) == pytest.approx(1 / 3, abs=0.01)


GRID = np.stack([*np.meshgrid(np.arange(8.0), np.arange(8.0)), np.zeros((8, 8))], -1).reshape(-1, 3)
UP = np.tile([0.0, 0.0, 1.0], (len(GRID), 1))


def tilted(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.tile([np.sin(angle), 0.0, np.cos(angle)], (len(GRID), 1))


def test_normals_of_parallel_planes_agree_whichever_side_they_face() -> None:
    other = GRID + np.array([0.0, 0.0, 0.5])
    assert normal_consistency(GRID, UP, other, UP) == 1.0
    assert normal_consistency(GRID, UP, other, -UP) == 1.0


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120])
def test_normals_of_a_rotated_plane_agree_by_the_cosine(degrees: float) -> None:
    expected = abs(np.cos(np.radians(degrees)))
    assert normal_consistency(GRID, UP, GRID, tilted(degrees)) == pytest.approx(expected, abs=1e-12)


def test_normals_of_concentric_spheres_agree() -> None:
    inner, inner_normals = sample_oriented_surface(sphere(1.0).mesh, 4000, seed=0)
    outer, outer_normals = sample_oriented_surface(sphere(1.1).mesh, 4000, seed=1)
    assert normal_consistency(inner, inner_normals, outer, outer_normals) > 0.995


def test_unrelated_normals_agree_by_half() -> None:
    normals = np.random.default_rng(0).normal(size=(40_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = np.arange(len(normals))[:, None] * np.ones(3)
    shuffled = np.roll(normals, 1, axis=0)
    assert normal_consistency(points, normals, points, shuffled) == pytest.approx(0.5, abs=0.01)


def test_normal_consistency_is_the_mean_of_both_directions() -> None:
    one, two = np.zeros((1, 3)), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    normals = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    # One to two: its neighbour agrees, 1. Two to one: one agrees, the other does not, 1/2.
    assert normal_consistency(one, normals[:1], two, normals) == pytest.approx(0.75)
    assert normal_consistency(two, normals, one, normals[:1]) == pytest.approx(0.75)
