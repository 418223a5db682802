"""Upper bounds on the meshes that are read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeshLimits:
    """What `load_mesh` accepts; every bound is checked before memory is spent on it.

    Attributes:
        max_bytes: size of the file.
        max_faces: triangles after triangulation and scene flattening.
        max_vertices: vertices after scene flattening (an STL has three for each face).
        max_scene_nodes: nodes of a glTF scene, and as many instances of its parts.
        max_cloud_points: points of a cloud without faces.
        min_cloud_points: fewest points from which a shape can be encoded.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_faces: int = 2_000_000
    max_vertices: int = 6_000_000
    max_scene_nodes: int = 10_000
    max_cloud_points: int = 6_000_000
    min_cloud_points: int = 512


DEFAULT_LIMITS = MeshLimits()
