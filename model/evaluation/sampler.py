"""Samples of a model under one choice of settings, and the families of Figure 12."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Int64
from tqdm import tqdm

from model.latents import Latents
from model.pipeline import ShapePipeline


@dataclass(frozen=True, slots=True)
class Sampler:
    """A model and how it is sampled.

    Attributes:
        pipeline: the model.
        seed: of the first shape of each call; each next one is one more.
        steps: noise levels of the sampler.
        guidance: weight of the category.
        resolution: cells per side of the extraction grid.
    """

    pipeline: ShapePipeline
    seed: int
    steps: int
    guidance: float
    resolution: int

    def sample(self, categories: Sequence[str | None], seeds: Sequence[int]) -> Latents:
        """New shapes, one a category and seed."""
        return self.pipeline.sample(seeds, categories, steps=self.steps, guidance=self.guidance)

    def family(self, category: str | None, parents: int, variants: int) -> Latents:
        """Unrelated shapes, then variants of variants level by level, as in Figure 12.

        `parents` coarsest levels are drawn; each gets `variants` choices of the next level, each of
        these `variants` choices of the next, down to level 1. Rows are in the order of
        `family_paths`.
        """
        made = self._draw([category] * parents)
        for keep_level in range(len(self.pipeline.info.levels), 1, -1):
            kept = Latents(tuple(level.repeat_interleave(variants, 0) for level in made.levels))
            made = self._draw([category] * len(kept), kept, keep_level)
        return made

    def surfaces(self, latents: Latents, title: str) -> list[trimesh.Trimesh]:
        """The surface of each row; `title` names the progress bar."""
        rows = tqdm(range(len(latents)), desc=title, disable=not sys.stderr.isatty())
        return [
            self.pipeline.meshes(latents[row : row + 1], resolution=self.resolution)[0]
            for row in rows
        ]

    def _draw(
        self,
        categories: Sequence[str | None],
        keep: Latents | None = None,
        keep_level: int | None = None,
    ) -> Latents:
        return self.pipeline.sample(
            [self.seed + i for i in range(len(categories))],
            categories,
            steps=self.steps,
            guidance=self.guidance,
            keep=keep,
            keep_level=keep_level,
        )


def family_paths(parents: int, variants: int, levels: int) -> Int64[np.ndarray, "n levels"]:
    """Which choice each shape of a family took at each level, coarse to fine.

    Shapes share the latents of their coarsest k levels exactly where the first k entries agree.
    """
    sizes = (parents, *[variants] * (levels - 1))
    return np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1).astype(np.int64)
