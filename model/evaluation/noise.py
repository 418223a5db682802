"""What each level's latents carry: some are replaced by noise (paper, appendix G, Figure 13)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from model.diffusion.sampler import seeded_noise
from model.evaluation.metrics import F_SCORE_THRESHOLD, occupancy_iou
from model.evaluation.scores import (
    Closeness,
    SampledSurface,
    mean_scores,
    occupied,
    surface_scores,
)
from model.evaluation.subjects import (
    SURFACE_POINTS,
    VOLUME_POINTS,
    Source,
    Subject,
    find_subjects,
)
from model.evaluation.tables import hundredfold, table
from model.latents import Latents
from model.pipeline import ShapePipeline

NOTHING = "none"  # how reports name the plain reconstruction

ShowNoise = Callable[[Source, str, Sequence[trimesh.Trimesh]], None]
"""Called with a shape, its category, its plain reconstruction and one mesh a subset of levels."""


@dataclass(frozen=True, slots=True)
class NoisyShape:
    """One shape with some levels replaced, against its plain reconstruction and the truth.

    Attributes:
        to_reconstruction: by the levels replaced, as "3+1".
        to_truth: the same, and the plain reconstruction under `NOTHING`.
    """

    name: str
    category: str
    to_reconstruction: dict[str, Closeness]
    to_truth: dict[str, Closeness]


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """What noise in each subset of levels does to a data set's reconstructions."""

    model: str
    weights_sha256: str
    data: str
    resolution: int
    seed: int
    shapes: tuple[NoisyShape, ...]
    skipped: dict[str, str]

    def to_reconstruction(self) -> dict[str, Closeness]:
        """Means over all shapes, by the levels replaced."""
        return _means([shape.to_reconstruction for shape in self.shapes])

    def to_truth(self) -> dict[str, Closeness]:
        """Means over all shapes, by the levels replaced, `NOTHING` first."""
        return _means([shape.to_truth for shape in self.shapes])

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return asdict(self) | {
            "to_reconstruction": {k: asdict(v) for k, v in self.to_reconstruction().items()},
            "to_truth": {k: asdict(v) for k, v in self.to_truth().items()},
        }

    def to_markdown(self) -> str:
        """A table of means over the shapes, times 100."""
        near, true = self.to_reconstruction(), self.to_truth()
        names = ("volume IoU", "Chamfer", "F-score")
        columns = [
            "levels replaced",
            *(f"{name}, to {other}" for other in ("reconstruction", "truth") for name in names),
        ]
        unknown = ["-"] * len(names)
        rows = [
            [
                subset,
                *(_cells(near[subset]) if subset in near else unknown),
                *_cells(closeness),
            ]
            for subset, closeness in true.items()
        ]
        lines = [self._title(), "", *table(columns, rows), "", self._protocol()]
        if self.skipped:
            lines += ["", f"Shapes that could not be used: {len(self.skipped)} (see the JSON)."]
        return "\n".join(lines) + "\n"

    def _title(self) -> str:
        return (
            f"Noise in the latents of {self.model} ({self.weights_sha256[:12]}): the levels named "
            "are replaced by standard Gaussian noise, the others are those of the shape. Means "
            f"over {len(self.shapes)} shapes of {self.data}, all figures times 100."
        )

    def _protocol(self) -> str:
        return (
            "Protocol: noise is standardised per vector, as latents are, and drawn once a shape "
            f"and level (seeds from {self.seed}), so that subsets share it. {SURFACE_POINTS:,} "
            f"points on each surface, {VOLUME_POINTS:,} in the truth's bounding box, resolution "
            f"{self.resolution}, F-score threshold {F_SCORE_THRESHOLD:g}, canonical frame; a shape "
            "without surface has Chamfer 1 and F-score 0. Compare Figure 13 of the paper."
        )


def _cells(closeness: Closeness) -> list[str]:
    return [hundredfold(getattr(closeness, field.name)) for field in fields(Closeness)]


def _means(shapes: Sequence[dict[str, Closeness]]) -> dict[str, Closeness]:
    return {subset: mean_scores(shape[subset] for shape in shapes) for subset in shapes[0]}


def level_subsets(levels: int) -> list[tuple[int, ...]]:
    """All non-empty subsets of the paper's level numbers: small ones first, coarse levels first."""
    numbers = range(levels, 0, -1)
    return [
        subset for size in range(1, levels + 1) for subset in itertools.combinations(numbers, size)
    ]


def subset_name(subset: Sequence[int]) -> str:
    """How reports name a subset of levels: "3+1"."""
    return "+".join(str(number) for number in subset)


def with_noise(latents: Latents, replaced: Collection[int], seeds: Sequence[int]) -> Latents:
    """Latents with the levels `replaced` (paper's numbers) made noise, standardised per vector.

    Args:
        latents: a batch.
        replaced: levels that become noise; the others stay as they are.
        seeds: one a row; the noise of a row and level depends on nothing else.
    """
    count = len(latents.levels)
    return Latents(
        tuple(
            _noise_like(level, count - i, seeds) if count - i in replaced else level
            for i, level in enumerate(latents.levels)
        )
    )


def _noise_like(level: Tensor, number: int, seeds: Sequence[int]) -> Tensor:
    """Noise for one level's set: each vector of mean 0 and variance 1 over its channels."""
    _, tokens, channels = level.shape
    noise = seeded_noise(seeds, number, tokens, channels, level.device)
    return functional.layer_norm(noise, (channels,))


def evaluate_noise(
    pipeline: ShapePipeline,
    data: Path,
    *,
    resolution: int,
    seed: int,
    limit: int | None = None,
    show: ShowNoise | None = None,
) -> NoiseReport:
    """Encode every shape in a folder, replace every subset of levels by noise, and compare.

    Args:
        pipeline: the model.
        data: see `find_subjects`.
        resolution: cells per side of the extraction grid.
        seed: of the first shape's noise; each next shape's is one more.
        limit: evaluate so many shapes at most.
        show: told of each shape and its meshes.

    Raises:
        ValueError: the folder holds no shape that can be used.
    """
    shapes: list[NoisyShape] = []
    skipped: dict[str, str] = {}
    sources = find_subjects(data, limit)
    for row, source in enumerate(
        tqdm(sources, desc="noise", unit="shape", disable=not sys.stderr.isatty())
    ):
        try:
            subject = source.load()
        except ValueError as error:
            skipped[source.name] = str(error)
            continue
        shape, meshes = _compare(pipeline, subject, resolution, seed + row)
        shapes.append(shape)
        if show is not None:
            show(source, subject.category, meshes)
    if not shapes:
        name, reason = next(iter(skipped.items()))
        raise ValueError(f"no shape in {data} can be used; {name}: {reason}")
    return NoiseReport(
        model=pipeline.info.name,
        weights_sha256=pipeline.info.weights_sha256,
        data=data.name,
        resolution=resolution,
        seed=seed,
        shapes=tuple(shapes),
        skipped=skipped,
    )


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A decoded shape as far as it is compared."""

    mesh: trimesh.Trimesh
    surface: SampledSurface | None
    volume: Bool[np.ndarray, "v"]  # at the subject's volume points

    @classmethod
    def of(
        cls, pipeline: ShapePipeline, latents: Latents, subject: Subject, resolution: int, seed: int
    ) -> _Decoded:
        [mesh] = pipeline.meshes(latents, resolution=resolution)
        with torch.inference_mode():
            field = pipeline.autoencoder.decode(latents)
        volume = occupied(field, subject.volume)
        return cls(mesh, SampledSurface.of(mesh, seed), volume)

    def to_truth(self, subject: Subject) -> Closeness:
        chamfer, score = surface_scores(subject.surface, self.surface)
        return Closeness(_iou(subject.volume_occupied, self.volume), chamfer, score)

    def to_other(self, other: _Decoded) -> Closeness:
        points = None if other.surface is None else other.surface.points
        chamfer, score = surface_scores(points, self.surface)
        return Closeness(_iou(other.volume, self.volume), chamfer, score)


def _iou(a: Bool[np.ndarray, "v"], b: Bool[np.ndarray, "v"]) -> float | None:
    return occupancy_iou(a, b) if len(a) else None


def _compare(
    pipeline: ShapePipeline, subject: Subject, resolution: int, seed: int
) -> tuple[NoisyShape, list[trimesh.Trimesh]]:
    """One shape's row of the report, and its meshes: plain, then one a subset."""
    latents = pipeline.encode(subject.cloud[None])
    plain = _Decoded.of(pipeline, latents, subject, resolution, seed=1)
    meshes, to_plain, to_truth = [plain.mesh], {}, {NOTHING: plain.to_truth(subject)}
    for subset in level_subsets(len(latents.levels)):
        noisy = with_noise(latents, subset, [seed])
        decoded = _Decoded.of(pipeline, noisy, subject, resolution, seed=2)
        meshes.append(decoded.mesh)
        to_plain[subset_name(subset)] = decoded.to_other(plain)
        to_truth[subset_name(subset)] = decoded.to_truth(subject)
    return NoisyShape(subject.name, subject.category, to_plain, to_truth), meshes
