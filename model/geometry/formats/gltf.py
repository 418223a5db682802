"""glTF 2.0 and GLB: the triangles of the default scene in its world frame, in rest pose."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from model.geometry.errors import MeshError, malformed, too_large
from model.geometry.formats.gltf_accessors import GltfAccessors
from model.geometry.formats.gltf_document import GltfDocument, open_glb, open_gltf
from model.geometry.formats.gltf_values import entry, is_index, listed, numbers, section, whole
from model.geometry.formats.raw_mesh import RawMesh, check_counts, check_indices
from model.geometry.limits import MeshLimits

_TRIANGLES, _TRIANGLE_STRIP, _TRIANGLE_FAN = _TRIANGLE_MODES = (4, 5, 6)
_DRACO = "KHR_draco_mesh_compression"

_Transform = Float64[np.ndarray, "4 4"]


def read_glb(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read a binary glTF; see `open_glb` for what is refused.

    Raises:
        MeshError: any of its codes but `point_cloud_too_small`.
    """
    return _flatten(open_glb(data), limits)


def read_gltf(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read a self-contained JSON glTF. Raises what `read_glb` raises."""
    return _flatten(open_gltf(data), limits)


@dataclass(frozen=True, slots=True)
class _Primitive:
    """One primitive of triangles.

    Attributes:
        mode: one of the three triangle modes.
        positions, indices: accessors; without indices each vertex is a corner.
        draco: the Draco extension, where it holds the geometry.
    """

    mode: int
    positions: int
    indices: int | None
    draco: dict[str, Any] | None

    def declared(self, accessors: GltfAccessors) -> tuple[int, int]:
        """How many vertices and triangles it says it has; of packed triangles it does not say."""
        vertices = accessors.count(self.positions)
        if self.draco is not None:
            return vertices, 0
        corners = vertices if self.indices is None else accessors.count(self.indices)
        return vertices, corners // 3 if self.mode == _TRIANGLES else max(corners - 2, 0)

    def read(
        self, accessors: GltfAccessors
    ) -> tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
        """Its vertices and triangles."""
        if self.draco is not None:
            points, triangles = accessors.read_draco(self.draco)
            return points.astype(np.float64), triangles.astype(np.int64)
        points = accessors.positions(self.positions)
        if self.indices is None:
            corners = np.arange(len(points))
        else:
            corners = accessors.indices(self.indices).astype(np.int64)
        return points.astype(np.float64), _triangles(corners, self.mode)


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is found by explicit checks
def _flatten(document: GltfDocument, limits: MeshLimits) -> RawMesh:
    """All triangles of the scene over one vertex list."""
    accessors = GltfAccessors(document)
    vertices: list[Float64[np.ndarray, "v 3"]] = [np.empty((0, 3))]
    faces: list[Int64[np.ndarray, "f 3"]] = [np.empty((0, 3), dtype=np.int64)]
    vertex_count = face_count = 0
    for primitive, world in _visible_primitives(document.json, limits):
        # The declared size is checked against what is left before anything is decoded.
        declared, triangle_count = primitive.declared(accessors)
        check_counts(vertex_count + declared, face_count + triangle_count, limits)
        points, triangles = primitive.read(accessors)
        check_counts(vertex_count + len(points), face_count + len(triangles), limits)
        check_indices(triangles, len(points))
        if np.linalg.det(world[:3, :3]) < 0:
            triangles = triangles[:, ::-1]  # a mirrored instance keeps facing outward
        vertices.append(points @ world[:3, :3].T + world[:3, 3])
        faces.append(triangles + vertex_count)
        vertex_count += len(points)
        face_count += len(triangles)
    return RawMesh(np.concatenate(vertices), np.concatenate(faces))


def _visible_primitives(
    document: dict[str, Any], limits: MeshLimits
) -> Iterator[tuple[_Primitive, _Transform]]:
    """Each triangle primitive of each mesh instance, with its world transform."""
    count = 0
    for mesh_index, world in _instances(document, limits):
        mesh = entry(document, "meshes", mesh_index)
        for part in listed(mesh, "primitives", f"Mesh {mesh_index} of the glTF file"):
            where = f"A primitive of mesh {mesh_index} of the glTF file"
            mode = whole(part, "mode", where, _TRIANGLES)
            if mode not in _TRIANGLE_MODES:
                continue
            count += 1
            if count > limits.max_scene_nodes:
                raise too_large("scene parts", count, limits.max_scene_nodes)
            positions = whole(section(part, "attributes", where), "POSITION", where)
            indices = whole(part, "indices", where) if "indices" in part else None
            extensions = section(part, "extensions", where, {})
            draco = section(extensions, _DRACO, where) if _DRACO in extensions else None
            yield _Primitive(mode, positions, indices, draco), world


def _triangles(corners: Int64[np.ndarray, " c"], mode: int) -> Int64[np.ndarray, "f 3"]:
    """The triangles of a primitive in one of the three triangle modes."""
    if mode == _TRIANGLES:
        if len(corners) % 3:
            raise malformed(f"A glTF primitive has {len(corners):,} indices, not a multiple of 3.")
        return corners.reshape(-1, 3)
    count = max(len(corners) - 2, 0)
    step = np.arange(count)
    if mode == _TRIANGLE_FAN:
        return np.stack([corners[1 : count + 1], corners[2:], corners[np.zeros_like(step)]], axis=1)
    odd = step % 2
    return np.stack([corners[step], corners[step + 1 + odd], corners[step + 2 - odd]], axis=1)


def _instances(document: dict[str, Any], limits: MeshLimits) -> Iterator[tuple[int, _Transform]]:
    """Mesh index and world transform of each node that shows a mesh."""
    nodes = listed(document, "nodes", "The glTF file", [])
    if len(nodes) > limits.max_scene_nodes:
        raise too_large("scene nodes", len(nodes), limits.max_scene_nodes)
    visited: set[int] = set()
    stack = [(root, np.eye(4)) for root in reversed(_roots(document, nodes))]
    while stack:
        index, parent = stack.pop()
        node, where = entry(document, "nodes", index), f"Node {index} of the glTF file"
        if index in visited:
            raise malformed(f"{where} has two parents or is its own.")
        visited.add(index)
        world = parent @ _local_transform(node, where)
        if not np.isfinite(world).all():
            raise MeshError(
                "non_finite_mesh",
                f"The transform of node {index} of the glTF file is not finite.",
                "Export the mesh again with finite node transforms.",
            )
        if "mesh" in node:
            yield whole(node, "mesh", where), world
        stack.extend((child, world) for child in reversed(listed(node, "children", where, [])))


def _roots(document: dict[str, Any], nodes: list[Any]) -> list[Any]:
    """Root nodes of the default scene; of all nodes where the file has no scene."""
    if listed(document, "scenes", "The glTF file", []):
        chosen = whole(document, "scene", "The glTF file", 0)
        scene = entry(document, "scenes", chosen)
        return listed(scene, "nodes", f"Scene {chosen} of the glTF file", [])
    children: set[int] = set()
    for index, node in enumerate(nodes):
        below = listed(node, "children", f"Node {index} of the glTF file", [])
        children.update(child for child in below if is_index(child))
    return [index for index in range(len(nodes)) if index not in children]


def _local_transform(node: dict[str, Any], where: str) -> _Transform:
    """The node's matrix, or translation * rotation * scale."""
    if "matrix" in node:
        return np.array(numbers(node, "matrix", where, [0.0] * 16)).reshape(4, 4).T
    x, y, z, w = numbers(node, "rotation", where, [0.0, 0.0, 0.0, 1.0])
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    transform = np.eye(4)
    transform[:3, :3] = rotation * np.array(numbers(node, "scale", where, [1.0, 1.0, 1.0]))
    transform[:3, 3] = numbers(node, "translation", where, [0.0, 0.0, 0.0])
    return transform
