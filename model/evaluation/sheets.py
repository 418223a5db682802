"""The pictures beside the reports: reconstructions, families of variants, levels of noise."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import UInt8
from tqdm import tqdm

from model.evaluation.noise import level_subsets, subset_name
from model.evaluation.pictures import family_blocks, picture, subject_mesh
from model.evaluation.reconstruction import ReconstructionReport
from model.evaluation.scores import category_order
from model.evaluation.subjects import Source, find_subjects
from model.pipeline import ShapePipeline
from model.rendering import contact_sheet

PICTURE, FAMILY_PICTURE = 160, 96  # pixels
BLOCK_MARGIN = 12  # pixels around each block of a family, so that blocks read as such
MOST_NOISY = 8  # shapes in the picture of noise

Picture = UInt8[np.ndarray, "h w 3"]


def draw_reconstructions(
    pipeline: ShapePipeline, data: Path, report: ReconstructionReport, path: Path
) -> None:
    """The median and the worst shape of each category, each input above its reconstruction."""
    sources = {source.name: source for source in find_subjects(data)}
    names = list(report.categories())
    labels = ["median: input", "reconstruction", "worst: input", "reconstruction"]
    rows: list[list[Picture]] = [[] for _ in labels]
    for name in tqdm(names, desc="pictures", disable=not sys.stderr.isatty()):
        for rank, shape in enumerate(report.examples(name)):
            source = sources[shape.name]
            latents = pipeline.encode(source.load().cloud[None])
            [rebuilt] = pipeline.meshes(latents, resolution=report.resolution)
            rows[2 * rank].append(picture(subject_mesh(source), PICTURE, name))
            rows[2 * rank + 1].append(picture(rebuilt, PICTURE, name))
    contact_sheet(rows, row_labels=labels, column_labels=names).save(path)


class FamilySheet:
    """Collects the families of categories as rows of blocks, laid out as Figure 12."""

    def __init__(self, parents: int, variants: int) -> None:
        self.parents = parents
        self.variants = variants
        self.rows: dict[str, list[Picture]] = {}

    def __call__(self, category: str, surfaces: Sequence[trimesh.Trimesh]) -> None:
        """Draw one category's family; a `model.evaluation.levels.ShowFamily`."""
        pictures = [picture(surface, FAMILY_PICTURE, category) for surface in surfaces]
        margins = ((BLOCK_MARGIN, BLOCK_MARGIN), (BLOCK_MARGIN, BLOCK_MARGIN), (0, 0))
        self.rows[category] = [
            np.pad(block, margins, constant_values=255)
            for block in family_blocks(pictures, self.parents, self.variants)
        ]

    def save(self, path: Path) -> None:
        """Write the sheet: one row a category, one block a parent."""
        contact_sheet(list(self.rows.values()), row_labels=list(self.rows)).save(path)


class NoiseSheet:
    """Collects the first shape of each category with noise in every subset of its levels."""

    def __init__(self, levels: int) -> None:
        self.columns = [
            "input",
            "reconstruction",
            *(f"noise in {subset_name(subset)}" for subset in level_subsets(levels)),
        ]
        self.rows: dict[str, list[Picture]] = {}

    def __call__(self, source: Source, category: str, meshes: Sequence[trimesh.Trimesh]) -> None:
        """Draw a shape if its category is new; a `model.evaluation.noise.ShowNoise`."""
        if category in self.rows or len(self.rows) == MOST_NOISY:
            return
        shown = [subject_mesh(source), *meshes]
        self.rows[category] = [picture(mesh, PICTURE, category) for mesh in shown]

    def save(self, path: Path) -> None:
        """Write the sheet: one row a category, one column a subset."""
        names = category_order(self.rows)
        rows = [self.rows[name] for name in names]
        contact_sheet(rows, row_labels=names, column_labels=self.columns).save(path)
