"""Marching cubes on sparse blocks: the triangles `extract_isosurface` makes of the whole grid."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8, UInt64

from model.geometry.blocks import LOCAL, OFFSETS, Blocks
from model.geometry.cubes import cube_cases
from model.geometry.isosurface import NUDGE
from model.geometry.words import SAMPLES, SIDE, STRIDES, at_corners, entered, over_corners, unpack

_CHUNK = 4096  # blocks at once: temporary arrays stay small
_BELOW = (np.uint64(1) << np.arange(SAMPLES, dtype=np.uint64)) - np.uint64(1)
_EDGES = 3 * len(OFFSETS)  # names of a cell's edges, as in `CubeCases`; half of them are edges

# Edge e of the cell at bit b, at b * _EDGES + e: which of the 24 places of a block and those ahead
# it has, and the bit where it begins.
_BEGINS = (LOCAL[:, None] + OFFSETS).repeat(3, axis=1).reshape(-1, 3)
_PLACE = _BEGINS // SIDE @ np.array([12, 6, 3]) + np.tile(np.arange(3), len(_BEGINS) // 3)
_BIT = _BEGINS % SIDE @ np.array(STRIDES)


def extract_surface(
    blocks: Blocks, *, lower: tuple[float, float, float], spacing: float
) -> tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
    """The surface `logit = 0` as a triangle mesh, closed where it reaches the layer outside.

    Vertices are shared by the faces around them; their order, and that of the faces, does not
    depend on the order in which blocks were written, nor on samples away from the surface.

    Args:
        blocks: logits, positive inside; all corners of the cells that the surface enters.
        lower: position of sample (0, 0, 0).
        spacing: distance of neighbouring samples, positive.

    Returns:
        Vertices in the frame of `lower`, and faces as rows of vertex indices.
    """
    edges = _Edges(blocks)
    vertices = [edges.vertices(rows) * spacing + lower for rows in _chunks(edges.order)]
    owners = blocks.with_corners_in(blocks.keys[1:])
    faces = [_faces(blocks, edges, keys) for keys in _chunks(owners)]
    return np.concatenate(vertices), np.concatenate(faces)


class _Edges:
    """The edges that the surface crosses, numbered by block (in the order of keys), axis, bit.

    An edge is named by the bit of the sample where it begins, and by its place: three times the
    sample's row, plus axis.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.order = np.argsort(blocks.keys[1:]) + 1
        crossed = np.stack([blocks.crossings(axis) for axis in range(3)], axis=1)
        counts = np.bitwise_count(crossed[self.order]).astype(np.int64)
        first = np.zeros(crossed.shape, dtype=np.int64)
        first[self.order] = np.cumsum(counts).reshape(-1, 3) - counts
        self.crossed: UInt64[np.ndarray, "places"] = crossed.ravel()
        self.first: Int64[np.ndarray, "places"] = first.ravel()

    def numbers(
        self, places: Int64[np.ndarray, "n k"], bits: Int64[np.ndarray, "n k"]
    ) -> Int64[np.ndarray, "n k"]:
        """Numbers of edges that are crossed."""
        before = np.bitwise_count(self.crossed[places] & _BELOW[bits])
        numbers: Int64[np.ndarray, "n k"] = self.first[places] + before
        return numbers

    def vertices(self, rows: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "v 3"]:
        """Where the surface crosses the edges of some blocks, as fractional sample indices."""
        blocks = self.blocks
        places = (3 * rows[:, None] + np.arange(3)).ravel()
        found = np.flatnonzero(unpack(self.crossed[places]))
        bits, which = found % SAMPLES, found // SAMPLES
        block, axes = which // 3, which % 3
        keys = blocks.keys[rows]
        beyond = LOCAL[bits, axes] == SIDE - 1
        next_rows = blocks.rows(keys[block] + beyond * blocks.units[axes])
        next_bits = bits + np.where(beyond, 1 - SIDE, 1) * np.array(STRIDES)[axes]
        begin = _nudged(blocks.values[rows[block], bits])
        end = _nudged(blocks.values[next_rows, next_bits])
        # What leaves the grid is closed half a cell outside.
        begin, end = np.where(np.isinf(begin), -end, begin), np.where(np.isinf(end), -begin, end)
        positions = (blocks.origins(keys)[block] + LOCAL[bits]).astype(np.float64)
        positions[np.arange(len(bits)), axes] += begin / (begin - end)
        return positions


def _chunks(array: Int64[np.ndarray, "n"]) -> list[Int64[np.ndarray, "_m"]]:
    return np.split(array, range(_CHUNK, len(array), _CHUNK))


def _nudged(values: Float32[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """No sample is exactly zero, as in `extract_isosurface`."""
    return np.where(values == 0, -NUDGE, values).astype(np.float64)


def _faces(blocks: Blocks, edges: _Edges, keys: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "f 3"]:
    """The triangles of some blocks' cells, cell by cell."""
    rows = blocks.rows(blocks.clusters(keys))
    known, positive = blocks.known[rows], blocks.positive[rows]
    meshed = entered(known, positive) & over_corners(known, np.bitwise_and)
    some = np.flatnonzero(meshed)
    cells = np.flatnonzero(unpack(meshed[some]))
    cases = _cases(positive[..., some])[cells]
    places = 3 * rows[..., some].reshape(len(OFFSETS), -1).T[..., None] + np.arange(3)
    table = cube_cases()
    counts = table.counts[cases]
    firsts = np.cumsum(counts) - counts
    faces = np.empty((counts.sum(), 3), dtype=np.int64)
    for count in range(1, 1 + counts.max(initial=0)):
        chosen = np.flatnonzero(counts == count)
        block, bit = cells[chosen, None] // SAMPLES, cells[chosen, None] % SAMPLES
        named = table.triangles[cases[chosen], :count].reshape(-1, 3 * count) + bit * _EDGES
        numbers = edges.numbers(places.ravel()[block * _EDGES + _PLACE[named]], _BIT[named])
        faces[firsts[chosen, None] + np.arange(count)] = numbers.reshape(-1, count, 3)
    return faces


def _cases(positive: UInt64[np.ndarray, "2 2 2 n"]) -> UInt8[np.ndarray, "m"]:
    """The case of every cell of the first blocks, block by block, bit by bit."""
    corners = at_corners(positive).reshape(len(OFFSETS), -1)
    inside = unpack(corners.ravel()).reshape(len(OFFSETS), -1).view(np.uint8)
    cases: UInt8[np.ndarray, "m"] = np.zeros_like(inside[0])
    for corner, at_corner in enumerate(inside):
        cases |= at_corner << corner
    return cases
