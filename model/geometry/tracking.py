"""The samples around a surface, found coarse to fine by following it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt64

from model.geometry.blocks import OFFSETS, Blocks
from model.geometry.words import corners_of, entered, over_corners, pack

_PLANES = 4  # of a grid that is asked whole, at once
_BLOCKS = 8192  # whose samples are asked at once

# What counts as near zero, in medians of the logits beside the surface: on the coarse grid, where
# most can hide between samples, and on those after it (docs/decisions/0014-sparse-surface.md).
_NEAR_COARSE, _NEAR = 1.5, 0.9

Ask = Callable[[Int64[np.ndarray, "n 3"]], Float32[np.ndarray, "n"]]
"""Logits at samples of the finest grid, by index."""


OnLevel = Callable[[Blocks, int], None]
"""Called with the samples around the surface at a step of more than one, and that step."""


class NonFiniteField(ValueError):
    """A field gave a logit that is NaN or infinite: its latents are far from any of a model."""


def track(
    ask: Ask,
    resolution: int,
    *,
    coarse: int,
    seeds: Int64[np.ndarray, "n 3"] | None = None,
    on_level: OnLevel = lambda *_: None,
) -> Blocks:
    """The samples around the surface of a grid of `resolution` cells a side.

    Every sample of a coarse grid is asked, and of one twice as fine where that is outside
    everywhere. Then, with half the step at a time, samples are asked between neighbours of
    different sign, around samples that are near zero, and at the corners of each cell that the
    surface is seen to enter, until it enters no other. So whatever is touched once is found whole,
    and little else is asked.

    Args:
        ask: answers for samples by their index, 0 to `resolution` along each axis.
        resolution: cells a side of the finest grid.
        coarse: most cells a side of the coarse grid; `resolution` asks every sample.
        seeds: cells of the finest grid, by their lowest corner, whose corners are asked too.
        on_level: told of each coarser level once it is known.

    Returns:
        All corners of all cells that the surface was found to enter. The layer around the grid is
        outside (minus infinity), so that what reaches the border is closed there.

    Raises:
        NonFiniteField: a logit is not finite.
    """
    step = 1
    while resolution > coarse * step:
        step *= 2
    level = _Level(resolution, step, ask)
    level.learn_all()
    if level.step > 1 and not level.blocks.positive.any():
        level = _Level(resolution, step // 2, ask, coarser=level)
        level.learn_all()
    while level.step > 1:
        on_level(level.blocks, level.step)
        level = level.finer()
    if seeds is not None:
        level.close(level.learn((seeds[:, None] + OFFSETS).reshape(-1, 3)))
    return level.blocks


class _Level:
    """The samples of every `step`-th index, as far as they are known."""

    def __init__(self, resolution: int, step: int, ask: Ask, coarser: _Level | None = None) -> None:
        self.resolution, self.step, self.ask, self.coarser = resolution, step, ask, coarser
        self.cells = resolution // step
        self.blocks = Blocks(self.cells)

    def learn_all(self) -> None:
        """Learn every sample of the grid and of the layer around it."""
        axis = np.arange(-1, self.cells + 2)
        for start in range(0, len(axis), _PLANES):
            slab = np.meshgrid(axis[start : start + _PLANES], axis, axis, indexing="ij")
            self.learn(np.stack(slab).reshape(3, -1).T)

    def learn(self, indices: Int64[np.ndarray, "m 3"]) -> Int64[np.ndarray, "n"]:
        """Learn samples, but for those beyond the layer; returns the keys of their blocks."""
        keys, samples = self.blocks.sets(indices[_within(indices, -1, self.cells + 1)])
        self._fill(keys, samples & ~self.blocks.known[self.blocks.rows(keys)])
        return keys

    def learn_around(self, indices: Int64[np.ndarray, "m 3"]) -> Int64[np.ndarray, "n"]:
        """Learn samples of the grid with all 26 neighbours; returns the keys of their blocks."""
        blocks = self.blocks
        keys = self.learn(indices)
        marked = np.zeros_like(blocks.known)
        keys, marked[blocks.rows(keys)] = blocks.sets(indices)
        clusters = blocks.clusters(blocks.with_corners_in(keys))
        cells = over_corners(marked[blocks.rows(clusters)], np.bitwise_or)
        return self._learn_corners(clusters, cells)

    def finer(self) -> _Level:
        """The level of half the step, begun at the surface that is seen here, and closed."""
        finer = _Level(self.resolution, self.step // 2, self.ask, coarser=self)
        begins, ends = self._crossed_edges()
        begun = [finer.learn(samples) for samples in (2 * begins, begins + ends, 2 * ends)]
        begun.append(finer.learn_around(2 * self._near(np.concatenate([begins, ends]))))
        finer.close(finer.blocks.distinct(np.concatenate(begun)))
        return finer

    def close(self, keys: Int64[np.ndarray, "n"]) -> None:
        """Learn all corners of every cell of which two known corners differ, until none is left.

        Begins at the cells with corners in the given blocks, and goes on from those it learns.
        """
        blocks = self.blocks
        while len(keys):
            clusters = blocks.clusters(blocks.with_corners_in(keys))
            rows = blocks.rows(clusters)
            known = blocks.known[rows]
            cells = entered(known, blocks.positive[rows])
            keys = self._learn_corners(clusters, cells & over_corners(~known, np.bitwise_or))

    def _learn_corners(
        self, clusters: Int64[np.ndarray, "2 2 2 n"], cells: UInt64[np.ndarray, "n"]
    ) -> Int64[np.ndarray, "m"]:
        """Learn all corners of the cells meant, a word a cluster; returns the keys written to."""
        some = np.flatnonzero(cells)
        keys = clusters[..., some]
        wanted = corners_of(cells[some]) & ~self.blocks.known[self.blocks.rows(keys)]
        united, samples = _united(self.blocks, keys, wanted)
        self._fill(united, samples)
        return united

    def _crossed_edges(self) -> tuple[Int64[np.ndarray, "n 3"], Int64[np.ndarray, "n 3"]]:
        """Neighbouring samples of different sign."""
        blocks = self.blocks
        begins = [blocks.indices(blocks.keys, blocks.crossings(axis)) for axis in range(3)]
        ends = [begin + along for begin, along in zip(begins, np.eye(3, dtype=int), strict=True)]
        return np.concatenate(begins), np.concatenate(ends)

    def _near(self, beside: Int64[np.ndarray, "m 3"]) -> Int64[np.ndarray, "n 3"]:
        """Samples that are about as near zero as those beside the surface, on the same side.

        What passes between such samples, a thin sheet or a bead, changes no sign at this step.
        """
        values, _ = self.blocks.read(beside)
        inside, outside = values[values > 0], values[(values <= 0) & np.isfinite(values)]
        if not (len(inside) and len(outside)):
            return beside[:0]
        share = _NEAR_COARSE if self.coarser is None else _NEAR
        least, most = share * np.median(outside), share * np.median(inside)
        near = pack((self.blocks.values > least) & (self.blocks.values < most))
        return self.blocks.indices(self.blocks.keys, near & self.blocks.known)

    def _fill(self, keys: Int64[np.ndarray, "n"], samples: UInt64[np.ndarray, "n"]) -> None:
        """Write the samples that words mean in blocks."""
        for start in range(0, len(keys), _BLOCKS):
            some = slice(start, start + _BLOCKS)
            logits = self._logits(self.blocks.indices(keys[some], samples[some]))
            self.blocks.write(keys[some], samples[some], logits)

    def _logits(self, indices: Int64[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
        """Logits from a coarser level where one has them, from the field elsewhere."""
        logits, known = self.recall(indices)
        inside = _within(indices, 0, self.cells)
        logits[~inside] = -np.inf
        asked = inside & ~known
        if asked.any():
            answers = self.ask(indices[asked] * self.step)
            if not np.isfinite(answers).all():
                raise NonFiniteField("logits must be finite: NaN samples would become NaN vertices")
            logits[asked] = answers
        return logits

    def recall(
        self, indices: Int64[np.ndarray, "n 3"]
    ) -> tuple[Float32[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
        """Logits at samples that coarser levels know, and which these are."""
        logits = np.zeros(len(indices), dtype=np.float32)
        known = np.zeros(len(indices), dtype=bool)
        if self.coarser is not None and len(indices):
            even = np.flatnonzero((indices.T % 2 == 0).all(axis=0))
            halved = indices[even] // 2
            logits[even], known[even] = self.coarser.blocks.read(halved)
            rest = ~known[even]
            logits[even[rest]], known[even[rest]] = self.coarser.recall(halved[rest])
        return logits, known


def _within(indices: Int64[np.ndarray, "n 3"], least: int, most: int) -> Bool[np.ndarray, "n"]:
    x, y, z = ((column >= least) & (column <= most) for column in indices.T)
    within: Bool[np.ndarray, "n"] = x & y & z
    return within


def _united(
    blocks: Blocks, keys: Int64[np.ndarray, "2 2 2 n"], samples: UInt64[np.ndarray, "2 2 2 n"]
) -> tuple[Int64[np.ndarray, "m"], UInt64[np.ndarray, "m"]]:
    """Sets of samples, one a block; the keys of one corner differ from each other."""
    some = samples != 0
    united = blocks.distinct(keys[some])
    words = np.zeros(len(united), dtype=np.uint64)
    for corner in np.ndindex(2, 2, 2):
        places = np.searchsorted(united, keys[corner][some[corner]])
        words[places] |= samples[corner][some[corner]]
    return united, words
