import numpy as np
import pytest
import trimesh

from model.geometry.sampling import (
    farthest_point_order,
    sample_oriented_surface,
    sample_surface,
    to_point_cloud,
)
from tests import shapes


def _random_points(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3))


def _reference_order(points: np.ndarray, count: int, start: int) -> list[int]:
    """Farthest point sampling as its definition reads."""
    order = [start]
    while len(order) < count:
        to_chosen = ((points[:, None] - points[order]) ** 2).sum(-1).min(axis=1)
        order.append(int(to_chosen.argmax()))
    return order


class TestSampleSurface:
    def test_points_lie_on_the_surface(self):
        points = sample_surface(shapes.box((2, 2, 2)).mesh, 1000, seed=0)
        assert np.allclose(np.abs(points).max(axis=1), 1)

    def test_faces_are_hit_in_proportion_to_their_area(self):
        count = 60_000
        points = sample_surface(shapes.box((1.0, 2.0, 3.0)).mesh, count, seed=1)
        expected = {0: 6 / 11, 1: 3 / 11, 2: 2 / 11}
        for axis, half in enumerate((0.5, 1.0, 1.5)):
            share = np.isclose(np.abs(points[:, axis]), half).mean()
            deviation = np.sqrt(expected[axis] * (1 - expected[axis]) / count)
            assert abs(share - expected[axis]) < 4 * deviation

    def test_points_are_uniform_within_a_triangle(self):
        triangle = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
        points = sample_surface(triangle, 40_000, seed=2)
        assert np.allclose(points.mean(axis=0), [1 / 3, 1 / 3, 0], atol=0.005)
        # Uniform means that the small triangle at each corner gets a quarter of the points.
        for near in (points[:, 0] > 0.5, points[:, 1] > 0.5, points.sum(axis=1) < 0.5):
            assert near.mean() == pytest.approx(0.25, abs=0.01)

    def test_the_seed_decides_the_points(self):
        mesh = shapes.torus().mesh
        first, again, other = (sample_surface(mesh, 64, seed=seed) for seed in (5, 5, 6))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_the_largest_seed_is_accepted(self):
        assert len(sample_surface(shapes.box().mesh, 8, seed=2**64 - 1)) == 8

    def test_a_collapsed_face_is_never_hit(self):
        mesh = trimesh.Trimesh(
            [[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]], [[3, 3, 3], [0, 1, 2]], process=False
        )
        assert sample_surface(mesh, 500, seed=0).max() <= 1

    def test_no_area_is_an_error(self):
        line = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]], process=False)
        with pytest.raises(ValueError, match="area"):
            sample_surface(line, 8, seed=0)


class TestSampleOrientedSurface:
    def test_points_are_those_of_sample_surface(self):
        mesh = shapes.torus().mesh
        points, _ = sample_oriented_surface(mesh, 64, seed=5)
        assert np.array_equal(points, sample_surface(mesh, 64, seed=5))

    def test_normals_of_a_box_are_the_axes_that_its_faces_look_along(self):
        points, normals = sample_oriented_surface(shapes.box((2, 2, 2)).mesh, 1000, seed=0)
        assert np.allclose(normals, np.where(np.abs(points) > 1 - 1e-9, np.sign(points), 0))

    def test_normals_of_a_sphere_are_unit_and_outward(self):
        points, normals = sample_oriented_surface(shapes.sphere(3.0).mesh, 1000, seed=0)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1)
        assert np.allclose(normals, points / 3.0, atol=0.06)


class TestFarthestPointOrder:
    @pytest.mark.parametrize("start", [0, 17])
    def test_it_is_the_definition(self, start: int):
        points = _random_points(300).astype(np.float32)
        order = farthest_point_order(points, 100, start=start)
        assert order.tolist() == _reference_order(points, 100, start)

    def test_a_prefix_is_the_shorter_run(self):
        points = _random_points(500)
        assert np.array_equal(
            farthest_point_order(points, 200)[:50], farthest_point_order(points, 50)
        )

    def test_nested_runs_agree_with_one_run(self):
        points = _random_points(500)
        order = farthest_point_order(points, 200)
        nested = farthest_point_order(points[order], 50)
        assert np.array_equal(order[nested], order[:50])

    def test_no_index_is_repeated_where_points_coincide(self):
        points = np.repeat(_random_points(4), 8, axis=0)
        assert sorted(farthest_point_order(points, 32)) == list(range(32))

    def test_corners_of_a_square_come_before_its_center(self):
        points = np.array([[0.0, 0, 0], [1, 1, 0], [-1, -1, 0], [1, -1, 0], [-1, 1, 0]])
        assert sorted(farthest_point_order(points, 4, start=1)) == [1, 2, 3, 4]

    @pytest.mark.parametrize(("count", "start"), [(0, 0), (11, 0), (5, 10), (5, -1)])
    def test_out_of_range_is_an_error(self, count: int, start: int):
        with pytest.raises(ValueError, match="must be in"):
            farthest_point_order(_random_points(10), count, start=start)


class TestToPointCloud:
    def test_a_mesh_gives_points_of_its_surface_in_the_unit_sphere(self):
        mesh = shapes.moved(shapes.sphere(radius=3.0).mesh, (10, 20, 30))
        cloud = to_point_cloud(mesh)
        assert cloud.points.shape == (8192, 3)
        assert cloud.points.dtype == np.float32
        radii = np.linalg.norm(cloud.points, axis=1)
        assert radii.max() <= 1 + 1e-6
        assert radii.min() > 0.99
        assert cloud.normalization.center == pytest.approx((10, 20, 30))
        assert cloud.normalization.scale == pytest.approx(1 / 3)

    def test_the_prefix_is_in_farthest_point_order_and_nothing_is_lost(self):
        mesh = shapes.torus().mesh
        cloud = to_point_cloud(mesh, count=1024, ordered=256, seed=3)
        assert np.array_equal(farthest_point_order(cloud.points, 256), np.arange(256))
        sampled = cloud.normalization.apply(sample_surface(mesh, 1024, seed=3)).astype(np.float32)
        assert np.array_equal(np.unique(cloud.points, axis=0), np.unique(sampled, axis=0))

    def test_the_frame_does_not_depend_on_the_seed(self):
        mesh = shapes.box().mesh
        frames = {to_point_cloud(mesh, count=64, ordered=8, seed=s).normalization for s in range(3)}
        assert len(frames) == 1

    def test_vertices_without_faces_do_not_move_the_frame(self):
        box = shapes.box().mesh
        stray = trimesh.Trimesh([*box.vertices, [1e6, 0, 0]], box.faces, process=False)
        frame = to_point_cloud(stray, count=64, ordered=8).normalization
        assert frame == to_point_cloud(box, count=64, ordered=8).normalization

    def test_a_large_cloud_is_thinned_without_repetition(self):
        cloud = to_point_cloud(trimesh.PointCloud(_random_points(5000)), count=4000, ordered=100)
        assert len(np.unique(cloud.points, axis=0)) == 4000

    def test_a_small_cloud_uses_each_point_equally_often(self):
        points = _random_points(600)
        cloud = to_point_cloud(trimesh.PointCloud(points), count=1500, ordered=600)
        rows, repeats = np.unique(cloud.points, axis=0, return_counts=True)
        assert len(rows) == 600
        assert set(repeats) == {2, 3}
        assert np.linalg.norm(cloud.points, axis=1).max() == pytest.approx(1.0)

    @pytest.mark.parametrize(("count", "ordered"), [(10, 11), (10, 0)])
    def test_an_impossible_prefix_is_an_error(self, count: int, ordered: int):
        with pytest.raises(ValueError, match="ordered"):
            to_point_cloud(shapes.box().mesh, count=count, ordered=ordered)
