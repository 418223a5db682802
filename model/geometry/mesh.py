"""Mesh input and output: untrusted bytes to a checked mesh, a mesh to bytes, a mesh's report."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float64, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.geometry.errors import MeshError, MeshErrorCode, malformed, too_large
from model.geometry.formats.detection import IMPORT_FORMATS, detect_format
from model.geometry.formats.gltf import read_glb, read_gltf
from model.geometry.formats.npy import read_npy
from model.geometry.formats.obj import read_obj
from model.geometry.formats.off import read_off
from model.geometry.formats.ply import read_ply
from model.geometry.formats.raw_mesh import RawMesh, check_counts, check_indices
from model.geometry.formats.stl import read_stl
from model.geometry.limits import DEFAULT_LIMITS, MeshLimits
from model.geometry.sampling import triangle_areas

__all__ = [
    "EXPORT_FORMATS",
    "IMPORT_FORMATS",
    "MeshError",
    "MeshErrorCode",
    "MeshLimits",
    "MeshReport",
    "detect_format",
    "export_mesh",
    "load_mesh",
    "mesh_report",
]

EXPORT_FORMATS = ("glb", "obj", "ply", "stl")

_READERS: dict[str, Callable[[bytes, MeshLimits], RawMesh]] = {
    "glb": read_glb,
    "gltf": read_gltf,
    "obj": read_obj,
    "stl": read_stl,
    "ply": read_ply,
    "off": read_off,
    "npy": read_npy,
}
_CLOUD_FORMATS = ("ply", "npy")
_LARGEST_COORDINATE = 1e30  # areas, which are squares of it, stay far from overflow
_SMALLEST_AREA = 1e-7  # of the squared extent; points on a line, rounded to float32, have less
_SAME_POSITION = 1e-9  # of the extent; exporters round one vertex in more than one way


def load_mesh(
    data: bytes, *, hint: str | None = None, limits: MeshLimits = DEFAULT_LIMITS
) -> trimesh.Trimesh | trimesh.PointCloud:
    """Read a mesh or point cloud from untrusted bytes.

    Scenes are flattened with their world transforms; vertices are neither merged nor moved.
    Nothing but `data` is read: references to other files are refused or ignored.

    Args:
        data: the whole file, in one of `IMPORT_FORMATS`. The bytes decide which.
        hint: file name or extension, for bytes that fit several formats or none.
        limits: what is accepted.

    Returns:
        A mesh with at least one face and positive area, or, for a PLY without faces and for
        NPY, a point cloud with positive extent; all numbers finite, all indices in range.

    Raises:
        MeshError: with the code that says why.
    """
    if len(data) > limits.max_bytes:
        raise too_large("bytes", len(data), limits.max_bytes)
    format_name = detect_format(data, hint)
    try:
        raw = _READERS[format_name](data, limits)
    except MeshError:
        raise
    except MemoryError:
        raise MeshError(
            "mesh_too_large",
            "Reading the mesh takes more memory than is granted.",
            "Simplify the mesh or send a smaller part of it.",
        ) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Readers check what is worth its own message; any other contradiction ends here. What
        # Python says of it is no word of the file's, and stays with the cause.
        raise malformed(
            f"The file is not a valid {format_name} file: its parts contradict each other."
        ) from error
    _check_finite(raw.vertices)
    if len(raw.faces) == 0 and format_name in _CLOUD_FORMATS:
        return _checked_cloud(raw.vertices, limits)
    return _checked_mesh(raw, limits)


def _check_finite(vertices: Float64[np.ndarray, "v 3"]) -> None:
    # NaN fails the comparison as well, so one pass covers both.
    wrong = ~(np.abs(vertices) <= _LARGEST_COORDINATE)
    if wrong.any():
        vertex = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise MeshError(
            "non_finite_mesh",
            f"Vertex {vertex} is at {vertices[vertex].tolist()}; coordinates must be finite "
            f"and at most {_LARGEST_COORDINATE:g} in size.",
            "Remove such vertices and export the mesh again.",
        )


def _checked_cloud(points: Float64[np.ndarray, "n 3"], limits: MeshLimits) -> trimesh.PointCloud:
    if len(points) > limits.max_cloud_points:
        raise too_large("points", len(points), limits.max_cloud_points)
    if len(points) < limits.min_cloud_points:
        raise MeshError(
            "point_cloud_too_small",
            f"The file has no faces and {len(points)} points; a point cloud needs at least "
            f"{limits.min_cloud_points}.",
            "Send a mesh with faces, or a denser point cloud.",
        )
    if not (np.ptp(points, axis=0) > 0).any():
        raise MeshError(
            "empty_mesh", "All points of the cloud coincide.", "Send points of a surface."
        )
    return trimesh.PointCloud(points)


def _checked_mesh(raw: RawMesh, limits: MeshLimits) -> trimesh.Trimesh:
    check_counts(len(raw.vertices), len(raw.faces), limits)
    if len(raw.faces) == 0:
        raise MeshError(
            "empty_mesh", "The file has no faces.", "Send a mesh with at least one triangle."
        )
    check_indices(raw.faces, len(raw.vertices))
    mesh = trimesh.Trimesh(raw.vertices, raw.faces, process=False)
    extent = float(np.ptp(raw.vertices, axis=0).max())
    if not triangle_areas(mesh).sum() > _SMALLEST_AREA * extent**2:
        raise MeshError(
            "empty_mesh",
            "The faces have no area: all are collapsed to lines or points.",
            "Send a mesh whose triangles span a surface.",
        )
    return mesh


def export_mesh(mesh: trimesh.Trimesh, format: str) -> bytes:  # noqa: A002 (the word all know)
    """`mesh` as a file: geometry only, in its own frame, with its vertex sharing (but STL).

    Args:
        mesh: the mesh to write.
        format: one of `EXPORT_FORMATS`.

    Raises:
        MeshError: `unsupported_mesh_format` for any other format, `empty_mesh` without faces.
    """
    if len(mesh.faces) == 0:
        raise MeshError(
            "empty_mesh", "The mesh has no faces to write.", "Check what it was made from."
        )
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    match format:
        case "glb" | "stl":
            content = bare.export(file_type=format)
        case "ply":
            content = bare.export(file_type="ply", vertex_normal=False)
        case "obj":
            content = bare.export(file_type="obj", include_normals=False, include_color=False)
        case _:
            raise MeshError(
                "unsupported_mesh_format",
                f"Meshes cannot be written as {format!r}.",
                f"Choose one of {', '.join(EXPORT_FORMATS)}.",
            )
    return content.encode() if isinstance(content, str) else bytes(content)


@dataclass(frozen=True, slots=True)
class MeshReport:
    """What a user wants to know of a mesh before using it.

    Attributes:
        vertices: rows of the vertex list.
        faces: triangles.
        bounds: lower and upper corner of the bounding box, in the mesh's frame.
        watertight: whether each edge is shared by exactly two faces.
        components: connected parts of the surface.
        boundary_edges: edges of one face only: the rims of holes.
    """

    vertices: int
    faces: int
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    watertight: bool
    components: int
    boundary_edges: int


def mesh_report(mesh: trimesh.Trimesh) -> MeshReport:
    """Measure `mesh`.

    Connectivity is that of the geometry: vertices at the same position count as one, and faces
    that collapse by this are left out, so an STL is judged like the mesh it came from.

    Raises:
        ValueError: the mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise ValueError("mesh must have at least one face")
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    faces = np.asarray(mesh.faces, dtype=np.int64)
    welded = _position_ids(vertices)[faces]
    first, second, third = welded.T
    solid = welded[(first != second) & (second != third) & (third != first)]
    edges = np.sort(solid[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    keys, sharing = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_counts=True)
    lower, upper = (corner.tolist() for corner in mesh.bounds)
    return MeshReport(
        vertices=len(vertices),
        faces=len(faces),
        bounds=((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])),
        watertight=bool(len(sharing) > 0 and (sharing == 2).all()),
        components=_component_count(keys // len(vertices), keys % len(vertices), len(vertices)),
        boundary_edges=int((sharing == 1).sum()),
    )


def _position_ids(vertices: Float64[np.ndarray, "v 3"]) -> Int64[np.ndarray, " v"]:
    """One number for each vertex, equal where the positions are equal up to rounding."""
    step = float(np.ptp(vertices, axis=0).max()) * _SAME_POSITION
    cells = np.rint((vertices - vertices.min(axis=0)) / step) if step > 0 else vertices
    order = np.lexsort(cells.T)
    ranked = cells[order]
    is_new = np.ones(len(vertices), dtype=bool)
    is_new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    ids = np.empty(len(vertices), dtype=np.int64)
    ids[order] = np.cumsum(is_new) - 1
    return ids


def _component_count(
    first: Int64[np.ndarray, " e"], second: Int64[np.ndarray, " e"], vertices: int
) -> int:
    """Connected components of the graph, vertices without an edge left out."""
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), (vertices, vertices))
    _, labels = connected_components(graph, directed=False)
    return len(np.unique(labels[first]))
