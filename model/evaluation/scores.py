"""How near a reconstruction comes to the truth: one shape's scores, and means of many.

docs/evaluation.md states the protocol.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float32

from model.config import CATEGORIES
from model.evaluation.metrics import (
    chamfer_distance,
    f_score,
    far_points,
    in_one_piece,
    normal_consistency,
    occupancy_iou,
)
from model.evaluation.subjects import OTHER, SURFACE_POINTS, Subject
from model.field import OccupancyField
from model.geometry.sampling import sample_oriented_surface

COMPLETE_SHARE = 0.995  # of the truth's surface that a complete reconstruction has more of
WORST_CHAMFER = 1.0  # where there is no surface: the sphere's radius
_FIELD_CHUNK = 8192  # queries asked at once


@dataclass(frozen=True, slots=True)
class Scores:
    """How near a reconstruction, or the mean of many, comes to the truth.

    Attributes:
        volume_iou: at points uniform in the bounding box, 0 to 1; None where the truth is unknown.
        near_iou: at near-surface points (paper, appendix A.2), 0 to 1; None where the truth bounds
            no solid.
        near_accuracy: share of the same points on the right side; likewise.
        chamfer: `chamfer_distance` in the canonical frame.
        f_score: `f_score` at its default threshold, 0 to 1.
        normal_consistency: `normal_consistency`, 0 to 1; None where the truth's are unknown.
        one_piece: whether the reconstruction is `in_one_piece` as the truth is, 1 or 0; None where
            the truth is not, or where that is unknown.
        missing: share of the truth's surface points that are outside of the reconstruction and far
            (`far_points`) from its surface, 0 to 1: parts that vanished.
        complete: whether more than `COMPLETE_SHARE` of them is not missing, 1 or 0.
    """

    volume_iou: float | None
    near_iou: float | None
    near_accuracy: float | None
    chamfer: float
    f_score: float
    normal_consistency: float | None
    one_piece: float | None
    missing: float
    complete: float


@dataclass(frozen=True, slots=True)
class Closeness:
    """How near one decoded shape, or the mean of many, comes to another; fields as in `Scores`."""

    volume_iou: float | None
    chamfer: float
    f_score: float


_Row = TypeVar("_Row")


def mean_scores(rows: Iterable[_Row]) -> _Row:
    """Means field by field of dataclasses of figures; a field's mean is over those who know it."""
    known = list(rows)
    means = {}
    for field in fields(known[0]):  # type: ignore[arg-type]
        values = [getattr(row, field.name) for row in known]
        figures = [value for value in values if value is not None]
        means[field.name] = statistics.fmean(figures) if figures else None
    return type(known[0])(**means)


def category_order(found: Iterable[str]) -> list[str]:
    """Categories without repetition: the paper's in its order, then others, `OTHER` last."""
    names = set(found)
    strange = sorted(names.difference(CATEGORIES, [OTHER]))
    return [name for name in (*CATEGORIES, *strange, OTHER) if name in names]


@dataclass(frozen=True, slots=True)
class SampledSurface:
    """Points uniform on a decoded surface and the normals of its faces there."""

    points: Float32[np.ndarray, "m 3"]
    normals: Float32[np.ndarray, "m 3"]

    @classmethod
    def of(cls, mesh: trimesh.Trimesh, seed: int) -> SampledSurface | None:
        """`SURFACE_POINTS` of a mesh; None where it has no faces."""
        if not len(mesh.faces):
            return None
        points, normals = sample_oriented_surface(mesh, SURFACE_POINTS, seed=seed)
        return cls(points.astype(np.float32), normals.astype(np.float32))


def surface_scores(
    truth: Float32[np.ndarray, "n 3"] | None, surface: SampledSurface | None
) -> tuple[float, float]:
    """Chamfer distance and F-score; the worst there are where either has no surface."""
    if truth is None or surface is None:
        return WORST_CHAMFER, 0.0
    return chamfer_distance(truth, surface.points), f_score(truth, surface.points)


def score_shape(subject: Subject, field: OccupancyField, mesh: trimesh.Trimesh) -> Scores:
    """Scores of one shape from its decoded field (of one row) and the surface of that field."""
    near, volume = occupied(field, subject.near), occupied(field, subject.volume)
    surface = SampledSurface.of(mesh, seed=1)
    chamfer, score = surface_scores(subject.surface, surface)
    missing = _missing_share(subject, field, surface)
    return Scores(
        volume_iou=occupancy_iou(subject.volume_occupied, volume) if len(volume) else None,
        near_iou=occupancy_iou(subject.near_occupied, near) if len(near) else None,
        near_accuracy=float((near == subject.near_occupied).mean()) if len(near) else None,
        chamfer=chamfer,
        f_score=score,
        normal_consistency=_normal_score(subject, surface),
        one_piece=float(in_one_piece(mesh)) if subject.one_piece else None,
        missing=missing,
        complete=float(1 - missing > COMPLETE_SHARE),
    )


def _missing_share(
    subject: Subject, field: OccupancyField, surface: SampledSurface | None
) -> float:
    if surface is None:
        return 1.0
    far = subject.surface[far_points(subject.surface, surface.points)]
    filled = occupied(field, far)  # as a gap between parts can be
    return float((~filled).sum() / len(subject.surface))


def _normal_score(subject: Subject, surface: SampledSurface | None) -> float | None:
    if subject.normals is None:
        return None
    if surface is None:
        return 0.0
    return normal_consistency(subject.surface, subject.normals, surface.points, surface.normals)


@torch.inference_mode()
def occupied(field: OccupancyField, points: Float32[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    """Which points a field (of one shape) holds to be inside."""
    inside = np.empty(len(points), dtype=np.bool_)
    for start in range(0, len(points), _FIELD_CHUNK):
        chunk = slice(start, start + _FIELD_CHUNK)
        queries = torch.from_numpy(points[chunk]).to(field.bias.device)
        inside[chunk] = (field(queries[None])[0] > 0).cpu().numpy()
    return inside
