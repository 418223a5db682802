"""Reconstruction scores of a model on shards or meshes (paper, section 4.1, Tables 4 and 5)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from model.config import CATEGORIES
from model.evaluation.metrics import F_SCORE_THRESHOLD, FAR_DISTANCE, WHOLE_SHARE
from model.evaluation.scores import (
    COMPLETE_SHARE,
    Scores,
    category_order,
    mean_scores,
    score_shape,
)
from model.evaluation.subjects import SURFACE_POINTS, VOLUME_POINTS, Subject, find_subjects
from model.evaluation.tables import hundredfold, table
from model.pipeline import ShapePipeline

_COLUMNS = (
    "volume IoU",
    "near IoU",
    "near accuracy",
    "Chamfer",
    "F-score",
    "normals",
    "one piece",
    "missing",
    "complete",
)


@dataclass(frozen=True, slots=True)
class ShapeScores:
    """The scores of one shape."""

    name: str
    category: str
    scores: Scores
    watertight: bool | None = None  # of a mesh: whether it is


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
        return {
            name: mean_scores(shape.scores for shape in self.of_category(name))
            for name in category_order(shape.category for shape in self.shapes)
        }

    def of_category(self, name: str) -> list[ShapeScores]:
        """The shapes of one category."""
        return [shape for shape in self.shapes if shape.category == name]

    def mean_selected(self) -> Scores | None:
        """Mean over the paper's categories, each counting once; None where there is none.

        Table 4's "mean (selected)".
        """
        means = self.categories()
        selected = [means[name] for name in CATEGORIES if name in means]
        return mean_scores(selected) if selected else None

    def mean_all(self) -> Scores:
        """Mean over all shapes, each counting once."""
        return mean_scores(shape.scores for shape in self.shapes)

    def surfaces(self) -> dict[str, list[ShapeScores]]:
        """The meshes among the shapes: the watertight ones and the open ones, where there are any.

        Of an open one only the surface is sure: where it bounds no solid it has no IoU.
        """
        kinds = {
            "watertight": [shape for shape in self.shapes if shape.watertight],
            "open": [shape for shape in self.shapes if shape.watertight is False],
        }
        return {name: shapes for name, shapes in kinds.items() if shapes}

    def examples(self, category: str) -> tuple[ShapeScores, ShapeScores]:
        """A category's shapes of median and of largest Chamfer distance."""
        ranked = sorted(self.of_category(category), key=lambda shape: shape.scores.chamfer)
        return ranked[(len(ranked) - 1) // 2], ranked[-1]

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        selected = self.mean_selected()
        return asdict(self) | {
            "protocol": protocol(self.resolution),
            "categories": {name: asdict(scores) for name, scores in self.categories().items()},
            "mean_selected": asdict(selected) if selected else None,
            "mean_all": asdict(self.mean_all()),
            "surfaces": {
                name: asdict(mean_scores(shape.scores for shape in shapes))
                for name, shapes in self.surfaces().items()
            },
        }

    def to_markdown(self) -> str:
        """A table of the means, in the paper's units (times 100), under its protocol."""
        means = self.categories()
        rows = [_row(name, len(self.of_category(name)), means[name]) for name in means]
        if selected := self.mean_selected():
            labelled = [shape for shape in self.shapes if shape.category in CATEGORIES]
            rows.append(_row("mean (selected)", len(labelled), selected))
        rows.append(_row("mean (all)", len(self.shapes), self.mean_all()))
        rows += [
            _row(f"mean ({name})", len(shapes), mean_scores(shape.scores for shape in shapes))
            for name, shapes in self.surfaces().items()
        ]
        lines = [
            self._title(),
            "",
            *table(["category", "shapes", *_COLUMNS], rows),
            "",
            protocol(self.resolution),
            "",
            *self._examples(),
        ]
        if self.skipped:
            lines += ["", f"Shapes that could not be used: {len(self.skipped)} (see the JSON)."]
        return "\n".join(lines) + "\n"

    def _title(self) -> str:
        return (
            f"Reconstruction by {self.model} ({self.weights_sha256[:12]}) of {self.data}. "
            "All figures times 100; smaller is better for Chamfer and missing, larger for all "
            "others."
        )

    def _examples(self) -> list[str]:
        rows = []
        for name in self.categories():
            median, worst = self.examples(name)
            cells = [(shape.name, hundredfold(shape.scores.chamfer)) for shape in (median, worst)]
            rows.append([name, *cells[0], *cells[1]])
        return table(["category", "median shape", "Chamfer", "worst shape", "Chamfer"], rows)


def protocol(resolution: int) -> str:
    """How the figures are made, in words; docs/evaluation.md says more."""
    return (
        "Protocol: canonical frame (bounding-box centre at the origin, farthest surface point at "
        f"norm 1). Chamfer, F-score and normals from {SURFACE_POINTS:,} points uniform on each of "
        f"the two surfaces (truth: seed 0; reconstruction, extracted at {resolution} cells a side: "
        "seed 1), or from the points stored where only those are known (too few for a fair Chamfer "
        "and F-score). Chamfer: mean of the two "
        f"directed mean distances, not squared. F-score: threshold {F_SCORE_THRESHOLD:g}. Normals: "
        "mean absolute cosine at nearest neighbours, mean of both directions. Volume IoU: at "
        f"{VOLUME_POINTS:,} points uniform in the truth's bounding box. Near IoU and accuracy: at "
        "jittered surface points (appendix A.2). A reconstruction without surface: Chamfer 1, "
        "F-score and normals 0, missing 1. One piece: share of reconstructions with at least "
        f"{100 * WHOLE_SHARE:g} % of their surface in its largest connected part, among shapes "
        "that are so themselves. Missing: share of the truth's points that are outside of the "
        f"reconstruction, farther than {FAR_DISTANCE:g} from its surface. Complete: "
        f"share of reconstructions that miss less than {100 * (1 - COMPLETE_SHARE):g} % of the "
        "truth. Mean (selected): over the paper's categories, each once; mean "
        "(all): over shapes, each once; mean (watertight) and (open): over the meshes whose every "
        "edge has two faces, and over the others, of which those that bound no solid are scored by "
        "their surface alone. The paper does not state its own number of points or threshold: "
        "compare with its tables with care."
    )


def _row(name: str, count: int, scores: Scores) -> Sequence[str]:
    figures = [getattr(scores, field.name) for field in fields(Scores)]
    return [name, str(count), *map(hundredfold, figures)]


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
        shapes.append(ShapeScores(subject.name, subject.category, scores, subject.watertight))
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
    """Encode one shape, decode it, and compare."""
    latents = pipeline.encode(subject.cloud[None])
    [mesh] = pipeline.meshes(latents, resolution=resolution)
    with torch.inference_mode():
        field = pipeline.autoencoder.decode(latents)
    return score_shape(subject, field, mesh)
