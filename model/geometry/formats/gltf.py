"""glTF 2.0 and GLB: the triangles of the default scene in its world frame, in rest pose."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from model.geometry.errors import MeshError, malformed, too_large
from model.geometry.formats.gltf_accessors import GltfAccessors
from model.geometry.formats.gltf_document import GltfDocument, open_glb, open_gltf
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


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is found by explicit checks
def _flatten(document: GltfDocument, limits: MeshLimits) -> RawMesh:
    """All triangles of the scene over one vertex list."""
    accessors = GltfAccessors(document, limits)
    vertices: list[Float64[np.ndarray, "v 3"]] = [np.empty((0, 3))]
    faces: list[Int64[np.ndarray, "f 3"]] = [np.empty((0, 3), dtype=np.int64)]
    vertex_count = face_count = 0
    for primitive, world in _visible_primitives(document.json, limits):
        # The declared size is checked against what is left before anything is decoded.
        declared = accessors.count(primitive["attributes"]["POSITION"])
        check_counts(vertex_count + declared, face_count, limits)
        points, triangles = _primitive(accessors, primitive)
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
) -> Iterator[tuple[dict[str, Any], _Transform]]:
    """Each triangle primitive of each mesh instance, with its world transform."""
    meshes = document.get("meshes", [])
    count = 0
    for mesh_index, world in _instances(document, limits):
        if not isinstance(mesh_index, int) or not 0 <= mesh_index < len(meshes):
            raise malformed(f"A glTF node refers to mesh {mesh_index!r:.20}, which is missing.")
        for primitive in meshes[mesh_index]["primitives"]:
            if primitive.get("mode", _TRIANGLES) in _TRIANGLE_MODES:
                count += 1
                if count > limits.max_scene_nodes:
                    raise too_large("scene parts", count, limits.max_scene_nodes)
                yield primitive, world


def _primitive(
    accessors: GltfAccessors, primitive: dict[str, Any]
) -> tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
    draco = primitive.get("extensions", {}).get(_DRACO)
    if draco is not None:
        points, triangles = accessors.read_draco(draco)
        return points.astype(np.float64), triangles.astype(np.int64)
    points = accessors.read(primitive["attributes"]["POSITION"])
    if points.shape[1] != 3:
        raise malformed("The positions of a glTF primitive are not three-dimensional.")
    if "indices" in primitive:
        corners = accessors.read(primitive["indices"])[:, 0].astype(np.int64)
    else:
        corners = np.arange(len(points))
    triangles = _triangles(corners, primitive.get("mode", _TRIANGLES))
    return points.astype(np.float64), triangles


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
    nodes = document.get("nodes", [])
    if len(nodes) > limits.max_scene_nodes:
        raise too_large("scene nodes", len(nodes), limits.max_scene_nodes)
    visited: set[int] = set()
    stack = [(root, np.eye(4)) for root in reversed(_roots(document, nodes))]
    while stack:
        index, parent = stack.pop()
        if not isinstance(index, int) or not 0 <= index < len(nodes):
            raise malformed(f"The glTF scene refers to node {index!r:.20}, which is missing.")
        if index in visited:
            raise malformed(f"Node {index} of the glTF scene has two parents or is its own.")
        visited.add(index)
        node = nodes[index]
        world = parent @ _local_transform(node)
        if not np.isfinite(world).all():
            raise MeshError(
                "non_finite_mesh",
                f"The transform of glTF node {index} is not finite.",
                "Export the mesh again with finite node transforms.",
            )
        if "mesh" in node:
            yield node["mesh"], world
        stack.extend((child, world) for child in reversed(node.get("children", [])))


def _roots(document: dict[str, Any], nodes: list[dict[str, Any]]) -> list[int]:
    """Root nodes of the default scene; of all nodes where the file has no scene."""
    scenes = document.get("scenes", [])
    if scenes:
        chosen = document.get("scene", 0)
        if not isinstance(chosen, int) or not 0 <= chosen < len(scenes):
            raise malformed(f"The glTF file shows scene {chosen!r:.20}, which is missing.")
        roots: list[int] = scenes[chosen].get("nodes", [])
        return roots
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in range(len(nodes)) if index not in children]


def _local_transform(node: dict[str, Any]) -> _Transform:
    """The node's matrix, or translation * rotation * scale."""
    if "matrix" in node:
        transform = np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    else:
        x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        transform = np.eye(4)
        transform[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
        transform[:3, 3] = node.get("translation", (0, 0, 0))
    return transform
