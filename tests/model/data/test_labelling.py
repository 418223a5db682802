"""Labels from meshes, against solids whose occupancy is known in closed form."""

import numpy as np
import pytest
import trimesh

from model.data.labelling import MeshSolid, UnusableMeshError, label_mesh
from model.data.shards import DEFAULT_POINTS, PointCounts, ShapeSample


def labelled(mesh: trimesh.Trimesh) -> ShapeSample:
    return label_mesh(mesh, category=None, name="test", seed=0)


def box(extents: tuple[float, float, float], center: tuple[float, float, float]) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(extents)
    mesh.apply_translation(center)
    return mesh


@pytest.fixture(scope="module")
def beam() -> ShapeSample:
    """A beam of size 4 x 1 x 1 away from the origin; canonical size is 4 x 1 x 1 over `half`."""
    return labelled(box((4.0, 1.0, 1.0), (10.0, -3.0, 5.0)))


HALF_DIAGONAL = np.sqrt(4.0 + 0.25 + 0.25)
HALF_SIZES = np.array([2.0, 0.5, 0.5]) / HALF_DIAGONAL


def in_beam(points: np.ndarray, margin: float) -> np.ndarray:
    return (np.abs(points.astype(np.float64)) < HALF_SIZES + margin).all(axis=1)


def test_has_the_sizes_of_a_record(beam: ShapeSample) -> None:
    assert beam.surface.shape == (DEFAULT_POINTS.surface, 3)
    assert beam.inside.shape == beam.outside.shape == (DEFAULT_POINTS.volume // 2, 3)
    assert beam.near.shape == (DEFAULT_POINTS.near, 3)


@pytest.mark.parametrize("points", [PointCounts(1, 2, 2), PointCounts(70_000, 9_000, 30_000)])
def test_gives_as_many_points_as_asked_for(points: PointCounts) -> None:
    record = label_mesh(trimesh.creation.box(), category="box", name="test", seed=0, points=points)
    assert record.surface.shape == (points.surface, 3)
    assert record.inside.shape == record.outside.shape == (points.volume // 2, 3)
    assert record.near.shape == (points.near, 3)
    assert record.near_occupied.shape == (points.near,)
    assert len(np.unique(record.inside, axis=0)) > 0.99 * len(record.inside)  # no repetition


def test_surface_is_the_canonical_surface(beam: ShapeSample) -> None:
    depth = np.abs(np.abs(beam.surface.astype(np.float64)) - HALF_SIZES).min(axis=1)
    assert depth.max() < 5e-4  # the spacing of float16 below 1
    assert np.linalg.norm(beam.surface.astype(np.float64), axis=1).max() <= 1.001


def test_labels_are_exact_away_from_rounding(beam: ShapeSample) -> None:
    assert in_beam(beam.inside, 1e-6).all()
    assert not in_beam(beam.outside, -1e-6).any()
    sure = in_beam(beam.near, -1e-6) == in_beam(beam.near, 1e-6)
    np.testing.assert_array_equal(beam.near_occupied[sure], in_beam(beam.near, 0.0)[sure])
    assert sure.mean() > 0.99


def test_inside_is_uniform_in_the_solid(beam: ShapeSample) -> None:
    unit = beam.inside.astype(np.float64) / HALF_SIZES
    np.testing.assert_allclose(unit.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose((unit**2).mean(axis=0), 1 / 3, atol=0.03)


def test_outside_fills_the_ball_of_radius_sqrt_3(beam: ShapeSample) -> None:
    radius = np.linalg.norm(beam.outside.astype(np.float64), axis=1)
    assert radius.max() <= np.sqrt(3) + 1e-3
    beam_volume = 8 * HALF_SIZES.prod()
    ball = 4 / 3 * np.pi
    share = (ball - beam_volume) / (3**1.5 * ball - beam_volume)
    assert (radius < 1).mean() == pytest.approx(share, abs=0.03)


def test_near_points_keep_the_two_distances(beam: ShapeSample) -> None:
    offset = np.abs(beam.near.astype(np.float64)) - HALF_SIZES
    distance = np.abs(np.linalg.norm(np.maximum(offset, 0), axis=1) + np.minimum(offset.max(1), 0))
    fine, coarse = distance[: len(distance) // 2], distance[len(distance) // 2 :]
    normal_mean = np.sqrt(2 / np.pi)  # of |N(0, 1)|, the distance to a plane
    assert fine.mean() == pytest.approx(0.005 * normal_mean, rel=0.06)
    assert coarse.mean() == pytest.approx(0.05 * normal_mean, rel=0.25)


def test_is_deterministic_by_seed() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    first, second = labelled(mesh), labelled(mesh)
    other = label_mesh(mesh, category=None, name="test", seed=1)
    for field in ("surface", "inside", "outside", "near"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
        assert not np.array_equal(getattr(first, field), getattr(other, field))


def test_turns_an_inside_out_mesh() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    mesh.invert()
    assert np.linalg.norm(labelled(mesh).inside.astype(np.float64), axis=1).max() < 1.0


def test_unites_overlapping_parts_of_opposite_orientation() -> None:
    other = box((2.0, 1.0, 1.0), (1.0, 0.0, 0.0))
    other.invert()
    solid = MeshSolid.of(trimesh.util.concatenate([box((2.0, 1.0, 1.0), (0.0, 0.0, 0.0)), other]))
    along = np.linspace(-0.85, 0.85, 40)  # half of the union's 3 x 1 x 1 is 0.905 long
    assert solid.occupied(np.stack([along, 0 * along, 0 * along], axis=1)).all()


def test_fills_an_inner_shell() -> None:
    inner = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    inner.invert()
    shell = trimesh.util.concatenate([trimesh.creation.icosphere(subdivisions=2), inner])
    assert MeshSolid.of(shell).occupied(np.zeros((1, 3))).all()


def test_finds_the_inside_of_a_thin_plate() -> None:
    plate = labelled(box((2.0, 0.02, 2.0), (0.0, 0.0, 0.0)))
    assert np.abs(plate.inside.astype(np.float64)[:, 1]).max() <= 0.01 / np.sqrt(2) + 1e-4
    assert np.abs(plate.inside.astype(np.float64)[:, ::2]).mean() == pytest.approx(0.3535, abs=0.01)


def test_welds_unshared_vertices() -> None:
    cube = trimesh.creation.box()
    soup = trimesh.Trimesh(
        cube.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False
    )
    assert len(MeshSolid.of(soup).vertices) == 8


def half_sphere() -> trimesh.Trimesh:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    sphere.update_faces(sphere.triangles_center[:, 1] > 0)
    return sphere


def crossed_sheets() -> trimesh.Trimesh:
    square = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    sheet = trimesh.Trimesh(square, [[0, 1, 2], [0, 2, 3]], process=False)
    small = trimesh.creation.box((0.05, 0.05, 0.05))
    return trimesh.util.concatenate([sheet, small])


@pytest.mark.parametrize("points", [PointCounts(1, 2, 2), DEFAULT_POINTS])
@pytest.mark.parametrize("mesh", [half_sphere(), crossed_sheets()])
def test_refuses_what_bounds_no_solid(mesh: trimesh.Trimesh, points: PointCounts) -> None:
    with pytest.raises(UnusableMeshError, match=r"not closed|open sheets"):
        label_mesh(mesh, category=None, name="test", seed=0, points=points)


def test_refuses_a_needle_too_thin_to_sample() -> None:
    with pytest.raises(UnusableMeshError, match=r"too thin|open sheets"):
        labelled(box((2.0, 1e-4, 1e-4), (0.0, 0.0, 0.0)))
