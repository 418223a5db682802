"""Scores of a model's samples (paper, appendix I, Table 6): how alike they are to real shapes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float16, Float64
from PIL import Image
from scipy.spatial import cKDTree
from tqdm import tqdm

from model.evaluation.clouds import Clouds, read_clouds, surface_points
from model.evaluation.distributions import (
    chamfer_matrix,
    coverage,
    frechet_distance,
    kernel_distance,
    minimum_matching_distance,
    nearest_neighbour_accuracy,
)
from model.evaluation.extractors import Extractor
from model.evaluation.generation_report import (
    UNCONDITIONAL,
    GenerationProtocol,
    GenerationReport,
    GenerationScores,
    SetResult,
)
from model.evaluation.metrics import in_one_piece
from model.evaluation.pictures import picture
from model.geometry.sampling import triangle_areas
from model.latents import Latents
from model.pipeline import CapabilityError, ShapePipeline
from model.rendering import contact_sheet

PICTURED = 8  # samples of each category in the picture

_BATCH = 16  # shapes sampled together
_SEEDS = 2**64
_PICTURE = 144  # pixels


@dataclass(frozen=True)
class ShapeSet:
    """Shapes as the measures see them; those without surface are counted alone."""

    points: Float16[np.ndarray, "shapes n 3"]
    features: Float64[np.ndarray, "shapes f"]
    failed: int = 0

    @classmethod
    def of(
        cls, points: Float16[np.ndarray, "shapes n 3"], extractor: Extractor, failed: int = 0
    ) -> ShapeSet:
        """The set of these clouds, beside `failed` shapes without surface."""
        features = extractor.features(points) if len(points) else np.empty((0, 1))
        return cls(points, features, failed)

    def __len__(self) -> int:
        return len(self.points) + self.failed

    @cached_property
    def trees(self) -> list[cKDTree]:
        return [cKDTree(cloud.astype(np.float64)) for cloud in self.points]

    @cached_property
    def distances(self) -> Float64[np.ndarray, "all all"]:
        """Chamfer distances among the shapes, infinite for those without surface."""
        return self._with_failed(chamfer_matrix(self.trees, self.trees), len(self))

    def distances_to(self, other: ShapeSet) -> Float64[np.ndarray, "all other"]:
        """Chamfer distances to shapes that all have a surface; infinite for those without."""
        return self._with_failed(chamfer_matrix(self.trees, other.trees), len(other))

    def _with_failed(
        self, known: Float64[np.ndarray, "rows columns"], columns: int
    ) -> Float64[np.ndarray, "all columns_all"]:
        distances = np.full((len(self), columns), np.inf)
        distances[: known.shape[0], : known.shape[1]] = known
        return distances


def compare(
    shapes: ShapeSet,
    references: ShapeSet,
    *,
    recognised: float | None = None,
    whole: float | None = None,
) -> GenerationScores:
    """Scores of a set against references, which all have a surface.

    Shapes without surface are left out of FPD, KPD and MMD; they cover no reference, and 1-NNA
    tells them apart for sure.
    """
    across = shapes.distances_to(references)
    enough = min(len(shapes.features), len(references.features)) >= 2
    return GenerationScores(
        fpd=frechet_distance(shapes.features, references.features) if enough else None,
        kpd=kernel_distance(shapes.features, references.features) if enough else None,
        mmd=minimum_matching_distance(across) if len(shapes.points) else None,
        coverage=coverage(across),
        nearest_neighbour=nearest_neighbour_accuracy(
            shapes.distances, across, references.distances
        ),
        recognised=recognised,
        whole=whole,
    )


def evaluate_generation(
    pipeline: ShapePipeline,
    extractor: Extractor,
    data: Path,
    protocol: GenerationProtocol,
    *,
    categories: Sequence[str] = (),
    baseline: Path | None = None,
) -> tuple[GenerationReport, Image.Image]:
    """Compare a model's samples with the references of their category, and picture some of them.

    Args:
        pipeline: the model.
        extractor: of the point features.
        data: the references, a folder as for `find_subjects`: shapes that were not trained on.
        protocol: how samples are drawn and compared.
        categories: of the model, or `UNCONDITIONAL`; none given: those that have references, and
            `UNCONDITIONAL` where the model knows none.
        baseline: another such folder, whose shapes are compared with the references too, as many
            as samples where there are so many: what the measures say of shapes without fault.
            A category that it lacks is left out.

    Raises:
        CapabilityError: the model has no cascade.
        ValueError: an unknown category, or one without references.
    """
    references = find_references(pipeline, data, protocol, categories)
    others = None
    if baseline is not None:
        labels = _labels(pipeline.info.categories, categories)
        others = read_clouds(baseline, labels, count=protocol.points, seed=protocol.seed)
    results: dict[str, list[SetResult]] = {"samples": [], "baseline": []}
    pictures: dict[str, list[trimesh.Trimesh]] = {}
    for name, truth in references.items():
        target = ShapeSet.of(truth.points, extractor)
        samples = draw_samples(pipeline, name, protocol.samples or len(truth), protocol)
        pictures[name] = samples.meshes
        results["samples"].append(sample_result(samples, name, target, extractor))
        if others is not None and len(instead := others.of(_condition(name))):
            results["baseline"].append(
                _baseline_result(instead.spread(samples.count), name, target, extractor)
            )
    report = GenerationReport(
        model=pipeline.info.name,
        weights_sha256=pipeline.info.weights_sha256,
        extractor=extractor.name,
        extractor_sha256=extractor.sha256,
        data=data.name,
        baseline_data=None if baseline is None else baseline.name,
        protocol=protocol,
        samples=tuple(results["samples"]),
        baseline=tuple(results["baseline"]),
    )
    return report, _picture(pictures)


def find_references(
    pipeline: ShapePipeline, data: Path, protocol: GenerationProtocol, categories: Sequence[str]
) -> dict[str, Clouds]:
    """What the samples of each category are compared with; see `evaluate_generation`."""
    asked = tuple(dict.fromkeys(categories))
    known = _known_categories(pipeline, asked)
    references = read_clouds(
        data,
        _labels(known, asked),
        count=protocol.points,
        limit=protocol.references,
        seed=protocol.seed,
    )
    chosen = asked or tuple(name for name in known if name in references.categories)
    chosen = chosen or (UNCONDITIONAL,)
    found = {name: references.of(_condition(name)) for name in chosen}
    if missing := [name for name, clouds in found.items() if not len(clouds)]:
        raise ValueError(f"{data} holds no shape labelled {' or '.join(missing)}")
    return found


def _labels(known: Sequence[str], asked: Sequence[str]) -> Sequence[str] | None:
    """The labels of shapes that are compared with samples of the categories asked for.

    A model that knows no categories is compared with all shapes, whatever their labels: None.
    """
    if not known:
        return None
    return known if UNCONDITIONAL in asked or not asked else asked


def _known_categories(pipeline: ShapePipeline, asked: Sequence[str]) -> tuple[str, ...]:
    """The categories of a model that can generate, once those asked for are found among them."""
    info = pipeline.info
    if pipeline.cascade is None:
        raise CapabilityError(f"the model {info.name!r} has no cascade: it generates nothing")
    if unknown := sorted(set(asked) - {*info.categories, UNCONDITIONAL}):
        raise ValueError(
            f"unknown category {unknown}; this model knows {[*info.categories, UNCONDITIONAL]}"
        )
    return info.categories


def _condition(category: str) -> str | None:
    return None if category == UNCONDITIONAL else category


@dataclass(frozen=True, slots=True)
class Samples:
    """Generated shapes of one category."""

    latents: Latents
    clouds: list[Float16[np.ndarray, "n 3"] | None]  # of each shape; None: without surface
    whole: int  # shapes in one piece
    meshes: list[trimesh.Trimesh]  # of the first shapes, with a surface or not

    @property
    def count(self) -> int:
        return len(self.clouds)


def draw_samples(
    pipeline: ShapePipeline, category: str, count: int, protocol: GenerationProtocol
) -> Samples:
    """Sample shapes, and points on them by each shape's own seed."""
    seeds = [(protocol.seed + i) % _SEEDS for i in range(count)]
    batches: list[Latents] = []
    clouds: list[Float16[np.ndarray, "n 3"] | None] = []
    meshes: list[trimesh.Trimesh] = []
    whole = 0
    with tqdm(total=count, desc=category, unit="shape", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, count, _BATCH):
            batch = seeds[start : start + _BATCH]
            latents = pipeline.sample(
                batch,
                [_condition(category)] * len(batch),
                steps=protocol.steps,
                guidance=protocol.guidance,
                guidance_level=protocol.guidance_level,
                solver=protocol.solver,
            )
            batches.append(latents)
            for row, seed in enumerate(batch):
                [mesh] = pipeline.meshes(latents[row : row + 1], resolution=protocol.resolution)
                solid = bool(triangle_areas(mesh).sum() > 0)
                clouds.append(surface_points(mesh, protocol.points, seed=seed) if solid else None)
                whole += solid and in_one_piece(mesh)
                if len(meshes) < PICTURED:
                    meshes.append(mesh)
                bar.update()
    return Samples(Latents.concatenate(batches), clouds, whole, meshes)


def sample_result(
    samples: Samples, category: str, references: ShapeSet, extractor: Extractor
) -> SetResult:
    """Scores of samples against the references of their category."""
    solid = [cloud for cloud in samples.clouds if cloud is not None]
    points = np.array(solid, np.float16).reshape(len(solid), *references.points.shape[1:])
    failed = samples.count - len(solid)
    hits = _recognised(points, category, extractor)
    scores = compare(
        ShapeSet.of(points, extractor, failed),
        references,
        recognised=None if hits is None else hits / samples.count,
        whole=samples.whole / samples.count,
    )
    return SetResult(category, samples.count, failed, len(references), scores)


def _baseline_result(
    shapes: Clouds, category: str, references: ShapeSet, extractor: Extractor
) -> SetResult:
    hits = _recognised(shapes.points, category, extractor)
    scores = compare(
        ShapeSet.of(shapes.points, extractor),
        references,
        recognised=None if hits is None else hits / len(shapes),
    )
    return SetResult(category, len(shapes), 0, len(references), scores)


def _recognised(
    points: Float16[np.ndarray, "shapes n 3"], category: str, extractor: Extractor
) -> int | None:
    """How many clouds are taken for their category; None where that cannot be told."""
    if category not in extractor.categories:
        return None
    if not len(points):
        return 0
    found = extractor.recognised(points)
    return None if found is None else found.count(category)


def _picture(samples: dict[str, list[trimesh.Trimesh]]) -> Image.Image:
    """The first samples, a category a row; blank where a sample has no surface."""
    rows = [
        [picture(mesh, _PICTURE, category) for mesh in meshes]
        for category, meshes in samples.items()
    ]
    return contact_sheet(rows, row_labels=list(samples))
