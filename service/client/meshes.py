"""Meshes to bytes to send, and bytes that came back to meshes."""

import io
from pathlib import Path
from typing import TypeAlias

import numpy as np
import trimesh

from model.geometry.limits import MeshLimits
from model.geometry.mesh import load_mesh

MeshSource: TypeAlias = (
    str | Path | bytes | trimesh.Trimesh | trimesh.PointCloud | trimesh.Scene | np.ndarray
)
"""What can be encoded."""

_RESULT_LIMITS = MeshLimits(max_bytes=2**32, max_faces=2**30, max_vertices=2**31)
"""Results are as large as they were asked for; uploads are bounded by the server."""

_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def read_mesh(data: bytes, mesh_format: str) -> trimesh.Trimesh:
    """A mesh that the server made."""
    return load_mesh(data, hint=mesh_format, limits=_RESULT_LIMITS)


def mesh_bytes(source: MeshSource) -> tuple[bytes, str | None]:
    """A mesh or point cloud as a file the server reads, and the name it has, if any.

    Meshes in memory keep all digits of their coordinates, so that the result lies over them even
    far away from the origin.

    Raises:
        OSError: the file cannot be read.
        TypeError, ValueError: ``source`` is nothing that has a surface.
    """
    match source:
        case str() | Path():
            path = Path(source)
            return path.read_bytes(), path.name
        case bytes() | bytearray() | memoryview():
            return bytes(source), None
        case trimesh.Trimesh():
            return _ply(source), None
        case trimesh.Scene():
            return bytes(source.export(file_type="glb")), None
        case trimesh.PointCloud():
            return _npy(np.asarray(source.vertices)), None
        case np.ndarray():
            return _npy(source), None
    raise TypeError(
        f"source must be a path, the bytes of a mesh file, a trimesh mesh, scene or point cloud, or"
        f" an array of points, not {type(source).__name__}"
    )


def _ply(mesh: trimesh.Trimesh) -> bytes:
    """Binary PLY in double precision, which trimesh itself does not write."""
    vertices = np.asarray(mesh.vertices, dtype="<f8")
    faces = np.empty(len(mesh.faces), dtype=_FACE)
    faces["count"] = 3
    faces["corners"] = mesh.faces
    axes = "".join(f"property double {axis}\n" for axis in "xyz")
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\n{axes}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return header.encode() + vertices.tobytes() + faces.tobytes()


def _npy(points: np.ndarray) -> bytes:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
        raise ValueError(
            f"source must be an (N, 3) array of numbers, not {points.shape} of {points.dtype}"
        )
    buffer = io.BytesIO()
    np.save(buffer, points, allow_pickle=False)
    return buffer.getvalue()
