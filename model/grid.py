"""Evaluation of an occupancy field on a regular grid, coarse to fine.

Only cells near the surface are asked at full resolution: coarse cells whose corners differ in sign,
and then, until nothing is left, every cell into which the surface found so far continues. So each
component that the coarse grid touches is found whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from model.field import OccupancyField
from model.gridfield import GridField

HALF_EXTENT = 1.05  # the grid spans [-HALF_EXTENT, HALF_EXTENT]^3 of the canonical frame
QUERY_CHUNK = 4096  # queries evaluated at once

OnChunk = Callable[[int], None]
"""Called with the number of queries done since the last call; may raise to stop."""


@dataclass(frozen=True)
class GridLogits:
    """Logits at the (R + 1)^3 corners of R^3 cells.

    Sample (i, j, k) lies at lower + spacing * (i, j, k) in the canonical frame.
    """

    values: Float32[np.ndarray, "x y z"]
    lower: float  # coordinate of the first sample, the same on each axis
    spacing: float  # cell size in the canonical frame
    queries: int  # points at which the field was really asked


@torch.inference_mode()
def evaluate_grid(
    field: OccupancyField, resolution: int, on_chunk: OnChunk, refinement: int = 4
) -> GridLogits:
    """Logits of a field (of one shape) on a grid of `resolution` cells a side.

    A coarse cell has `refinement` fine cells a side; 1 asks every sample (the dense reference).
    """
    if len(field) != 1:
        raise ValueError(f"a grid is of one shape, the field holds {len(field)}")
    spacing = 2 * HALF_EXTENT / resolution
    coarse_cells = -(-resolution // refinement)
    device = field.bias.device
    samples = coarse_cells * refinement + 1
    at = GridField(field, -HALF_EXTENT, spacing, samples, threads=torch.get_num_threads())
    count = 0

    def ask(indices: Int64[Tensor, "n 3"], step: int) -> Float[Tensor, "n"]:
        nonlocal count
        logits = []
        for chunk in indices.split(QUERY_CHUNK):
            logits.append(at(chunk * step))
            on_chunk(len(chunk))
        count += len(indices)
        return torch.cat(logits)

    corners = coarse_cells + 1
    coarse = ask(_all_indices(corners, device), refinement).view(corners, corners, corners)
    fine = coarse if refinement == 1 else _refine(coarse, refinement, ask)
    kept = slice(0, resolution + 1)
    values = fine[kept, kept, kept].float().cpu().numpy()
    return GridLogits(np.ascontiguousarray(values), -HALF_EXTENT, spacing, count)


def _refine(
    coarse: Float[Tensor, "a a a"],
    refinement: int,
    ask: Callable[[Tensor, int], Tensor],
) -> Float[Tensor, "b b b"]:
    """Interpolate the coarse samples, then replace them by real ones along the whole surface."""
    size = (len(coarse) - 1) * refinement + 1
    fine = F.interpolate(
        coarse[None, None], size=(size,) * 3, mode="trilinear", align_corners=True
    )[0, 0]
    known = torch.zeros_like(fine, dtype=torch.bool)
    known[::refinement, ::refinement, ::refinement] = True
    active = _sign_change_cells(coarse)
    reached = torch.zeros_like(active)
    while active.any():
        reached |= active
        wanted = _samples_of_cells(active, refinement) & ~known
        indices = wanted.nonzero()
        if len(indices):
            fine[wanted] = ask(indices, 1)
        known |= wanted
        active = _crossed_cells(fine > 0, refinement) & ~reached
    return fine


def _all_indices(corners: int, device: torch.device) -> Int64[Tensor, "n 3"]:
    axis = torch.arange(corners, device=device)
    return torch.cartesian_prod(axis, axis, axis)


def _sign_change_cells(samples: Float[Tensor, "a a a"]) -> Bool[Tensor, "c c c"]:
    """Cells whose eight corners are not all on one side."""
    inside = (samples > 0).float()[None, None]
    most = F.max_pool3d(inside, 2, stride=1)[0, 0]
    least = -F.max_pool3d(-inside, 2, stride=1)[0, 0]
    return most != least


def _samples_of_cells(cells: Bool[Tensor, "c c c"], refinement: int) -> Bool[Tensor, "b b b"]:
    """The fine samples inside and on the border of coarse cells."""
    blocks = cells.float()[None, None].repeat_interleave(refinement, 2)
    blocks = blocks.repeat_interleave(refinement, 3).repeat_interleave(refinement, 4)
    return F.max_pool3d(F.pad(blocks, (1,) * 6), 2, stride=1)[0, 0] > 0


def _crossed_cells(inside: Bool[Tensor, "b b b"], refinement: int) -> Bool[Tensor, "c c c"]:
    """Coarse cells that hold a sign change between neighbouring fine samples."""
    fine_cells = _sign_change_cells(inside.float()).float()[None, None]
    return F.max_pool3d(fine_cells, refinement)[0, 0] > 0
