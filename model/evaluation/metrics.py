"""Reconstruction metrics: pure functions of points and meshes; docs/evaluation.md uses them.

Nearest neighbours are exact and by Euclidean distance. Distances are in the points' own unit.
"""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int64
from scipy.spatial import cKDTree

F_SCORE_THRESHOLD = 0.02  # in the canonical frame (unit sphere)
FAR_DISTANCE = 0.05  # in the canonical frame
WHOLE_SHARE = 0.98  # of the surface in its largest connected part, for a shape to be in one piece


def nearest_neighbours(
    points: Float[np.ndarray, "n 3"], others: Float[np.ndarray, "m 3"]
) -> tuple[Float[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """Distance from each of `points` to the nearest of `others`, and which one that is."""
    distances, indices = cKDTree(others).query(points)
    return np.asarray(distances, dtype=np.float64), np.asarray(indices, dtype=np.int64)


def nearest_distances(
    points: Float[np.ndarray, "n 3"], others: Float[np.ndarray, "m 3"]
) -> Float[np.ndarray, "n"]:
    """Distance from each of `points` to the nearest of `others`, in their common unit."""
    distances, _ = nearest_neighbours(points, others)
    return distances


def chamfer_distance(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    """Mean of the two directed mean nearest-neighbour distances (not squared).

    Two samplings of one surface differ too, by about half a point spacing: n points on an area A
    by 0.5 sqrt(A / n), 8e-3 for 50,000 points of the unit sphere.
    """
    return float((nearest_distances(a, b).mean() + nearest_distances(b, a).mean()) / 2)


def f_score(
    a: Float[np.ndarray, "n 3"],
    b: Float[np.ndarray, "m 3"],
    threshold: float = F_SCORE_THRESHOLD,
) -> float:
    """Harmonic mean of the shares of each set within `threshold` of the other, 0 to 1."""
    precision = float((nearest_distances(a, b) < threshold).mean())
    recall = float((nearest_distances(b, a) < threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def far_points(
    points: Float[np.ndarray, "n 3"],
    others: Float[np.ndarray, "m 3"],
    distance: float = FAR_DISTANCE,
) -> Bool[np.ndarray, "n"]:
    """Which of `points` are farther than `distance` from all `others`."""
    far: Bool[np.ndarray, "n"] = nearest_distances(points, others) > distance
    return far


def normal_consistency(
    a: Float[np.ndarray, "n 3"],
    a_normals: Float[np.ndarray, "n 3"],
    b: Float[np.ndarray, "m 3"],
    b_normals: Float[np.ndarray, "m 3"],
) -> float:
    """Mean absolute cosine of unit normals at nearest neighbours, mean of both directions, 0 to 1.

    The sign of a normal does not count, so that inward faces do no harm. Normals that have nothing
    to do with each other score 1/2.
    """
    _, in_b = nearest_neighbours(a, b)
    _, in_a = nearest_neighbours(b, a)
    forth = np.abs(np.einsum("ni,ni->n", a_normals, b_normals[in_b])).mean()
    back = np.abs(np.einsum("ni,ni->n", b_normals, a_normals[in_a])).mean()
    return float(forth + back) / 2


def occupancy_iou(a: Bool[np.ndarray, "n"], b: Bool[np.ndarray, "n"]) -> float:
    """Intersection over union of two solids, told by which of n points lie in each, 0 to 1.

    Two solids that hold none of the points are equal: 1.
    """
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def main_share(mesh: trimesh.Trimesh) -> float:
    """Share of the surface that belongs to the largest connected part, 0 for an empty mesh."""
    if not len(mesh.faces):
        return 0.0
    part = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    areas = np.bincount(part, weights=mesh.area_faces)
    return float(areas.max() / areas.sum())


def in_one_piece(mesh: trimesh.Trimesh) -> bool:
    """Whether at most `1 - WHOLE_SHARE` of the surface is loose parts; an empty mesh is not."""
    return main_share(mesh) >= WHOLE_SHARE
