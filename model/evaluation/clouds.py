"""Labelled surface point clouds, of shards, of meshes or of generated shapes.

All of them are in the canonical frame and rounded to float16, as shards are: no measure can tell
two sets apart by where their points come from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float16
from tqdm import tqdm

from model.config import CATEGORIES
from model.data.shards import DEFAULT_POINTS
from model.evaluation.scores import category_order
from model.evaluation.subjects import OTHER, MeshSource, Source, find_subjects
from model.geometry.mesh import load_mesh
from model.geometry.sampling import sample_surface, to_point_cloud


@dataclass(frozen=True, slots=True)
class Clouds:
    """Surface points of many shapes, and the category of each."""

    points: Float16[np.ndarray, "shapes n 3"]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.categories)

    def of(self, category: str | None) -> Clouds:
        """The shapes of one category; None: all."""
        if category is None:
            return self
        rows = [row for row, name in enumerate(self.categories) if name == category]
        return Clouds(self.points[rows], (category,) * len(rows))

    def spread(self, limit: int) -> Clouds:
        """So many shapes at most, evenly spread."""
        if limit >= len(self):
            return self
        rows = [i * len(self) // limit for i in range(limit)]
        return Clouds(self.points[rows], tuple(self.categories[row] for row in rows))


def read_clouds(
    folder: Path,
    categories: Sequence[str] | None = CATEGORIES,
    *,
    count: int = DEFAULT_POINTS.surface,
    limit: int | None = None,
    seed: int = 0,
) -> Clouds:
    """Surface points of the shapes of some categories in a folder of shards, or of meshes.

    Args:
        folder: see `find_subjects`; shapes without a label, or with another, are left out.
        categories: in this order, each in the folder's order; None: whatever there are, and the
            shapes without a label as `OTHER`.
        count: points a shape, drawn anew from a mesh, without repetition from a shard's shape.
        limit: take so many shapes a category at most, evenly spread over the folder.
        seed: of the points drawn.

    Raises:
        ValueError: no shape has such a category, a file is no mesh, or a shard has fewer points.
    """
    sources = find_subjects(folder)
    labels = [source.category for source in sources]
    if categories is None:
        named = [label or OTHER for label in labels]
        labels, categories = list(named), category_order(named)
    chosen: list[tuple[str, int]] = []
    for category in categories:
        rows = [row for row, label in enumerate(labels) if label == category]
        size = len(rows) if limit is None else min(limit, len(rows))
        chosen += [(category, rows[i * len(rows) // size]) for i in range(size)]
    if not chosen:
        raise ValueError(f"{folder} holds no shape labelled {' or '.join(categories)}")
    points = np.empty((len(chosen), count, 3), np.float16)
    hidden = not sys.stderr.isatty()
    for i, (_, row) in enumerate(tqdm(chosen, desc=folder.name, unit="shape", disable=hidden)):
        points[i] = _surface(sources[row], count, [seed, row])
    return Clouds(points, tuple(category for category, _ in chosen))


def surface_points(
    mesh: trimesh.Trimesh, count: int, *, seed: int
) -> Float16[np.ndarray, "count 3"]:
    """Points uniform on a mesh that is in the canonical frame already."""
    points: Float16[np.ndarray, "count 3"] = sample_surface(mesh, count, seed=seed).astype(
        np.float16
    )
    return points


def _surface(source: Source, count: int, seed: Sequence[int]) -> Float16[np.ndarray, "count 3"]:
    generator = np.random.default_rng(seed)
    if isinstance(source, MeshSource):
        try:
            shape = load_mesh(source.path.read_bytes(), hint=source.path.name)
        except ValueError as error:
            raise ValueError(f"{source.path}: {error}") from error
        cloud = to_point_cloud(shape, count=count, ordered=1, seed=int(generator.integers(2**32)))
        return cloud.points.astype(np.float16)
    stored = source.arrays.surface[source.row]
    if count > len(stored):
        raise ValueError(f"{source.name} has {len(stored)} surface points, {count} are asked for")
    chosen: Float16[np.ndarray, "count 3"]
    chosen = stored[generator.choice(len(stored), count, replace=False)]
    return chosen
