import numpy as np
import pytest
import trimesh

from model.geometry.simplification import simplify
from tests import shapes


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("target", [2000, 200])
def test_the_target_is_met_at_any_scale_and_the_shape_stays(scale: float, target: int):
    sphere = shapes.sphere(radius=scale, subdivisions=5)
    reduced = simplify(sphere.mesh, target)
    assert len(reduced.faces) <= target
    assert len(reduced.faces) > 0.9 * target
    assert reduced.is_watertight
    assert reduced.volume == pytest.approx(sphere.volume, rel=0.05)


def test_the_frame_stays():
    mesh = shapes.moved(shapes.torus().mesh, (100, 200, 300))
    assert np.allclose(simplify(mesh, 2000).bounds, mesh.bounds, atol=0.02)


@pytest.mark.parametrize("target", [4, 20, 50])
def test_a_closed_surface_is_never_torn_by_a_target_too_small(target: int):
    reduced = simplify(shapes.torus().mesh, target)
    assert reduced.is_watertight
    assert len(reduced.faces) >= 4


def test_a_flat_part_costs_nothing():
    box = shapes.box()
    fine = box.mesh.subdivide().subdivide().subdivide()
    reduced = simplify(fine, 12)
    assert len(fine.faces) == 768
    assert len(reduced.faces) == 12
    assert reduced.volume == pytest.approx(box.volume)


def test_a_mesh_that_is_small_enough_comes_back_as_a_copy():
    mesh = shapes.box().mesh
    same = simplify(mesh, 12)
    assert np.array_equal(same.faces, mesh.faces)
    same.vertices[:] = 0
    assert mesh.volume > 0


def test_an_open_mesh_is_reduced_as_well():
    sphere = shapes.sphere(subdivisions=5).mesh
    half = trimesh.Trimesh(
        sphere.vertices, sphere.faces[sphere.triangles_center[:, 2] > 0], process=False
    )
    assert len(simplify(half, 1000).faces) <= 1000


def test_fewer_faces_than_a_tetrahedron_are_an_error():
    with pytest.raises(ValueError, match="at least 4"):
        simplify(shapes.box().mesh, 3)
