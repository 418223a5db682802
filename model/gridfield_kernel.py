"""The compiled half of `model.gridfield`: softmax over tables of a grid, by numba.

Nothing here depends on a sample's neighbours: a logit has the same bits in whatever batch its
sample is asked. `evaluate` and `product` are compiled at their first call and kept on disk where
that can be. All that they are made of stands in this file, the layout of the tables too: what is
kept is renewed when this file changes, and at no other time.

Licence given to the compiler: fused multiply-adds where scores and weights are made, and another
order of adding in the sums over tokens, without which those stay scalar. Each function has its
own, and keeps it where it is inlined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numba import njit

BLOCK = 2048  # samples that pass the tokens of one head, which stay in cache, before the next
SAFE = np.float32(100.0)  # base-2 scores within this bound: no weight or sum leaves float32

_ROUNDER = np.float32(1.5 * 2**23)  # added, leaves the nearest integer in a float's low bits
_ROUNDER_BITS = np.int32(_ROUNDER.view(np.int32))
_MANTISSA = np.int32(23)  # bits below the exponent
_LEAST = np.int32(-126)  # exponent of the least normal number
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
# (2^f - 1) / f on [-1/2, 1/2], by least greatest relative error of 2^f (9.4e-8), in float32
_C1, _C2 = np.float32(0.693147004), np.float32(0.240222469)
_C3, _C4 = np.float32(0.0555071086), np.float32(0.00967129134)
_C5 = np.float32(0.00132695213)


class GridTables(NamedTuple):
    """A field on a grid of n places an axis: t tokens in h heads, those of all levels in turn.

    Made by `model.gridtables.tabulate`, which says what X_j to R are. Scores are to base 2, and
    over a head's tokens they average 0, and so do its values.
    """

    axes: Float32[np.ndarray, "3 n t"]  # X_j, Y_j, Z_j
    constants: Float32[np.ndarray, "t"]  # d_j
    values: Float32[np.ndarray, "t"]  # v_j
    starts: Int64[np.ndarray, "h+1"]  # the first token of each head, and t
    reach: Float32[np.ndarray, "3 n h"]  # the greatest |X_j|, |Y_j|, |Z_j| of a head's tokens
    constant_reach: Float32[np.ndarray, "h"]  # and their greatest |d_j|
    pairs: Float64[np.ndarray, "3 n n"]  # P, Q, R
    least_variance: float  # s^2 is nowhere less
    bias: float

    @property
    def longest_head(self) -> int:
        """Tokens of the longest head."""
        return int(np.diff(self.starts).max())

    @property
    def most_score(self) -> float:
        """No score's absolute value is greater; NaN where a number is."""
        reach = self.reach.max(axis=1).sum(axis=0, dtype=np.float64)
        return float((reach / np.sqrt(self.least_variance) + self.constant_reach).max())


def _inlined(*fastmath: str) -> Callable[[Any], Any]:
    """Decorates what compiled functions call."""
    return njit(  # type: ignore[no-any-return]
        forceinline=True, no_cpython_wrapper=True, error_model="numpy", fastmath=set(fastmath)
    )


def _compiled(function: Any) -> Any:
    """Decorates what Python calls."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return njit(nogil=True, error_model="numpy")(function)


@_inlined("contract")
@no_type_check
def _split(t):
    """With t = n + f, |f| <= 1/2: the bits of 2^f, and those of n plus `_ROUNDER_BITS`."""
    rounded = t + _ROUNDER
    f = t - (rounded - _ROUNDER)
    power = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _ONE
    return np.float32(power).view(np.int32), np.float32(rounded).view(np.int32)


@_inlined("contract")
@no_type_check
def exp2(t):
    """2^t for |t| <= 126, to a relative error of 2e-7: n is added to the exponent of 2^f."""
    power, rounded = _split(t)
    return np.int32(power + np.int32(rounded << _MANTISSA)).view(np.float32)


@_inlined("contract")
@no_type_check
def exp2_below(t, top):
    """2^(t - top) for an integer top >= t - 1/2 and |t| <= 2^21; at least 2^-127.

    The same bits as `exp2(t)`, but for the exponent.
    """
    power, rounded = _split(t)
    exponent = max(np.int32(np.int32(rounded - _ROUNDER_BITS) - top), _LEAST)
    return np.int32(power + np.int32(exponent << _MANTISSA)).view(np.float32)


@_inlined("contract")
@no_type_check
def _score(tables, plane, k, j, token, scale):
    return (plane[j] + tables.axes[2, k, token]) * scale + tables.constants[token]


@_inlined("contract", "reassoc")
@no_type_check
def _attend(tables, plane, k, first, count, scale):
    """Softmax-weighted mean value of the tokens of a head whose scores are all within SAFE."""
    total = weighted = _ZERO
    for j in range(count):
        weight = exp2(_score(tables, plane, k, j, first + j, scale))
        total += weight
        weighted += weight * tables.values[first + j]
    return weighted / total


@_inlined("contract", "reassoc")
@no_type_check
def _attend_far(tables, plane, k, first, count, scale):
    """As `_attend`, for any scores: weights are relative to the greatest one's power of two."""
    top = _greatest(tables, plane, k, first, count, scale)
    total = weighted = _ZERO
    for j in range(count):
        weight = exp2_below(_score(tables, plane, k, j, first + j, scale), top)
        total += weight
        weighted += weight * tables.values[first + j]
    return weighted / total


@_inlined("contract")
@no_type_check
def _greatest(tables, plane, k, first, count, scale):
    """The greatest score, to the nearest integer."""
    greatest = np.int32(0)
    for j in range(count):
        rounded = _score(tables, plane, k, j, first + j, scale) + _ROUNDER
        greatest = max(greatest, np.float32(rounded).view(np.int32))
    return np.int32(greatest - _ROUNDER_BITS)


@_inlined()
@no_type_check
def _inverse_deviation(tables, i, j, k):
    """1 / s of the layer norm at a sample."""
    variance = tables.pairs[0, i, j] + tables.pairs[1, i, k] + tables.pairs[2, j, k]
    return np.float32(1.0 / np.sqrt(max(variance, tables.least_variance)))


@_inlined()
@no_type_check
def _add_head(tables, head, indices, scales, plane, sums):
    """Add a head's part to the sums of a block of samples."""
    first = np.uint64(tables.starts[head])
    count = np.uint64(tables.starts[head + 1]) - first
    x, y = np.uint64(0), np.uint64(0)
    for sample in range(len(indices)):
        i, j, k = indices[sample, 0], indices[sample, 1], indices[sample, 2]
        if sample == 0 or i != x or j != y:
            x, y = i, j
            for token in range(count):
                plane[token] = tables.axes[0, i, first + token] + tables.axes[1, j, first + token]
        reach = tables.reach[0, i, head] + tables.reach[1, j, head] + tables.reach[2, k, head]
        scale = scales[sample]
        if reach * scale + tables.constant_reach[head] < SAFE:
            sums[sample] += _attend(tables, plane, k, first, count, scale)
        else:
            sums[sample] += _attend_far(tables, plane, k, first, count, scale)


@_compiled
@no_type_check
def evaluate(tables, indices, plane, logits):
    """Logits at samples of the grid.

    Args:
        tables: GridTables.
        indices: uint64, n 3; within the grid (not checked here).
        plane: float32, the tokens of the longest head; working memory.
        logits: float32, n; filled.
    """
    scales, sums = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float64)
    for start in range(0, len(indices), BLOCK):
        block = indices[start : start + BLOCK]
        for sample in range(len(block)):
            i, j, k = block[sample, 0], block[sample, 1], block[sample, 2]
            scales[sample] = _inverse_deviation(tables, i, j, k)
            sums[sample] = tables.bias
        for head in range(len(tables.starts) - 1):
            _add_head(tables, head, block, scales, plane, sums)
        for sample in range(len(block)):
            logits[start + sample] = sums[sample]


@_compiled
@no_type_check
def product(left, right):
    """The matrix product of left (n f) and right (f m), each element summed in the order of f."""
    out = np.zeros((left.shape[0], right.shape[1]))
    for i in range(left.shape[0]):
        for k in range(left.shape[1]):
            for j in range(right.shape[1]):
                out[i, j] += left[i, k] * right[k, j]
    return out
