"""What every reader returns, and the checks that all formats share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from model.geometry.errors import MeshError, too_large
from model.geometry.limits import MeshLimits


@dataclass(frozen=True, slots=True)
class RawMesh:
    """Vertices and triangles as the file states them; no faces at all means a point cloud.

    Attributes:
        vertices: (v, 3) float64 in the file's frame and unit, scene transforms applied.
        faces: (f, 3) int64 rows of vertex indices.
    """

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int64[np.ndarray, "f 3"]


def check_counts(vertices: int, faces: int, limits: MeshLimits) -> None:
    """Refuse sizes above the limits; called on declared sizes, before memory is spent.

    Raises:
        MeshError: `mesh_too_large`.
    """
    if faces > limits.max_faces:
        raise too_large("faces", faces, limits.max_faces)
    if vertices > limits.max_vertices:
        raise too_large("vertices", vertices, limits.max_vertices)


def fan_size(sizes: Int64[np.ndarray, " p"]) -> int:
    """How many triangles `fan_triangles` makes of polygons with `sizes` corners."""
    return int(np.maximum(sizes - 2, 0).sum())


def fan_triangles(
    corners: Int64[np.ndarray, " c"], sizes: Int64[np.ndarray, " p"], limits: MeshLimits
) -> Int64[np.ndarray, "f 3"]:
    """Polygons as triangle fans around their first corner.

    Args:
        corners: vertex indices of all polygons, one after the other.
        sizes: corners of each polygon; polygons with fewer than three have no triangles.
        limits: the bound on faces, checked before the triangles are made.
    """
    total = fan_size(sizes)
    check_counts(0, total, limits)
    triangles = np.maximum(sizes - 2, 0)
    first = np.repeat(np.cumsum(sizes) - sizes, triangles)
    step = np.arange(total) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    return np.stack([corners[first], corners[first + step + 1], corners[first + step + 2]], axis=1)


def check_indices(faces: Int64[np.ndarray, "f 3"], vertices: int) -> None:
    """Refuse faces that refer to vertices the file does not have.

    Raises:
        MeshError: `invalid_mesh_index`, naming the first such face.
    """
    wrong = (faces < 0) | (faces >= vertices)
    if not wrong.any():
        return
    face, corner = np.argwhere(wrong)[0].tolist()
    raise MeshError(
        "invalid_mesh_index",
        f"Triangle {face} refers to vertex {int(faces[face, corner])} (counted from 0), "
        f"but the file has {vertices} vertices.",
        "Export the mesh again; its face list does not belong to its vertex list.",
    )
