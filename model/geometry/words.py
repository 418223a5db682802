"""Sets of samples as 64-bit words: one word says which of a block's 4 x 4 x 4 samples are meant.

Sample (x, y, z) of a block is bit 16 x + 4 y + z, so that a step along an axis is a shift by that
axis' stride. A block's cells are numbered as its samples: cell (x, y, z) has sample (x, y, z) as
its lowest corner, and its other corners may lie in the blocks ahead: the block's cluster, (2, 2, 2)
blocks along x, y and z with the block itself first, holds them all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int64, UInt64

SIDE = 4  # samples of a block along each axis
SAMPLES = SIDE**3
STRIDES = (16, 4, 1)  # in bits, of a step along x, y, z

Words = UInt64[np.ndarray, "*n"]


def pack(members: Bool[np.ndarray, "n 64"]) -> UInt64[np.ndarray, "n"]:
    """Masks as words."""
    return np.packbits(members, axis=1, bitorder="little").view("<u8")[:, 0]


def unpack(words: UInt64[np.ndarray, "n"]) -> Bool[np.ndarray, "n 64"]:
    """Words as masks."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1, bitorder="little").view(bool)


def members(
    words: UInt64[np.ndarray, "n"],
) -> tuple[Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]]:
    """Which word and which bit, for each sample meant, in this order."""
    found = np.flatnonzero(unpack(words))
    return found // SAMPLES, found % SAMPLES


def _layer(at: int) -> UInt64[np.ndarray, "3"]:
    """For each axis, the samples of a block whose coordinate there is `at`."""
    bits = np.arange(SAMPLES)
    return pack(np.stack([bits // stride % SIDE == at for stride in STRIDES]))


FIRST = _layer(0)
_LAST = _layer(SIDE - 1)


def ahead(low: Words, high: Words, axis: int) -> Words:
    """What lies one sample further along an axis; `high` is the block after `low`."""
    stride, last = STRIDES[axis], _LAST[axis]
    shifted: Words = (low >> stride) & ~last | (high << (SIDE - 1) * stride) & last
    return shifted


def over_corners(
    samples: UInt64[np.ndarray, "2 2 2 n"], combine: Callable[[Words, Words], Words]
) -> UInt64[np.ndarray, "n"]:
    """Cells from samples: the eight corners of each combined, as by `np.bitwise_or`."""
    words = samples
    for axis in range(3):
        low, high = words
        words = combine(low, ahead(low, high, axis))
    return words


def at_corners(samples: UInt64[np.ndarray, "2 2 2 n"]) -> UInt64[np.ndarray, "2 2 2 n"]:
    """Cells from samples: at each corner (dx, dy, dz), the cells whose sample there is meant."""
    words = samples
    for axis in range(3):
        low, high = np.moveaxis(words, axis, 0)
        words = np.stack([low, ahead(low, high, axis)], axis=axis)
    return words


def corners_of(cells: UInt64[np.ndarray, "n"]) -> UInt64[np.ndarray, "2 2 2 n"]:
    """Samples from cells: all corners of those meant, in the whole cluster."""
    words = cells
    for axis in (2, 1, 0):
        stride, last = STRIDES[axis], _LAST[axis]
        own = words | (words & ~last) << stride
        words = np.stack([own, (words & last) >> (SIDE - 1) * stride])
    return words


def entered(
    known: UInt64[np.ndarray, "2 2 2 n"], positive: UInt64[np.ndarray, "2 2 2 n"]
) -> UInt64[np.ndarray, "n"]:
    """A word a cluster: the cells of which two known corners differ in sign."""
    cells: UInt64[np.ndarray, "n"] = over_corners(positive, np.bitwise_or)
    cells &= over_corners(known & ~positive, np.bitwise_or)
    return cells
