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

from model.data.shards import (
    NEAR_POINTS,
    NEAR_SCALES,
    SURFACE_POINTS,
    VOLUME_POINTS,
    VOLUME_RADIUS,
    ShapeSample,
)
from model.geometry.normalization import Normalization
from model.geometry.sampling import sample_surface

AMBIGUOUS_WINDING = (
    0.2,
    0.8,
)  # |w| strictly between: neither clearly inside nor outside
MAX_AMBIGUOUS_SHARE = 0.05
MIN_BOUNDING_SHARE = 0.35  # of points 0.005 off the surface that are inside; a clean solid has 0.5

_SURFACE_POOL = 32_768
_VOLUME_DRAWS = 8_192
_GRID_CELLS = 24  # along the longest side of the bounding box
_MAX_INSIDE_DRAWS = 100_000


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


def label_mesh(mesh: trimesh.Trimesh, *, category: int, name: str, seed: int) -> ShapeSample:
    """Sample and label `mesh` (any frame) in the canonical frame; deterministic by `seed`.

    Raises `UnusableMeshError` when more than 5 % of the unit ball is ambiguous, when the surface
    bounds no solid (open sheets), or when the solid is too thin to find its inside points.
    """
    rng = np.random.default_rng(seed)
    solid = MeshSolid.of(mesh)
    soup = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    pool = sample_surface(soup, _SURFACE_POOL, seed=seed).astype(np.float16)
    outside = _outside(solid, rng)
    near, near_occupied = _near(solid, pool[SURFACE_POINTS : SURFACE_POINTS + NEAR_POINTS], rng)
    return ShapeSample(
        surface=pool[:SURFACE_POINTS],
        inside=_inside(solid, pool, rng),
        outside=outside,
        near=near,
        near_occupied=near_occupied.astype(np.uint8),
        category=category,
        name=name,
    )


def _outside(solid: MeshSolid, rng: np.random.Generator) -> Float16[np.ndarray, "outside 3"]:
    """Points uniform in the ball of radius sqrt(3) less the solid (paper, appendix A.1)."""
    direction = rng.standard_normal((_VOLUME_DRAWS, 3))
    radius = VOLUME_RADIUS * np.cbrt(rng.random((_VOLUME_DRAWS, 1)))
    points = direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius
    rounded = points.astype(np.float16)
    winding = solid.winding_number(rounded)
    low, high = AMBIGUOUS_WINDING
    share = float(np.mean(((winding > low) & (winding < high))[radius[:, 0] < 1]))
    if share > MAX_AMBIGUOUS_SHARE:
        raise UnusableMeshError(f"not closed: {share:.0%} of the unit ball is ambiguous")
    outside: Float16[np.ndarray, "outside 3"] = rounded[winding <= 0.5][:VOLUME_POINTS]
    return outside


def _near(
    solid: MeshSolid, surface: Float16[np.ndarray, "n 3"], rng: np.random.Generator
) -> tuple[Float16[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """The surface points jittered, one half at each of `NEAR_SCALES`, and their occupancy."""
    scale = np.repeat(NEAR_SCALES, len(surface) // 2)[:, None]
    points = (surface + scale * rng.standard_normal(surface.shape)).astype(np.float16)
    occupied = solid.occupied(points)
    share = float(occupied[: len(surface) // 2].mean())
    if share < MIN_BOUNDING_SHARE:
        raise UnusableMeshError(f"open sheets: {share:.0%} of points at the surface are inside")
    return points, occupied


def _inside(
    solid: MeshSolid, surface: Float16[np.ndarray, "n 3"], rng: np.random.Generator
) -> Float16[np.ndarray, "inside 3"]:
    """`VOLUME_POINTS` points uniform in the solid, by rejection from the cells that can hold it.

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
    drawn, draw = 0, 2 * VOLUME_POINTS
    while drawn < _MAX_INSIDE_DRAWS:
        chosen = corners[rng.integers(len(corners), size=draw)]
        points = (chosen + cell * rng.random((draw, 3))).astype(np.float16)
        found = np.concatenate([found, points[solid.occupied(points)]])
        drawn += draw
        if len(found) >= VOLUME_POINTS:
            return found[:VOLUME_POINTS]
        rate = max(len(found), 1) / drawn
        draw = min(
            int(1.2 * (VOLUME_POINTS - len(found)) / rate) + 64,
            _MAX_INSIDE_DRAWS - drawn + 1,
        )
    raise UnusableMeshError(f"too thin: {len(found)} of {drawn} points drawn are inside")
