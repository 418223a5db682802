"""The surface of an occupancy field on a regular grid of the canonical frame.

`track_surface` asks the field along its surface alone, coarse to fine, and keeps what it asked in
sparse blocks. `evaluate_grid` asks every sample and keeps them all: the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from model.field import OccupancyField
from model.geometry.blocks import Blocks
from model.geometry.isosurface import enclose, extract_isosurface
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.gridfield import GridField

HALF_EXTENT = 1.05  # the grid spans [-HALF_EXTENT, HALF_EXTENT]^3 of the canonical frame
OUTSIDE = -100.0  # logit of samples farther than HALF_EXTENT from the centre, which are not asked
QUERY_CHUNK = 4096  # samples a CPU is asked between two calls of `OnChunk`
_GPU_CHUNK = 2**18  # samples a GPU is, which is idle with few
COARSE = 32  # most cells a side of the grid that tracking begins with

OnChunk = Callable[[int], None]
"""Called with the number of queries done since the last call; may raise to stop."""

Surface = tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]
"""Vertices in the canonical frame, and faces: outward and closed, empty without a surface."""


class Samples:
    """A field of one shape, to be asked at the samples of a grid of `resolution` cells a side.

    Sample (i, j, k) lies at lower + spacing * (i, j, k) in the canonical frame. Shapes lie in the
    unit ball there, so samples well beyond it are outside, whatever a decoder would say of them.
    """

    lower = -HALF_EXTENT  # coordinate of the first sample, the same on each axis

    def __init__(self, field: OccupancyField, resolution: int, on_chunk: OnChunk) -> None:
        self.spacing = 2 * HALF_EXTENT / resolution  # cell size in the canonical frame
        self.queries = 0  # samples at which the field was asked
        self._on_chunk, self._device = on_chunk, field.bias.device
        self._chunk = QUERY_CHUNK if self._device.type == "cpu" else _GPU_CHUNK
        threads = torch.get_num_threads()
        self._at = GridField(field, self.lower, self.spacing, resolution + 1, threads)

    @torch.inference_mode()
    def __call__(self, indices: Int64[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
        """Logits at samples."""
        positions = indices * self.spacing + self.lower
        reachable = np.einsum("na,na->n", positions, positions) <= HALF_EXTENT**2
        logits = np.full(len(indices), OUTSIDE, dtype=np.float32)
        logits[reachable] = self._ask(indices[reachable])
        return logits

    def _ask(self, indices: Int64[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
        logits = []
        for chunk in torch.from_numpy(indices).to(self._device).split(self._chunk):
            logits.append(self._at(chunk))
            self._on_chunk(len(chunk))
        self.queries += len(indices)
        return torch.cat(logits).cpu().numpy()


@dataclass(frozen=True)
class GridLogits:
    """Logits at the (R + 1)^3 corners of R^3 cells."""

    values: Float32[np.ndarray, "x y z"]
    lower: float
    spacing: float
    queries: int  # samples at which the field was asked

    def surface(self) -> Surface:
        """The surface by PyMCubes."""
        lower = self.lower - self.spacing
        return extract_isosurface(enclose(self.values), lower=(lower,) * 3, spacing=self.spacing)


@dataclass(frozen=True)
class TrackedLogits:
    """Logits at the corners of the cells that the surface enters, and at samples on the way."""

    blocks: Blocks
    lower: float
    spacing: float
    queries: int  # samples at which the field was asked

    def surface(self) -> Surface:
        """The surface by marching cubes on blocks, with the triangles of `GridLogits.surface`."""
        return extract_surface(self.blocks, lower=(self.lower,) * 3, spacing=self.spacing)


OnCoarser = Callable[[TrackedLogits], None]
"""Called with the logits along the surface of a coarser grid, while a finer one is asked."""


def evaluate_grid(field: OccupancyField, resolution: int, on_chunk: OnChunk) -> GridLogits:
    """Logits of a field (of one shape) at all samples of a grid of `resolution` cells a side."""
    ask = Samples(field, resolution, on_chunk)
    values = np.empty((resolution + 1,) * 3, dtype=np.float32)
    indices = np.indices((1, *values.shape[1:])).reshape(3, -1).T
    for layer in values:
        layer[:] = ask(indices).reshape(layer.shape)
        indices[:, 0] += 1
    return GridLogits(values, ask.lower, ask.spacing, ask.queries)


def track_surface(
    field: OccupancyField,
    resolution: int,
    on_chunk: OnChunk,
    *,
    seeds: Float32[np.ndarray, "n 3"] | None = None,
    exhaustive: bool = False,
    on_coarser: OnCoarser = lambda _: None,
) -> TrackedLogits:
    """Logits of a field (of one shape) along its surface in a grid of `resolution` cells a side.

    Args:
        field: of one shape.
        resolution: cells a side.
        on_chunk: told of each chunk of queries; may raise to stop.
        seeds: points in the canonical frame whose cells are looked at too; what no coarse grid
            shows is found where one of them lies on it.
        exhaustive: ask every sample.
        on_coarser: told of each coarser grid on the way.
    """
    ask = Samples(field, resolution, on_chunk)
    cells = None
    if seeds is not None:
        cells = np.floor((seeds - ask.lower) / ask.spacing).astype(np.int64)
        cells = cells.clip(0, resolution - 1)

    def on_level(blocks: Blocks, step: int) -> None:
        on_coarser(TrackedLogits(blocks, ask.lower, step * ask.spacing, ask.queries))

    coarse = resolution if exhaustive else COARSE
    blocks = track(ask, resolution, coarse=coarse, seeds=cells, on_level=on_level)
    if exhaustive:
        blocks = blocks.along_surface()  # which is all that a mesh is made of
    return TrackedLogits(blocks, ask.lower, ask.spacing, ask.queries)
