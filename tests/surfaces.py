"""Comparison of triangle meshes of one grid, whatever the order of their vertices and faces."""

from __future__ import annotations

import numpy as np
import trimesh
from scipy.spatial import cKDTree

Surface = tuple[np.ndarray, np.ndarray]


def assert_same_surface(
    one: Surface, other: Surface, *, spacing: float, within: float = 1e-5
) -> None:
    """The same triangles, the same way round, with vertices `within` a fraction of a cell."""
    (vertices, faces), (other_vertices, other_faces) = one, other
    assert vertices.shape == other_vertices.shape
    assert faces.shape == other_faces.shape
    if not len(vertices):
        return
    distances, partners = cKDTree(other_vertices).query(vertices)
    assert distances.max() <= within * spacing
    assert len(np.unique(partners)) == len(partners)
    np.testing.assert_array_equal(_sorted(partners[faces]), _sorted(other_faces))


def assert_closed(surface: Surface) -> None:
    """Watertight, faces outward, and no vertex that no face has."""
    mesh = trimesh.Trimesh(*surface, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert len(np.unique(mesh.faces)) == len(mesh.vertices)


def _sorted(faces: np.ndarray) -> np.ndarray:
    """Faces begun at their least vertex, in rising order."""
    turns = (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    turned = np.take_along_axis(faces, turns, axis=1)
    return turned[np.lexsort(turned.T)]
