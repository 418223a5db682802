"""Reconstruction scores of a model on shards or meshes (paper, section 4.1, Tables 4 and 5)."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from tqdm import tqdm

from model.config import CATEGORIES
from model.evaluation.metrics import chamfer_distance, f_score, volume_iou
from model.evaluation.subjects import OTHER, SURFACE_POINTS, Subject, find_subjects
from model.field import OccupancyField
from model.geometry.sampling import sample_surface
from model.pipeline import ShapePipeline

_FIELD_CHUNK = 8192  # queries asked at once


@dataclass(frozen=True, slots=True)
class Scores:
    """How near a reconstruction, or the mean of many, comes to the truth.

    Attributes:
        volume_iou: at points uniform in the bounding box, 0 to 1; None where the truth is unknown.
        near_accuracy: share of near-surface points on the right side (paper, appendix A.2).
        chamfer: `chamfer_distance` in the canonical frame.
        f_score: `f_score` at its default threshold, 0 to 1.
    """

    volume_iou: float | None
    near_accuracy: float
    chamfer: float
    f_score: float

    @staticmethod
    def mean(scores: Iterable[Scores]) -> Scores:
        """Means over shapes; of the IoU over those that have one."""
        rows = list(scores)
        known = [row.volume_iou for row in rows if row.volume_iou is not None]
        return Scores(
            volume_iou=statistics.fmean(known) if known else None,
            near_accuracy=statistics.fmean(row.near_accuracy for row in rows),
            chamfer=statistics.fmean(row.chamfer for row in rows),
            f_score=statistics.fmean(row.f_score for row in rows),
        )


@dataclass(frozen=True, slots=True)
class ShapeScores:
    """The scores of one shape."""

    name: str
    category: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class ReconstructionReport:
    """Scores of a model on a data set; `skipped` says why, by name, a shape was left out."""

    model: str
    weights_sha256: str
    data: str
    resolution: int
    shapes: tuple[ShapeScores, ...]
    skipped: dict[str, str]

    def categories(self) -> dict[str, Scores]:
        """Mean scores by category, in the paper's order, unlabelled shapes last."""
        found = {shape.category for shape in self.shapes}
        return {
            name: Scores.mean(shape.scores for shape in self.shapes if shape.category == name)
            for name in (*CATEGORIES, OTHER)
            if name in found
        }

    def mean(self) -> Scores:
        """Mean scores over all shapes."""
        return Scores.mean(shape.scores for shape in self.shapes)

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        means = {name: asdict(scores) for name, scores in self.categories().items()}
        return asdict(self) | {"categories": means, "mean": asdict(self.mean())}

    def _title(self) -> str:
        return (
            f"Reconstruction by {self.model} ({self.weights_sha256[:12]}) of {self.data}, "
            f"resolution {self.resolution}, all figures times 100."
        )

    def to_markdown(self) -> str:
        """A table of the means, in the paper's units (times 100)."""
        counts = {
            name: sum(shape.category == name for shape in self.shapes) for name in self.categories()
        }
        rows = [(name, counts[name], scores) for name, scores in self.categories().items()]
        rows.append(("all", len(self.shapes), self.mean()))
        lines = [
            self._title(),
            "",
            "| category | shapes | volume IoU | near accuracy | Chamfer | F-score |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for name, count, scores in rows:
            figures = [getattr(scores, field.name) for field in fields(Scores)]
            cells = ["-" if figure is None else f"{100 * figure:.2f}" for figure in figures]
            lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
        if self.skipped:
            lines += ["", f"{len(self.skipped)} shapes could not be used."]
        return "\n".join(lines) + "\n"


def evaluate_reconstruction(
    pipeline: ShapePipeline, data: Path, *, resolution: int, limit: int | None = None
) -> ReconstructionReport:
    """Encode and decode every shape in a folder of shards or meshes, and compare.

    Args:
        pipeline: the model.
        data: see `find_subjects`.
        resolution: cells per side of the extraction grid.
        limit: evaluate so many shapes at most.

    Raises:
        ValueError: the folder holds no shape that can be used.
    """
    shapes: list[ShapeScores] = []
    skipped: dict[str, str] = {}
    sources = find_subjects(data, limit)
    for source in tqdm(sources, desc="evaluate", unit="shape", disable=not sys.stderr.isatty()):
        try:
            subject = source.load()
        except ValueError as error:
            skipped[source.name] = str(error)
            continue
        scores = score_reconstruction(pipeline, subject, resolution)
        shapes.append(ShapeScores(subject.name, subject.category, scores))
    if not shapes:
        name, reason = next(iter(skipped.items()))
        raise ValueError(f"no shape in {data} can be used; {name}: {reason}")
    return ReconstructionReport(
        model=pipeline.info.name,
        weights_sha256=pipeline.info.weights_sha256,
        data=data.name,
        resolution=resolution,
        shapes=tuple(shapes),
        skipped=skipped,
    )


def score_reconstruction(pipeline: ShapePipeline, subject: Subject, resolution: int) -> Scores:
    """Scores of one shape; a reconstruction without surface has Chamfer 1, the sphere's radius."""
    latents = pipeline.encode(subject.cloud[None])
    [mesh] = pipeline.meshes(latents, resolution=resolution)
    with torch.inference_mode():
        field = pipeline.autoencoder.decode(latents)
        near = _occupied(field, subject.near)
        volume = _occupied(field, subject.volume)
    if len(mesh.faces):
        rebuilt = sample_surface(mesh, SURFACE_POINTS, seed=1).astype(np.float32)
        chamfer = chamfer_distance(subject.surface, rebuilt)
        score = f_score(subject.surface, rebuilt)
    else:
        chamfer, score = 1.0, 0.0
    return Scores(
        volume_iou=volume_iou(subject.volume_occupied, volume) if len(volume) else None,
        near_accuracy=float((near == subject.near_occupied).mean()),
        chamfer=chamfer,
        f_score=score,
    )


def _occupied(field: OccupancyField, points: Float32[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    """Which points a field (of one shape) holds to be inside."""
    inside = np.empty(len(points), dtype=np.bool_)
    for start in range(0, len(points), _FIELD_CHUNK):
        chunk = slice(start, start + _FIELD_CHUNK)
        queries = torch.from_numpy(points[chunk]).to(field.bias.device)
        inside[chunk] = (field(queries[None])[0] > 0).cpu().numpy()
    return inside
