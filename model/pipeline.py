"""ShapePipeline: the one door through which programs use the model; batches in, batches out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Float32

from model.checkpoint import Checkpoint, load_checkpoint
from model.config import SamplingDefaults
from model.device import resolve_device, steady_products
from model.diffusion.sampler import SOLVERS
from model.field import OccupancyField
from model.grid import COARSE, OnCoarser, TrackedLogits, track_surface
from model.latents import Latents

STARTER_WEIGHTS = Path(__file__).parent / "weights" / "starter"

Observer = Callable[[str, float], None]
"""Called with (stage, fraction of it done) at every denoising step and decoded chunk.

Stages are "encode", "denoise_l3" (and so on down to level 1), "decode" and "mesh". An observer may
raise to stop the work; nothing is left behind.
"""


def unobserved(stage: str, fraction: float) -> None:
    """The observer that does nothing."""


class CapabilityError(ValueError):
    """Asked of a model something that it was not trained for."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model is and can do; JSON-able."""

    name: str
    version: str
    licence: str
    weights_sha256: str
    levels: tuple[dict[str, int], ...]  # level, tokens, channels; coarse to fine
    categories: tuple[str, ...]
    can: tuple[str, ...]  # operations: encode, decode, generate, resample
    defaults: SamplingDefaults

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class ShapePipeline:
    """Encode, sample, resample and mesh shapes with one loaded model on one device.

    Arrays are in the canonical frame (unit sphere); callers carry the user's frame in a
    `model.geometry.normalization.Normalization`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.autoencoder = checkpoint.autoencoder.to(self.device)
        self.cascade = checkpoint.cascade.to(self.device) if checkpoint.cascade else None
        self.info = _describe(checkpoint)

    @classmethod
    def load(cls, weights: Path | None = None, *, device: str = "auto") -> ShapePipeline:
        """Load a checkpoint folder; the bundled starter weights when none is named."""
        return cls(load_checkpoint(weights or STARTER_WEIGHTS), device)

    @torch.inference_mode()
    def encode(self, points: Float32[np.ndarray, "b n 3"]) -> Latents:
        """Latents of surface point clouds that begin with their farthest-point order."""
        cloud = torch.from_numpy(points).to(self.device)
        with self._precision():  # row by row: the same bits alone and in company
            latents = Latents.concatenate(
                [self.autoencoder.encode(row, ordered=True) for row in cloud.split(1)]
            )
        return Latents(tuple(level.float() for level in latents.levels))

    def sample(
        self,
        seeds: Sequence[int],
        categories: Sequence[str | None],
        *,
        steps: int,
        guidance: float,
        guidance_level: int | None = None,
        solver: str | None = None,
        keep: Latents | None = None,
        keep_level: int | None = None,
        observe: Observer = unobserved,
    ) -> Latents:
        """Latents of new shapes, or of variants of `keep` whose levels >= keep_level stay.

        Args:
            seeds: one a row; a row depends on its own seed alone.
            categories: one a row; None for no category.
            steps: noise levels of the solver.
            guidance: 1 conditional, 0 without category, above 1 classifier-free guidance.
            guidance_level: the finest level that is guided, the others are conditional alone; None:
                the model's.
            solver: a `model.config.SolverName`; None: the model's.
            keep: parents, one a row.
            keep_level: the finest level kept, in the paper's numbering (3 is the coarsest of 3).
            observe: told of each step; may raise to stop.

        Raises:
            CapabilityError: the model has no cascade.
            ValueError: an unknown category, solver or level, or rows that do not match.
        """
        if self.cascade is None:
            raise CapabilityError(
                f"the model {self.info.name!r} has no cascade: it encodes and decodes only"
            )
        if not len(seeds) == len(categories) == (len(keep) if keep else len(seeds)):
            raise ValueError("seeds, categories and kept latents must have one entry a row")
        defaults = self.info.defaults
        solver = defaults.solver if solver is None else solver
        guidance_level = defaults.guidance_level if guidance_level is None else guidance_level
        if not 1 <= guidance_level <= len(self.info.levels):
            raise ValueError(
                f"guidance_level must be one of 1 to {len(self.info.levels)}, not {guidance_level}"
            )
        if solver not in SOLVERS:
            raise ValueError(f"no solver {solver!r}: choose one of {', '.join(SOLVERS)}")
        kept = [] if keep is None else self._kept_levels(keep, keep_level)
        with self._precision():
            return self.cascade.sample(
                seeds,
                self._category_indices(categories),
                steps=steps,
                guidance=guidance,
                guidance_level=guidance_level,
                solver=solver,
                kept=kept,
                on_step=lambda level, fraction: observe(f"denoise_l{level}", fraction),
            )

    def meshes(
        self,
        latents: Latents,
        *,
        resolution: int,
        seeds: Sequence[Float32[np.ndarray, "_n 3"] | None] | None = None,
        exhaustive: bool = False,
        observe: Observer = unobserved,
    ) -> list[trimesh.Trimesh]:
        """The surfaces of a batch of latents, welded, closed and outward-facing, canonical frame.

        A field that is outside everywhere gives a mesh without faces. Arguments are those of
        `track`.
        """
        tracked = self.track(
            latents, resolution=resolution, seeds=seeds, exhaustive=exhaustive, observe=observe
        )
        meshes = []
        for row, logits in enumerate(tracked):
            observe("mesh", row / len(latents))
            meshes.append(trimesh.Trimesh(*logits.surface(), process=False))
        return meshes

    def track(
        self,
        latents: Latents,
        *,
        resolution: int,
        seeds: Sequence[Float32[np.ndarray, "_n 3"] | None] | None = None,
        exhaustive: bool = False,
        observe: Observer = unobserved,
        on_coarser: OnCoarser = lambda _: None,
    ) -> Iterator[TrackedLogits]:
        """Logits along the surfaces of a batch of latents, one shape after the other.

        What is left to do for meshes, `TrackedLogits.surface`, asks the model no more.

        Args:
            latents: one row a shape.
            resolution: cells a side of the grid.
            seeds: points, one array a row, near which the surface is looked for too: what was
                encoded, for instance. None, for a row or for all: only where the field leads.
            exhaustive: ask the field at every sample of the grid.
            observe: told of each decoded chunk; may raise to stop.
            on_coarser: told of each coarser grid on the way: a surface to look at meanwhile.
        """
        if seeds is not None and len(seeds) != len(latents):
            raise ValueError(f"seeds must have one entry a row, {len(latents)}, not {len(seeds)}")
        every = round(math.pi / 6 * (resolution + 1) ** 3)  # of the samples lie in the ball
        expected = every if exhaustive else COARSE**3 + 4 * resolution**2
        for row in range(len(latents)):
            yield track_surface(
                self._field(latents[row : row + 1]),  # alone: a shape's bits are its own
                resolution,
                _DecodeProgress(observe, row, len(latents), expected),
                seeds=None if seeds is None else seeds[row],
                exhaustive=exhaustive,
                on_coarser=on_coarser,
            )

    @torch.inference_mode()
    def _field(self, latents: Latents) -> OccupancyField:
        on_device = Latents(tuple(level.to(self.device) for level in latents.levels))
        with self._precision():
            features = self.autoencoder.decode_features(on_device)
        return self.autoencoder.fold(tuple(level.float() for level in features))

    def _kept_levels(self, parents: Latents, keep_level: int | None) -> list[torch.Tensor]:
        count = len(parents.levels)
        if keep_level is None or not 1 < keep_level <= count:
            raise ValueError(f"keep_level must be from 2 to {count}, got {keep_level}")
        return [level.to(self.device) for level in parents.levels[: count + 1 - keep_level]]

    def _category_indices(self, categories: Sequence[str | None]) -> torch.Tensor:
        known = self.info.categories
        if unknown := {c for c in categories if c is not None and c not in known}:
            raise ValueError(f"unknown category {sorted(unknown)}; this model knows {list(known)}")
        indices = [len(known) if c is None else known.index(c) for c in categories]
        return torch.tensor(indices, device=self.device)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        """bfloat16 for the transformers where the device has it, float32 elsewhere."""
        if self.device.type == "cuda" and torch.cuda.is_bf16_supported():
            with torch.autocast("cuda", torch.bfloat16), steady_products():
                yield
        else:
            yield


class _DecodeProgress:
    """Turns counts of queries into a fraction that only grows; the total is an estimate."""

    def __init__(self, observe: Observer, row: int, rows: int, expected: int) -> None:
        self.observe = observe
        self.row, self.rows = row, rows
        self.expected = expected
        self.done = 0

    def __call__(self, queries: int) -> None:
        self.done += queries
        fraction = self.done / (self.done + self.expected) * 2 if self.done < self.expected else 1.0
        self.observe("decode", (self.row + min(fraction, 1.0)) / self.rows)


def _describe(checkpoint: Checkpoint) -> ModelInfo:
    config = checkpoint.config
    count = len(config.autoencoder.levels)
    can_generate = checkpoint.cascade is not None
    return ModelInfo(
        name=config.name,
        version=config.version,
        licence=config.licence,
        weights_sha256=checkpoint.sha256,
        levels=tuple(
            {"level": count - i, "tokens": level.tokens, "channels": level.channels}
            for i, level in enumerate(config.autoencoder.levels)
        ),
        categories=config.cascade.categories if config.cascade else (),
        can=("encode", "decode", "generate", "resample") if can_generate else ("encode", "decode"),
        defaults=config.sampling,
    )
