"""One mesh -> one labelled training record: inside and outside by generalised winding number.

The solid is what the components enclose, each taken with its faces outward, so that overlapping
parts unite and inner shells are filled: what the watertight hull of the paper's preparation
(section 4.1) keeps. Meshes that bound no clear solid are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import point_cloud_utils
import trimesh
from jaxtyping import Bool, Float, Float16, Float64, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.data.shards import DEFAULT_POINTS, NEAR_SCALES, VOLUME_RADIUS, PointCounts, ShapeSample
from model.geometry.normalization import Normalization
from model.geometry.sampling import sample_surface

AMBIGUOUS_WINDING = (
    0.2,
    0.8,
)  # |w| strictly between: neither clearly inside nor outside
MAX_AMBIGUOUS_SHARE = 0.05
MIN_BOUNDING_SHARE = 0.35  # of points 0.005 off the surface that are inside; a clean solid has 0.5

_TRIALS = 2_048  # points that tell whether a mesh bounds a clear solid
_SURFACE_POOL = 32_768  # fewest surface samples: they also mark the cells that the surface crosses
_GRID_CELLS = 24  # along the longest side of the bounding box
_INSIDE_DRAWS = 50  # for each inside point; where the solid is thinner than that it is refused


class UnusableMeshError(ValueError):
    """A mesh whose solid cannot be told or sampled; the message is the reason."""


@dataclass(frozen=True, slots=True)
class MeshSolid:
    """A triangle soup in the canonical frame, its components facing outward, as a solid."""

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int64[np.ndarray, "f 3"]

    @classmethod
    def of(cls, mesh: trimesh.Trimesh) -> MeshSolid:
        """Normalise `mesh` (paper, appendix B), drop unused vertices, turn its faces outward."""
        corners = np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces)]
        welded, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
        vertices = Normalization.of_points(welded).apply(welded)
        return cls(vertices, outward(vertices, index.reshape(-1, 3)))

    def winding_number(self, points: Float[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
        """Absolute generalised winding number, by the fast hierarchical approximation.

        Outside the bounding box it is taken as 0, which is exact for closed surfaces.
        """
        queries = points.astype(np.float64)
        lower, upper = self.vertices.min(axis=0), self.vertices.max(axis=0)
        boxed = ((queries > lower) & (queries < upper)).all(axis=1)
        winding = np.zeros(len(queries))
        if boxed.any():
            winding[boxed] = np.abs(
                point_cloud_utils.triangle_soup_fast_winding_number(
                    self.vertices, self.faces, queries[boxed]
                )
            )
        return winding

    def occupied(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Whether each point is in the solid: winding number above one half."""
        return self.winding_number(points) > 0.5


def outward(
    vertices: Float64[np.ndarray, "v 3"], faces: Int64[np.ndarray, "f 3"]
) -> Int64[np.ndarray, "f 3"]:
    """`faces` with each connected component turned so that its signed volume is not negative.

    Volumes of open components are taken about the component's own centroid. Vertices must be
    welded: components are found by shared vertex indices.
    """
    edges = (np.ones(2 * len(faces)), (faces[:, :2].ravel(), faces[:, 1:].ravel()))
    graph = coo_array(edges, shape=(len(vertices), len(vertices)))
    count, vertex_component = connected_components(graph, directed=False)
    component = vertex_component[faces[:, 0]]
    corners = vertices[faces]
    sizes = np.bincount(component, minlength=count)
    centroid = (
        np.stack(
            [np.bincount(component, corners[..., axis].mean(axis=1), count) for axis in range(3)],
            axis=1,
        )
        / np.maximum(sizes, 1)[:, None]
    )
    a, b, c = np.moveaxis(corners - centroid[component][:, None], 1, 0)
    volume = np.bincount(component, np.einsum("fi,fi->f", a, np.cross(b, c)), count)
    return np.where((volume < 0)[component][:, None], faces[:, ::-1], faces)


def label_mesh(
    mesh: trimesh.Trimesh,
    *,
    category: str | None,
    name: str,
    seed: int,
    points: PointCounts = DEFAULT_POINTS,
) -> ShapeSample:
    """Sample and label `mesh` (any frame) in the canonical frame; deterministic by `seed`.

    Raises `UnusableMeshError` when more than 5 % of the unit ball is ambiguous, when the surface
    bounds no solid (open sheets), or when the solid is too thin to find its inside points. The
    first two are judged on points of their own, so they do not depend on the counts asked for.
    """
    rng = np.random.default_rng(seed)
    solid = MeshSolid.of(mesh)
    soup = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    size = max(points.surface + points.near, _SURFACE_POOL)
    pool = sample_surface(soup, size, seed=seed).astype(np.float16)
    _refuse_unclear(solid, pool, rng)
    near = _jittered(pool[points.surface : points.surface + points.near], rng)
    return ShapeSample(
        surface=pool[: points.surface],
        inside=_inside(solid, pool, points.volume // 2, rng),
        outside=_outside(solid, points.volume // 2, rng),
        near=near,
        near_occupied=solid.occupied(near).astype(np.uint8),
        category=category,
        name=name,
    )


def _refuse_unclear(
    solid: MeshSolid, surface: Float16[np.ndarray, "n 3"], rng: np.random.Generator
) -> None:
    """Raise `UnusableMeshError` where winding numbers tell no inside from outside."""
    winding = solid.winding_number(_ball(_TRIALS, 1.0, rng))
    low, high = AMBIGUOUS_WINDING
    share = float(np.mean((winding > low) & (winding < high)))
    if share > MAX_AMBIGUOUS_SHARE:
        raise UnusableMeshError(f"not closed: {share:.0%} of the unit ball is ambiguous")
    fine = NEAR_SCALES[0] * rng.standard_normal((_TRIALS, 3))
    share = float(solid.occupied(surface[:_TRIALS] + fine).mean())
    if share < MIN_BOUNDING_SHARE:
        raise UnusableMeshError(f"open sheets: {share:.0%} of points at the surface are inside")


def _ball(count: int, radius: float, rng: np.random.Generator) -> Float64[np.ndarray, "n 3"]:
    """Points uniform in the ball about the origin."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points: Float64[np.ndarray, "n 3"] = direction * radius * np.cbrt(rng.random((count, 1)))
    return points


def _outside(
    solid: MeshSolid, count: int, rng: np.random.Generator
) -> Float16[np.ndarray, "outside 3"]:
    """Points uniform in the ball of radius sqrt(3) less the solid (paper, appendix A.1).

    The unit ball that holds the solid fills under a fifth of that ball: few draws are lost.
    """
    found = np.empty((0, 3), dtype=np.float16)
    while len(found) < count:
        points = _ball(count + count // 4 + 64, VOLUME_RADIUS, rng).astype(np.float16)
        found = np.concatenate([found, points[~solid.occupied(points)]])
    return found[:count]


def _jittered(
    surface: Float16[np.ndarray, "n 3"], rng: np.random.Generator
) -> Float16[np.ndarray, "n 3"]:
    """The surface points moved at random, one half by each of `NEAR_SCALES` (appendix A.2)."""
    scale = np.repeat(NEAR_SCALES, len(surface) // 2)[:, None]
    points: Float16[np.ndarray, "n 3"] = (
        surface + scale * rng.standard_normal(surface.shape)
    ).astype(np.float16)
    return points


def _inside(
    solid: MeshSolid, surface: Float16[np.ndarray, "n 3"], count: int, rng: np.random.Generator
) -> Float16[np.ndarray, "inside 3"]:
    """`count` points uniform in the solid, by rejection from the cells that can hold it.

    A grid cell without surface samples lies on one side of the surface, its centre tells which:
    the cells kept are those with samples and those inside.
    """
    lower, upper = solid.vertices.min(axis=0), solid.vertices.max(axis=0)
    cell = float((upper - lower).max()) / _GRID_CELLS
    shape = np.maximum(np.ceil((upper - lower) / cell).astype(np.int64), 1)
    crossed = np.zeros(shape, dtype=bool)
    crossed[tuple(np.clip((surface - lower) // cell, 0, shape - 1).astype(np.int64).T)] = True
    empty = np.argwhere(~crossed)
    kept = empty[solid.occupied(lower + (empty + 0.5) * cell)]
    corners = lower + np.concatenate([np.argwhere(crossed), kept]) * cell
    found = np.empty((0, 3), dtype=np.float16)
    drawn, draw, most = 0, 2 * count, _INSIDE_DRAWS * count
    while drawn < most:
        chosen = corners[rng.integers(len(corners), size=draw)]
        points = (chosen + cell * rng.random((draw, 3))).astype(np.float16)
        found = np.concatenate([found, points[solid.occupied(points)]])
        drawn += draw
        if len(found) >= count:
            return found[:count]
        rate = max(len(found), 1) / drawn
        if rate * most < count / 2:
            break  # hopeless, and winding numbers are what takes the time
        draw = min(int(1.2 * (count - len(found)) / rate) + 64, most - drawn + 1)
    raise UnusableMeshError(f"too thin: {len(found)} of {drawn} points drawn are inside")
