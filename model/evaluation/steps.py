"""How few noise levels, and which solver, give samples as good as many do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float32
from PIL import Image

from model.config import SamplingDefaults
from model.evaluation.extractors import Extractor
from model.evaluation.generation import (
    Samples,
    ShapeSet,
    draw_samples,
    find_references,
    sample_result,
)
from model.evaluation.generation_report import GenerationProtocol, SetResult
from model.evaluation.metrics import occupancy_iou
from model.evaluation.pictures import picture
from model.evaluation.scores import occupied
from model.evaluation.steps_report import Run, RunResult, StepsReport
from model.evaluation.subjects import box_points
from model.latents import Latents
from model.pipeline import ShapePipeline
from model.rendering import contact_sheet

VOLUME_POINTS = 8192  # at which two solids are compared
FINEST_SOLVER = "heun"

_PICTURE = 96  # pixels


def evaluate_steps(
    pipeline: ShapePipeline,
    extractor: Extractor,
    data: Path,
    protocol: GenerationProtocol,
    *,
    steps: Sequence[int],
    solvers: Sequence[str],
    guidance_levels: Sequence[int] = (),
    categories: Sequence[str] = (),
    tolerance: float,
) -> tuple[StepsReport, Image.Image]:
    """Sample the same seeds by every solver in every number of steps, and compare.

    The finest run, which the others are compared with, is Heun's in the most steps, guided down to
    the protocol's level; it is made whether or not it is among those asked for.

    Args:
        pipeline: the model.
        extractor: of the point features.
        data: the references, as in `evaluate_generation`.
        protocol: how samples are drawn and compared; its solver and steps do not count.
        steps: numbers of noise levels.
        solvers: their `model.config.SolverName`.
        guidance_levels: finest levels that are guided; none given: the protocol's.
        categories: as in `evaluate_generation`.
        tolerance: see `StepsReport.worse`.

    Raises:
        CapabilityError: the model has no cascade.
        ValueError: an unknown category or solver, or a category without references.
    """
    finest = Run(FINEST_SOLVER, max(steps), protocol.guidance_level)
    levels = guidance_levels or [protocol.guidance_level]
    runs = {finest, *(Run(*each) for each in itertools.product(solvers, steps, levels))}
    ordered = _by_cost(pipeline, runs, protocol.guidance)
    results: dict[Run, list[SetResult]] = {run: [] for run in ordered}
    distances: dict[Run, list[_Distances]] = {run: [] for run in ordered}
    pictures: dict[str, list[trimesh.Trimesh]] = {}
    for name, truth in find_references(pipeline, data, protocol, categories).items():
        target = ShapeSet.of(truth.points, extractor)
        count = protocol.samples or len(truth)
        drawn = draw_samples(pipeline, name, count, _by(protocol, finest))
        solids = _Solids.of(pipeline, drawn)
        pictures[name] = []
        for run in ordered:
            samples = drawn
            if run != finest:
                samples = draw_samples(pipeline, name, count, _by(protocol, run))
            results[run].append(sample_result(samples, name, target, extractor))
            distances[run].append(solids.distances(pipeline, samples.latents))
            pictures[name].append(samples.meshes[0])
    report = StepsReport(
        model=pipeline.info.name,
        weights_sha256=pipeline.info.weights_sha256,
        extractor=extractor.name,
        extractor_sha256=extractor.sha256,
        data=data.name,
        protocol=_by(protocol, finest),
        tolerance=tolerance,
        runs=tuple(_result(run, results[run], distances[run]) for run in ordered),
    )
    return report, _picture(pictures, ordered)


def _by_cost(pipeline: ShapePipeline, runs: Iterable[Run], guidance: float) -> list[Run]:
    """The runs with the fewest network passes first.

    Raises:
        ValueError: one of them is not possible.
    """
    levels = len(pipeline.info.levels)
    for run in runs:
        SamplingDefaults(steps=run.steps, solver=run.solver, guidance_level=run.guidance_level)
        if run.guidance_level > levels:
            raise ValueError(f"level {run.guidance_level} cannot be guided: the model has {levels}")
    return sorted(runs, key=lambda run: (run.passes(levels, guidance), str(run)))


def _by(protocol: GenerationProtocol, run: Run) -> GenerationProtocol:
    return replace(protocol, solver=run.solver, steps=run.steps, guidance_level=run.guidance_level)


@dataclass(frozen=True, slots=True)
class _Distances:
    """How far the samples of one category are from the finest ones; lists have one entry a shape.

    Attributes:
        rms: of the latents, a list a level, coarse to fine.
        iou: of the solids that have a surface in the finest run.
    """

    rms: tuple[list[float], ...]
    iou: list[float]


@dataclass(frozen=True, slots=True)
class _Solids:
    """The finest run's samples of one category."""

    latents: Latents
    points: list[Float32[np.ndarray, "v 3"] | None]  # in each shape's box; None: without surface
    inside: list[Bool[np.ndarray, "v"] | None]  # which of them are in the solid

    @classmethod
    def of(cls, pipeline: ShapePipeline, samples: Samples) -> _Solids:
        points = [
            None if cloud is None else box_points(cloud.astype(np.float32))[:VOLUME_POINTS]
            for cloud in samples.clouds
        ]
        return cls(samples.latents, points, _inside(pipeline, samples.latents, points))

    def distances(self, pipeline: ShapePipeline, latents: Latents) -> _Distances:
        """How far other samples of the same seeds are from these."""
        pairs = zip(latents.levels, self.latents.levels, strict=True)
        there = _inside(pipeline, latents, self.points)
        return _Distances(
            rms=tuple((a - b).square().mean(dim=(1, 2)).sqrt().tolist() for a, b in pairs),
            iou=[
                occupancy_iou(one, other)
                for one, other in zip(self.inside, there, strict=True)
                if one is not None and other is not None
            ],
        )


@torch.inference_mode()
def _inside(
    pipeline: ShapePipeline,
    latents: Latents,
    points: Sequence[Float32[np.ndarray, "v 3"] | None],
) -> list[Bool[np.ndarray, "v"] | None]:
    """Which points of each shape are in its solid; None where it has no points."""
    return [
        None
        if queries is None
        else occupied(pipeline.autoencoder.decode(latents[row : row + 1]), queries)
        for row, queries in enumerate(points)
    ]


def _result(
    run: Run, categories: Sequence[SetResult], distances: Sequence[_Distances]
) -> RunResult:
    """The result of one run; every shape counts once in the means of distances."""
    levels = zip(*(found.rms for found in distances), strict=True)
    iou = [figure for found in distances for figure in found.iou]
    return RunResult(
        run=run,
        categories=tuple(categories),
        latent_rms=tuple(float(np.mean(np.concatenate(level))) for level in levels),
        volume_iou=float(np.mean(iou)) if iou else None,
    )


def _picture(shapes: dict[str, list[trimesh.Trimesh]], runs: Sequence[Run]) -> Image.Image:
    """The first sample of each category in every run: a category a row, a run a column."""
    rows = [
        [picture(mesh, _PICTURE, category) for mesh in meshes]
        for category, meshes in shapes.items()
    ]
    labels = [_label(run) for run in runs]
    return contact_sheet(rows, row_labels=list(shapes), column_labels=labels)


def _label(run: Run) -> str:
    """A run, short enough for the head of a picture's column."""
    solver, _, _ = run.solver.partition("-")
    return f"{solver} {run.steps}" + (f" g{run.guidance_level}" if run.guidance_level > 1 else "")
