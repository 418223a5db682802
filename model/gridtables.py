"""Tables of an occupancy field along the axes of a regular grid (docs/model.md derives them).

On a grid the folded query function is separable. The 52 features e of a sample are functions of
one coordinate each, so that a score is a sum of three numbers, over s, and s^2 is one too:

    b_j . u = (X_j[ix] + Y_j[iy] + Z_j[iz]) / s + d_j,    s^2 = P[ix, iy] + Q[ix, iz] + R[iy, iz]

The tables hold exact numbers rounded once: they are made in float64, at float64 coordinates.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, Float64, UInt64

from model import gridfield_kernel as kernel
from model.field import OccupancyField
from model.gridfield_kernel import GridTables
from model.nn.embeddings import FOURIER_CHANNELS, FREQUENCIES, axis_frequencies

_LINE = 16  # floats of a cache line, and of the widest vector: heads are padded to multiples of it
_PADDING = -126.0  # score of a padding token: its weight is 2^-126, that of some token at least 1


def tabulate(field: OccupancyField, coordinates: Float64[np.ndarray, "n"]) -> GridTables:
    """The tables of a field of one shape on the grid of these coordinates, alike on each axis."""
    features = _axis_features(coordinates)
    heads, bias = _heads(field)
    padded = [-(-len(values) // _LINE) * _LINE for _, values in heads]
    starts = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    axes = _aligned(3, len(coordinates), int(starts[-1]))
    constants, values = _aligned(int(starts[-1]), fill=_PADDING), _aligned(int(starts[-1]))
    reach = np.zeros((3, len(coordinates), len(heads)), np.float32)
    constant_reach = np.zeros(len(heads), np.float32)
    for head, (head_keys, head_values) in enumerate(heads):
        tokens = slice(starts[head], starts[head] + len(head_keys))
        constants[tokens], values[tokens] = head_keys[:, -1], head_values
        constant_reach[head] = np.abs(constants[tokens]).max()
        for axis, columns in enumerate(_axis_columns()):
            keys = np.ascontiguousarray(head_keys[:, columns].T)
            axes[axis, :, tokens] = kernel.product(features[axis], keys)
            reach[axis, :, head] = np.abs(axes[axis, :, tokens]).max(axis=1)
    pairs = _variance(field, features)
    return GridTables(
        axes, constants, values, starts, reach, constant_reach, pairs, field.variance_eps, bias
    )


def evaluate(
    tables: GridTables, samples: UInt64[np.ndarray, "n 3"], threads: int
) -> Float32[np.ndarray, "n"]:
    """Logits at samples (i, j, k), all of them on the grid."""
    logits = np.empty(len(samples), np.float32)

    def share(part: slice) -> None:
        kernel.evaluate(tables, samples[part], _aligned(tables.longest_head), logits[part])

    size = -(-len(samples) // threads)
    if size == len(samples):
        share(slice(None))
    else:
        parts = [slice(start, start + size) for start in range(0, len(samples), size)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(share, parts))
    return logits


def _aligned(*shape: int, fill: float = 0.0) -> Float32[np.ndarray, "*shape"]:
    """An array that begins with a cache line, so that none of its vectors lies across two."""
    size = math.prod(shape)
    memory = np.full(size + _LINE, fill, np.float32)
    start = -(memory.ctypes.data // memory.itemsize) % _LINE
    return memory[start : start + size].reshape(shape)


def _heads(
    field: OccupancyField,
) -> tuple[list[tuple[Float64[np.ndarray, "_m 53"], Float64[np.ndarray, "_m"]]], float]:
    """Keys (for scores to base 2) and values of each head of each level, and the bias.

    Softmax does not change when all scores change alike, and its weights add up to 1. So what a
    head's tokens have in common goes, of keys for good, of values into the bias: in float32 it
    would cost digits. And scores that average 0 have a greatest one that is not negative.
    """
    heads, bias = [], field.bias.item()
    for level in zip(field.keys, field.values, strict=True):
        keys, values = (part[0].detach().double().numpy() for part in level)
        keys = (keys - keys.mean(axis=1, keepdims=True)) / math.log(2)
        means = values.mean(axis=1, keepdims=True)
        bias += float(means.sum())
        heads += list(zip(keys, values - means, strict=True))
    return heads, bias


def _axis_columns() -> tuple[list[int], list[int], list[int]]:
    """Which of e's 52 features (`fourier_features`, then 1) depend on x, y, z; the 1 is with x."""
    cosines = 3 * FREQUENCIES
    x, y, z = (
        [
            *range(axis * FREQUENCIES, (axis + 1) * FREQUENCIES),
            *range(cosines + axis * FREQUENCIES, cosines + (axis + 1) * FREQUENCIES),
            2 * cosines + axis,
        ]
        for axis in range(3)
    )
    return [*x, FOURIER_CHANNELS], y, z


def _axis_features(coordinates: Float64[np.ndarray, "n"]) -> list[Float64[np.ndarray, "n _f"]]:
    """The features of x, y and z, in the order of `_axis_columns`."""
    phases = coordinates[:, None] * axis_frequencies()[0, :FREQUENCIES].double().numpy()
    features = np.concatenate([np.sin(phases), np.cos(phases), coordinates[:, None]], axis=1)
    with_one = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    return [with_one, features, features]


def _variance(
    field: OccupancyField, features: list[Float64[np.ndarray, "n _f"]]
) -> Float64[np.ndarray, "3 n n"]:
    """P, Q, R: the terms of e' A e in two of the axes x, y, z; those in one go with a pair."""
    form = field.variance_form.detach().double().numpy()
    form = form + form.T  # twice the form, for cross terms occur twice
    columns = _axis_columns()

    def applied(one: int, other: int) -> Float64[np.ndarray, "_f n"]:
        block = np.ascontiguousarray(form[np.ix_(columns[other], columns[one])])
        return np.ascontiguousarray(kernel.product(features[other], block).T)

    def alone(axis: int) -> Float64[np.ndarray, "n"]:
        terms = features[axis].T * applied(axis, axis)
        return sum(terms, np.zeros(terms.shape[1])) / 2  # in order, as `kernel.product`

    xy, xz, yz = (
        kernel.product(features[one], applied(one, other))
        for one, other in ((0, 1), (0, 2), (1, 2))
    )
    return np.stack(
        [xy + alone(0)[:, None] + field.variance_eps, xz + alone(2), yz + alone(1)[:, None]]
    )
