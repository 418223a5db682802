from __future__ import annotations

import numpy as np
import pytest

from model.geometry.blocks import Blocks


def some_samples(cells: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct indices with the layer around the grid among them, and their logits."""
    rng = np.random.default_rng(0)
    places = rng.choice((cells + 3) ** 3, count, replace=False)
    indices = np.stack(np.unravel_index(places, (cells + 3,) * 3), axis=1) - 1
    return indices, rng.standard_normal(count).astype(np.float32)


def write(blocks: Blocks, indices: np.ndarray, values: np.ndarray) -> None:
    """Write samples in any order."""
    keys, samples = blocks.sets(indices)
    ordered = blocks.indices(keys, samples)
    places = {tuple(index): value for index, value in zip(indices, values, strict=True)}
    answers = np.array([places[tuple(index)] for index in ordered], dtype=np.float32)
    blocks.write(keys, samples, answers)


def test_what_is_written_is_read_and_nothing_else_is_known() -> None:
    indices, values = some_samples(13, 500)
    blocks = Blocks(13)
    write(blocks, indices[:200], values[:200])
    write(blocks, indices[200:400], values[200:400])
    read, known = blocks.read(indices)
    np.testing.assert_array_equal(known, np.arange(500) < 400)
    np.testing.assert_array_equal(read[:400], values[:400])


def test_sets_and_indices_are_inverse() -> None:
    indices, _ = some_samples(9, 300)
    blocks = Blocks(9)
    keys, samples = blocks.sets(indices)
    found = blocks.indices(keys, samples)
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(indices, axis=0))
    assert (np.diff(keys) > 0).all()


def test_signs_are_those_of_the_values() -> None:
    indices, values = some_samples(9, 600)
    blocks = Blocks(9)
    write(blocks, indices, values)
    positive = blocks.indices(blocks.keys, blocks.positive)
    expected = indices[values > 0]
    np.testing.assert_array_equal(np.unique(positive, axis=0), np.unique(expected, axis=0))


def test_blocks_are_made_only_where_samples_are() -> None:
    blocks = Blocks(1000)
    write(blocks, np.array([[-1, -1, -1], [1001, 500, 3]]), np.ones(2, dtype=np.float32))
    assert len(blocks.keys) == 1 + 2
    np.testing.assert_array_equal(blocks.origins(blocks.keys[1:]), [[-4, -4, -4], [1000, 500, 0]])


@pytest.mark.parametrize("index", [(4, 5, 6), (3, 3, 3), (4, 4, 4), (4, 8, 2)])
def test_blocks_with_corners_in_a_block_own_the_cells_around_its_samples(
    index: tuple[int, int, int],
) -> None:
    blocks = Blocks(12)
    write(blocks, np.array([index]), np.ones(1, dtype=np.float32))
    owners = blocks.with_corners_in(blocks.keys[1:])
    around = np.array(index) - np.array(list(np.ndindex(2, 2, 2)))
    np.testing.assert_array_equal(owners, blocks.sets(around)[0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_crossings_are_changes_of_sign_between_known_neighbours(axis: int) -> None:
    grid = np.random.default_rng(2).standard_normal((10, 10, 10)).astype(np.float32)
    known = np.random.default_rng(3).random(grid.shape) < 0.8
    blocks = Blocks(9)
    write(blocks, np.argwhere(known), grid[known])
    begin, end = np.moveaxis(grid, axis, 0)[:-1], np.moveaxis(grid, axis, 0)[1:]
    both = np.moveaxis(known, axis, 0)[:-1] & np.moveaxis(known, axis, 0)[1:]
    expected = np.argwhere(np.moveaxis(((begin > 0) != (end > 0)) & both, 0, axis))
    found = blocks.indices(blocks.keys, blocks.crossings(axis))
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(expected, axis=0))
