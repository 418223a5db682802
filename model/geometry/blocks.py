"""Samples of a grid in sparse blocks of 4 x 4 x 4: memory goes with the surface, not the volume."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, Shaped, UInt64

from model.geometry.words import FIRST, SAMPLES, SIDE, STRIDES, ahead, entered, members, pack

OFFSETS = np.array(list(itertools.product((0, 1), repeat=3)))
"""From a cell's lowest corner to all of them, or from a block to those ahead of it, (8, 3)."""

_BITS = np.arange(SAMPLES)
LOCAL = np.stack([_BITS // stride % SIDE for stride in STRIDES], axis=1)
"""Coordinates within its block of the sample at each bit, (64, 3)."""


class Blocks:
    """Logits at some samples of a grid of `cells` cells a side, and which are known and positive.

    Sample indices run from -1 to cells + 1: the grid, and a layer around it. A block is named by
    its key, its place in a directory of all blocks (four bytes each), and its samples are a row of
    arrays that grow as samples are written. Row 0 has no known sample and stands for all blocks
    that are not there.
    """

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._span = (cells + 1) // SIDE + 3  # blocks a side: the layer's, and one ahead of all
        self.units = np.array([self._span**2, self._span, 1])  # between keys along x, y, z
        self._directory = np.zeros(self._span**3, dtype=np.int32)
        self._count = 1
        self._keys = np.zeros(1, dtype=np.int64)
        self._known = np.zeros(1, dtype=np.uint64)
        self._positive = np.zeros(1, dtype=np.uint64)
        self._values = np.zeros((1, SAMPLES), dtype=np.float32)

    @property
    def keys(self) -> Int64[np.ndarray, "n"]:
        """The block of each row."""
        return self._keys[: self._count]

    @property
    def known(self) -> UInt64[np.ndarray, "n"]:
        """The samples written, a word a row."""
        return self._known[: self._count]

    @property
    def positive(self) -> UInt64[np.ndarray, "n"]:
        """The known samples above zero, a word a row."""
        return self._positive[: self._count]

    @property
    def values(self) -> Float32[np.ndarray, "n 64"]:
        """The samples themselves, arbitrary where not known."""
        return self._values[: self._count]

    def rows(self, keys: Int64[np.ndarray, "*n"]) -> Int32[np.ndarray, "*n"]:
        """Rows of blocks, 0 for those that are not there."""
        rows: Int32[np.ndarray, "*n"] = self._directory[keys]
        return rows

    def clusters(self, keys: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "2 2 2 n"]:
        """Keys of blocks and of those ahead of them, which together hold their cells' corners."""
        clusters: Int64[np.ndarray, "2 2 2 n"] = keys + (OFFSETS @ self.units).reshape(2, 2, 2, 1)
        return clusters

    def with_corners_in(self, keys: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "m"]:
        """Keys of the blocks whose cells have known corners in one of these, in rising order."""
        known = self.known[self.rows(keys)]
        behind = [keys]
        for offset in OFFSETS[1:]:
            shared = functools.reduce(np.bitwise_and, FIRST[offset == 1], known)
            behind.append(keys[shared != 0] - offset @ self.units)
        return self.distinct(np.concatenate(behind))

    def distinct(self, keys: Int64[np.ndarray, "*n"]) -> Int64[np.ndarray, "m"]:
        """The keys in rising order, each once."""
        marked = np.zeros(len(self._directory), dtype=bool)
        marked[keys] = True
        return np.flatnonzero(marked)

    def origins(self, keys: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n 3"]:
        """Indices of the first sample of blocks."""
        return (np.stack(np.unravel_index(keys, (self._span,) * 3)).T - 1) * SIDE

    def indices(
        self, keys: Int64[np.ndarray, "n"], samples: UInt64[np.ndarray, "n"]
    ) -> Int64[np.ndarray, "m 3"]:
        """Indices of the samples that words mean in blocks, block by block, bit by bit."""
        blocks, bits = members(samples)
        return (self.origins(keys).T[:, blocks] + LOCAL.T[:, bits]).T

    def sets(
        self, indices: Int64[np.ndarray, "m 3"]
    ) -> tuple[Int64[np.ndarray, "n"], UInt64[np.ndarray, "n"]]:
        """`indices` the other way: keys of the samples' blocks, each once, and their words."""
        places, bits = self._places(indices)
        keys = self.distinct(places)
        masks = np.zeros((len(keys), SAMPLES), dtype=bool)
        masks[np.searchsorted(keys, places), bits] = True
        return keys, pack(masks)

    def crossings(self, axis: int) -> UInt64[np.ndarray, "n"]:
        """A word a row: the samples whose successor along an axis is known to be of other sign."""
        next_rows = self.rows(self.keys + self.units[axis])
        both = self.known & ahead(self.known, self.known[next_rows], axis)
        changes = self.positive ^ ahead(self.positive, self.positive[next_rows], axis)
        crossings: UInt64[np.ndarray, "n"] = changes & both
        return crossings

    def read(
        self, indices: Int64[np.ndarray, "n 3"]
    ) -> tuple[Float32[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
        """Logits of samples, and which of them are known (the others are arbitrary)."""
        places, bits = self._places(indices)
        rows = self.rows(places)
        known = self._known[rows] >> bits.astype(np.uint64) & 1
        return self._values[rows, bits], known.astype(bool)

    def write(
        self,
        keys: Int64[np.ndarray, "n"],
        samples: UInt64[np.ndarray, "n"],
        values: Float32[np.ndarray, "m"],
    ) -> None:
        """Set the samples that words mean in blocks, each given once, in the order of `indices`."""
        self._make(keys)
        rows = self.rows(keys)
        blocks, bits = members(samples)
        self._values[rows[blocks], bits] = values
        self._known[rows] |= samples
        self._positive[rows] = pack(self._values[rows] > 0) & self._known[rows]

    def along_surface(self) -> Blocks:
        """Those blocks alone that hold corners of the cells which the surface enters."""
        clusters = self.clusters(self.with_corners_in(self.keys[1:]))
        rows = self.rows(clusters)
        cells = entered(self.known[rows], self.positive[rows])
        keys = self.distinct(clusters[..., cells != 0])
        keys = keys[self.rows(keys) > 0]
        kept, rows = Blocks(self._cells), self.rows(keys)
        kept._make(keys)
        kept._known[1:], kept._positive[1:] = self._known[rows], self._positive[rows]
        kept._values[1:] = self._values[rows]
        return kept

    def _places(
        self, indices: Int64[np.ndarray, "n 3"]
    ) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
        """Keys and bits of samples."""
        keys, bits = np.zeros((2, len(indices)), dtype=np.int64)
        for column, unit, stride in zip(indices.T, self.units, STRIDES, strict=True):
            keys += (column // SIDE + 1) * unit
            bits += column % SIDE * stride
        return keys, bits

    def _make(self, keys: Int64[np.ndarray, "n"]) -> None:
        """Rows for those blocks that have none."""
        new = keys[self.rows(keys) == 0]
        count = self._count + len(new)
        if count > len(self._keys):
            capacity = max(count, len(self._keys) * 3 // 2)
            self._keys = _grown(self._keys, capacity)
            self._known = _grown(self._known, capacity)
            self._positive = _grown(self._positive, capacity)
            self._values = _grown(self._values, capacity)
        self._directory[new] = np.arange(self._count, count)
        self._keys[self._count : count] = new
        self._count = count


def _grown(
    array: Shaped[np.ndarray, "n *rest"], capacity: int
) -> Shaped[np.ndarray, "{capacity} *rest"]:
    grown = np.zeros((capacity, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown
