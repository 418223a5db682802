"""Surface points: seeded area-weighted sampling and farthest-point order."""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Float32, Float64, Int64

from model.geometry.normalization import Normalization

_RANK_DONE = np.float32(-1.0)  # below every squared distance, so never chosen again


@dataclass(frozen=True, slots=True)
class PointCloud:
    """Surface points in the canonical frame, with the way back to the user's frame.

    Attributes:
        points: (n, 3) float32; a prefix is in farthest-point order, so that the sampled points
            of every level of the autoencoder are slices `points[:m]`.
        normalization: user frame to the canonical frame of `points`.
    """

    points: Float32[np.ndarray, "n 3"]
    normalization: Normalization


def triangle_areas(mesh: trimesh.Trimesh) -> Float64[np.ndarray, " f"]:
    """Area of each face, in squared units of the mesh's frame."""
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    first, second, third = np.asarray(mesh.faces).T
    origin = vertices[first]
    normals = np.cross(vertices[second] - origin, vertices[third] - origin)
    areas: Float64[np.ndarray, " f"] = 0.5 * np.sqrt(np.einsum("fi,fi->f", normals, normals))
    return areas


def sample_surface(
    mesh: trimesh.Trimesh, count: int, *, seed: int
) -> Float64[np.ndarray, "count 3"]:
    """`count` points uniform on the surface, in the mesh's frame; same seed, same points.

    Raises:
        ValueError: `count` is not positive, or the surface has no area.
    """
    points, _ = _sample_faces(mesh, count, seed)
    return points


def sample_oriented_surface(
    mesh: trimesh.Trimesh, count: int, *, seed: int
) -> tuple[Float64[np.ndarray, "count 3"], Float64[np.ndarray, "count 3"]]:
    """The points of `sample_surface`, and the unit normal of the face under each.

    Normals point to where the face's corners go round counter-clockwise: outward, on a mesh whose
    faces are outward.

    Raises:
        ValueError: as `sample_surface`.
    """
    points, corners = _sample_faces(mesh, count, seed)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return points, normals / np.maximum(lengths, np.finfo(np.float64).tiny)


def _sample_faces(
    mesh: trimesh.Trimesh, count: int, seed: int
) -> tuple[Float64[np.ndarray, "count 3"], Float64[np.ndarray, "count 3 3"]]:
    """Points uniform on the surface, and the corners of the face under each."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    cumulative = np.cumsum(triangle_areas(mesh))
    if len(cumulative) == 0 or not cumulative[-1] > 0:
        raise ValueError("the mesh has no surface area to sample")
    generator = np.random.default_rng(seed)
    where = generator.random(count) * cumulative[-1]
    face = np.searchsorted(cumulative, where, side="right").clip(max=len(cumulative) - 1)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces)[face]]
    # Square-root warping makes barycentric coordinates uniform over the triangle.
    root = np.sqrt(generator.random((count, 1)))
    split = generator.random((count, 1))
    points: Float64[np.ndarray, "count 3"] = (
        (1 - root) * corners[:, 0]
        + root * (1 - split) * corners[:, 1]
        + root * split * corners[:, 2]
    )
    return points, corners


def farthest_point_order(
    points: Float[np.ndarray, "n 3"], count: int, *, start: int = 0
) -> Int64[np.ndarray, " count"]:
    """Indices of exact farthest point sampling, each used once.

    Every prefix of the answer is the farthest point sampling of that length, so one run serves
    all levels. Distances are squared float32, ties go to the lowest index.

    Args:
        points: candidates, in any frame whose squared distances fit float32.
        count: how many to choose, at most `n`.
        start: index of the first point chosen.

    Raises:
        ValueError: `count` or `start` is out of range.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"count must be in 1..{len(points)}, got {count}")
    if not 0 <= start < len(points):
        raise ValueError(f"start must be in 0..{len(points) - 1}, got {start}")
    # One contiguous array for each coordinate and no allocation in the loop: the working set
    # stays in the first cache levels.
    x, y, z = np.ascontiguousarray(points.T, dtype=np.float32)
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    squared = np.empty_like(nearest)
    axis = np.empty_like(nearest)
    order = np.empty(count, dtype=np.int64)
    chosen = start
    for rank in range(count):
        order[rank] = chosen
        np.subtract(x, x[chosen], out=squared)
        np.multiply(squared, squared, out=squared)
        np.subtract(y, y[chosen], out=axis)
        np.multiply(axis, axis, out=axis)
        np.add(squared, axis, out=squared)
        np.subtract(z, z[chosen], out=axis)
        np.multiply(axis, axis, out=axis)
        np.add(squared, axis, out=squared)
        np.minimum(nearest, squared, out=nearest)
        nearest[chosen] = _RANK_DONE
        chosen = int(nearest.argmax())
    return order


def to_point_cloud(
    shape: trimesh.Trimesh | trimesh.PointCloud,
    *,
    count: int = 8192,
    ordered: int = 2048,
    seed: int = 0,
) -> PointCloud:
    """The model's input: `count` surface points in the unit sphere, the first `ordered` of them
    in farthest-point order and the rest after them in sampling order.

    The frame comes from the surface itself (the mesh's referenced vertices, or the cloud), so it
    does not depend on the seed (LaGeM, appendix B). A cloud with more than `count` points is
    thinned without repetition; one with fewer repeats each point equally often, give or take one.

    Raises:
        ValueError: `count` or `ordered` is out of range, or the shape has no extent.
    """
    if not 1 <= ordered <= count:
        raise ValueError(f"ordered must be in 1..count ({count}), got {ordered}")
    if isinstance(shape, trimesh.PointCloud):
        surface = np.asarray(shape.vertices, dtype=np.float64)
        sampled = _choose(surface, count, seed=seed)
    else:
        used = np.zeros(len(shape.vertices), dtype=bool)
        used[shape.faces] = True
        surface = np.asarray(shape.vertices, dtype=np.float64)[used]
        sampled = sample_surface(shape, count, seed=seed)
    normalization = Normalization.of_points(surface)
    points = normalization.apply(sampled).astype(np.float32)
    first = farthest_point_order(points, ordered)
    rest = np.ones(count, dtype=bool)
    rest[first] = False
    return PointCloud(np.concatenate([points[first], points[rest]]), normalization)


def _choose(
    points: Float64[np.ndarray, "n 3"], count: int, *, seed: int
) -> Float64[np.ndarray, "count 3"]:
    """`count` rows of `points` at random, each used as equally often as possible."""
    if len(points) == 0:
        raise ValueError("the point cloud is empty")
    generator = np.random.default_rng(seed)
    rounds = -(-count // len(points))
    index = np.concatenate([generator.permutation(len(points)) for _ in range(rounds)])
    chosen: Float64[np.ndarray, "count 3"] = points[index[:count]]
    return chosen
