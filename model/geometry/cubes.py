"""The 256 cases of marching cubes, as PyMCubes triangulates them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import mcubes
import numpy as np
from jaxtyping import Int64

from model.geometry.blocks import OFFSETS


@dataclass(frozen=True)
class CubeCases:
    """Triangles of a cell by its case, which has bit c where corner c (of `OFFSETS`) is inside.

    A triangle's corners lie on edges of the cell; 3 c + axis is the edge that begins at corner c
    and runs along an axis.
    """

    counts: Int64[np.ndarray, "256"]
    triangles: Int64[np.ndarray, "256 5 3"]  # of which the first `counts` are meant


@functools.cache
def cube_cases() -> CubeCases:
    """All cases, learned by giving PyMCubes each possible cell."""
    cases = CubeCases(np.zeros(256, dtype=np.int64), np.zeros((256, 5, 3), dtype=np.int64))
    for case in range(1, 255):
        inside = case >> np.arange(len(OFFSETS)) & 1
        vertices, faces = mcubes.marching_cubes(np.where(inside, 1.0, -1.0).reshape(2, 2, 2), 0.0)
        along = vertices % 1 != 0  # a vertex is the middle of its edge
        edges = 3 * (np.floor(vertices).astype(np.int64) @ (4, 2, 1)) + along.argmax(axis=1)
        cases.counts[case] = len(faces)
        cases.triangles[case, : len(faces)] = edges[faces.astype(np.int64)]
    return cases
