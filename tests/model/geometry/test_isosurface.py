from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from model.geometry.isosurface import extract_isosurface

_LOWER, _CELLS = (-1.0, -1.0, -1.0), 48
_SPACING = 2.0 / _CELLS


def _extract(field: Callable[[np.ndarray], np.ndarray]) -> trimesh.Trimesh:
    """The surface of `field`, which maps positions (..., 3) to logits, over [-1, 1]^3."""
    ticks = np.linspace(-1, 1, _CELLS + 1)
    grid = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1)
    vertices, faces = extract_isosurface(
        field(grid).astype(np.float32), lower=_LOWER, spacing=_SPACING
    )
    assert vertices.dtype == np.float64
    assert faces.dtype == np.int64
    return trimesh.Trimesh(vertices, faces, process=False)


def _box(grid: np.ndarray) -> np.ndarray:
    """A box whose faces pass exactly through samples: six planes of exact zeros."""
    logits = (0.5 - np.abs(grid)).min(axis=-1)
    return np.where(np.abs(logits) < 1e-6, 0.0, logits)


def test_a_sphere_has_its_volume_and_faces_outward():
    mesh = _extract(lambda grid: 0.7 - np.linalg.norm(grid, axis=-1))
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.005)
    assert np.allclose(np.linalg.norm(mesh.vertices, axis=1), 0.7, atol=_SPACING**2)


def test_axes_and_origin_are_those_of_the_grid():
    center = np.array([0.3, -0.2, 0.1])
    mesh = _extract(lambda grid: 0.4 - np.linalg.norm((grid - center) / [1, 1, 1.4], axis=-1))
    assert np.allclose(mesh.bounds.mean(axis=0), center, atol=1e-3)
    assert np.allclose(np.ptp(mesh.bounds, axis=0), [0.8, 0.8, 1.12], atol=2e-3)


def test_vertices_of_a_plane_are_interpolated_exactly():
    mesh = _extract(lambda grid: 0.123 - grid[..., 0])
    assert np.allclose(mesh.vertices[:, 0], 0.123, atol=1e-6)
    assert np.allclose(mesh.face_normals, [1, 0, 0], atol=1e-6)


def test_samples_that_are_exactly_zero_leave_the_mesh_watertight_and_welded():
    mesh = _extract(_box)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(1.0, rel=0.02)  # edges are chamfered by half a cell
    first, second, third = mesh.faces.T
    assert not ((first == second) | (second == third) | (third == first)).any()
    assert len(np.unique(mesh.vertices, axis=0)) == len(mesh.vertices)


@pytest.mark.parametrize("value", [-1.0, 1.0, 0.0])
def test_no_sign_change_gives_empty_arrays(value: float):
    logits = np.full((4, 5, 6), value, dtype=np.float32)
    vertices, faces = extract_isosurface(logits, lower=_LOWER, spacing=0.1)
    assert vertices.shape == (0, 3)
    assert faces.shape == (0, 3)


def test_nan_is_an_error_and_no_nan_vertex():
    logits = np.full((4, 4, 4), -1, dtype=np.float32)
    logits[1, 1, 1], logits[2, 2, 2] = 1, np.nan
    with pytest.raises(ValueError, match="finite"):
        extract_isosurface(logits, lower=_LOWER, spacing=0.1)


def test_a_grid_without_cells_is_an_error():
    with pytest.raises(ValueError, match="two samples"):
        extract_isosurface(np.ones((1, 4, 4), dtype=np.float32), lower=_LOWER, spacing=0.1)


def test_a_spacing_of_zero_is_an_error():
    with pytest.raises(ValueError, match="spacing"):
        extract_isosurface(np.ones((4, 4, 4), dtype=np.float32), lower=_LOWER, spacing=0.0)
