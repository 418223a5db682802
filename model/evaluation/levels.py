"""Level control in numbers: what Figure 12 of the paper shows, measured as Chamfer distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64, Int64
from scipy.spatial import cKDTree

from model.evaluation.distributions import chamfer_matrix
from model.evaluation.metrics import chamfer_distance
from model.evaluation.sampler import Sampler, family_paths
from model.evaluation.tables import hundredfold, table
from model.geometry.sampling import sample_surface
from model.pipeline import CapabilityError, ShapePipeline

POINTS = 50_000  # on each surface
UNLABELLED = "no category"  # how reports name what is sampled without one
BAR = 0.5  # largest ratio of neighbouring distances that counts as control

ShowFamily = Callable[[str, Sequence[trimesh.Trimesh]], None]
"""Called with each category and the surfaces of its family, in the order of `family_paths`."""


@dataclass(frozen=True, slots=True)
class LevelDistances:
    """Mean Chamfer distances within the family of one category.

    Attributes:
        shared: between shapes that share exactly their coarsest k levels, k = 0, 1, ...; None where
            there is no such pair.
        resampled: between two samplings of the same surface, which is what equal shapes would get.
        empty: shapes without surface, left out.
    """

    shared: tuple[float | None, ...]
    resampled: float
    empty: int

    def ratios(self) -> tuple[float | None, ...]:
        """Each mean distance over that of shapes that share one level less, k = 1, 2, ..."""
        return tuple(
            finer / coarser if finer is not None and coarser else None
            for coarser, finer in zip(self.shared, self.shared[1:], strict=False)
        )


@dataclass(frozen=True, slots=True)
class LevelReport:
    """Level control of a model by category, and how it was sampled."""

    model: str
    weights_sha256: str
    levels: int
    parents: int
    variants: int
    seed: int
    steps: int
    guidance: float
    resolution: int
    solver: str
    guidance_level: int  # the finest that is guided
    categories: dict[str, LevelDistances]

    def mean(self) -> LevelDistances:
        """Means over the categories; its ratios are those of the mean distances."""
        rows = list(self.categories.values())
        shared = [
            [figure for figure in figures if figure is not None]
            for figures in zip(*(row.shared for row in rows), strict=True)
        ]
        return LevelDistances(
            shared=tuple(float(np.mean(figures)) if figures else None for figures in shared),
            resampled=float(np.mean([row.resampled for row in rows])),
            empty=sum(row.empty for row in rows),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        rows = self.categories | {"mean": self.mean()}
        measured = {name: asdict(row) | {"ratios": row.ratios()} for name, row in rows.items()}
        mean = measured.pop("mean")
        return asdict(self) | {"points": POINTS, "categories": measured, "mean": mean}

    def to_markdown(self) -> str:
        """A table of mean distances times 100 and their ratios, and how it was made."""
        kept = [_levels(range(self.levels, self.levels - k, -1)) for k in range(self.levels)]
        order = range(self.levels - 1, -1, -1)  # fine to coarse, distances grow
        columns = [
            "category",
            *("unrelated" if k == 0 else f"keep {kept[k]}" for k in order),
            *(f"{kept[k]} : {kept[k - 1] if k > 1 else 'unrelated'}" for k in order if k),
            "same shape",
            "empty",
        ]
        rows = [
            [
                name,
                *(hundredfold(row.shared[k]) for k in order),
                *(_ratio(row.ratios()[k - 1]) for k in order if k),
                hundredfold(row.resampled),
                str(row.empty),
            ]
            for name, row in (*self.categories.items(), ("mean", self.mean()))
        ]
        return "\n".join([self._title(), "", *table(columns, rows), "", self._protocol(), ""])

    def _title(self) -> str:
        return (
            f"Level control of {self.model} ({self.weights_sha256[:12]}): mean Chamfer distances, "
            "times 100, between variants that keep levels and between unrelated samples, and their "
            "ratios."
        )

    def _protocol(self) -> str:
        count = self.parents * self.variants ** (self.levels - 1)
        return (
            f"Protocol: {count} shapes a category as in Figure 12: {self.parents} unrelated "
            f"parents, at each next level {self.variants} variants of each shape, down to level 1. "
            "Each pair counts once, in the column of the levels that it shares exactly. Canonical "
            f"frame, not aligned; {POINTS:,} points uniform on each surface; Chamfer: mean of the "
            "two directed mean distances, not squared. Same shape: two samplings of one surface, "
            "which is what equal shapes would get; it is not taken off. The paper shows control in "
            f"pictures; the bar here is that every ratio is at most {BAR:.2f}. Empty: shapes "
            f"without surface, left out. Seeds from {self.seed}, {self.steps} steps of "
            f"{self.solver}, guidance {self.guidance:g} down to level {self.guidance_level}, "
            f"resolution {self.resolution}."
        )


def _levels(numbers: Sequence[int]) -> str:
    return "+".join(str(number) for number in numbers)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def evaluate_levels(
    sampler: Sampler,
    categories: Sequence[str],
    *,
    parents: int,
    variants: int,
    show: ShowFamily | None = None,
) -> LevelReport:
    """Sample the family of each category and measure the distances within it.

    Args:
        sampler: the model and its settings.
        categories: which to sample; none: all that the model knows, or samples without category
            where it knows none.
        parents: unrelated shapes of each category, at least 2.
        variants: of each shape at each next level, at least 2.
        show: told of each family.

    Raises:
        CapabilityError: the model cannot generate, or has one level only.
        ValueError: an unknown category, or a family without pairs.
    """
    info = sampler.pipeline.info
    _check_control(sampler.pipeline, categories)
    if min(parents, variants) < 2:
        raise ValueError(f"parents and variants must be at least 2, got {parents} and {variants}")
    paths = family_paths(parents, variants, len(info.levels))
    rows = {}
    for name in categories or info.categories or (UNLABELLED,):
        latents = sampler.family(None if name == UNLABELLED else name, parents, variants)
        surfaces = sampler.surfaces(latents, name)
        rows[name] = family_distances(surfaces, paths, name)
        if show is not None:
            show(name, surfaces)
    return LevelReport(
        model=info.name,
        weights_sha256=info.weights_sha256,
        levels=len(info.levels),
        parents=parents,
        variants=variants,
        seed=sampler.seed,
        steps=sampler.steps,
        guidance=sampler.guidance,
        resolution=sampler.resolution,
        solver=info.defaults.solver,
        guidance_level=info.defaults.guidance_level,
        categories=rows,
    )


def _check_control(pipeline: ShapePipeline, categories: Sequence[str]) -> None:
    """Refuse what cannot be measured before any time goes into it."""
    info = pipeline.info
    if "resample" not in info.can:
        raise CapabilityError(
            f"the model {info.name!r} has no cascade: without samples there is no level control"
        )
    if len(info.levels) < 2:
        raise CapabilityError(f"the model {info.name!r} has one level: there is none to keep")
    if unknown := sorted(set(categories).difference(info.categories)):
        raise ValueError(f"unknown category {unknown}; this model knows {list(info.categories)}")


def family_distances(
    surfaces: Sequence[trimesh.Trimesh], paths: Int64[np.ndarray, "n levels"], title: str
) -> LevelDistances:
    """Mean Chamfer distances of a family, and of its shapes sampled twice.

    Raises:
        ValueError: every shape is without surface.
    """
    solid = [i for i, mesh in enumerate(surfaces) if len(mesh.faces)]
    if not solid:
        raise ValueError(f"every sample of {title} is without surface: nothing can be measured")
    points = [sample_surface(surfaces[i], POINTS, seed=0) for i in solid]
    again = [sample_surface(surfaces[i], POINTS, seed=1) for i in solid]
    resampled = [chamfer_distance(a, b) for a, b in zip(points, again, strict=True)]
    trees = [cKDTree(cloud) for cloud in points]
    return LevelDistances(
        shared=mean_by_shared_levels(chamfer_matrix(trees, trees, title), paths[solid]),
        resampled=float(np.mean(resampled)),
        empty=len(surfaces) - len(solid),
    )


def mean_by_shared_levels(
    distances: Float64[np.ndarray, "n n"], paths: Int64[np.ndarray, "n levels"]
) -> tuple[float | None, ...]:
    """Mean distance of the pairs whose paths agree in exactly their first k entries, k = 0, 1, ...

    Args:
        distances: symmetric.
        paths: see `family_paths`; no two are equal.

    Returns:
        One mean for each k below the number of levels; None where there is no such pair.
    """
    agree = np.cumprod(paths[:, None] == paths, axis=2).sum(axis=2)
    first, second = np.triu_indices(len(paths), k=1)
    shared, pairs = agree[first, second], distances[first, second]
    return tuple(
        float(pairs[shared == k].mean()) if (shared == k).any() else None
        for k in range(paths.shape[1])
    )
