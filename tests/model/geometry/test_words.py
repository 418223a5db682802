"""Set algebra on words against the same on plain arrays of samples."""

from __future__ import annotations

import numpy as np
import pytest

from model.geometry.words import ahead, at_corners, corners_of, members, over_corners, pack, unpack


@pytest.fixture
def masks() -> np.ndarray:
    """Five clusters of eight blocks that meet, as samples: (5, 8, 8, 8)."""
    return np.random.default_rng(0).random((5, 8, 8, 8)) < 0.4


def words_of(samples: np.ndarray) -> np.ndarray:
    """(n, 8, 8, 8) samples as (2, 2, 2, n) words."""
    blocks = samples.reshape(-1, 2, 4, 2, 4, 2, 4).transpose(1, 3, 5, 0, 2, 4, 6)
    return pack(blocks.reshape(-1, 64)).reshape(2, 2, 2, -1)


def test_packing_and_unpacking_are_inverse() -> None:
    masks = np.random.default_rng(1).random((7, 64)) < 0.5
    np.testing.assert_array_equal(unpack(pack(masks)), masks)


def test_a_samples_bit_is_sixteen_x_plus_four_y_plus_z() -> None:
    mask = np.zeros((1, 4, 4, 4), dtype=bool)
    mask[0, 3, 1, 2] = True
    assert pack(mask.reshape(1, 64))[0] == 1 << 3 * 16 + 1 * 4 + 2


def test_members_come_word_by_word_and_bit_by_bit() -> None:
    words, bits = members(np.array([0, 0b101, 1 << 63], dtype=np.uint64))
    np.testing.assert_array_equal(words, [1, 1, 2])
    np.testing.assert_array_equal(bits, [0, 2, 63])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ahead_is_one_sample_further(masks: np.ndarray, axis: int) -> None:
    words = words_of(masks)
    low, high = words[0, 0, 0], np.moveaxis(words, axis, 0)[1, 0, 0]
    shifted = np.roll(masks, -1, axis=axis + 1)[:, :4, :4, :4]
    np.testing.assert_array_equal(ahead(low, high, axis), pack(shifted.reshape(-1, 64)))


def test_corners_are_combined_as_eight_shifted_arrays_are(masks: np.ndarray) -> None:
    shifted = np.stack(
        [masks[:, x : x + 4, y : y + 4, z : z + 4] for x, y, z in np.ndindex(2, 2, 2)]
    )
    expected = {"or": shifted.any(axis=0), "and": shifted.all(axis=0)}
    for name, combine in (("or", np.bitwise_or), ("and", np.bitwise_and)):
        cells = over_corners(words_of(masks), combine)
        np.testing.assert_array_equal(cells, pack(expected[name].reshape(-1, 64)))
    corners = at_corners(words_of(masks)).reshape(8, -1)
    np.testing.assert_array_equal(corners, [pack(corner.reshape(-1, 64)) for corner in shifted])


def test_corners_of_cells_reach_into_the_blocks_ahead(masks: np.ndarray) -> None:
    cells = masks[:, :4, :4, :4]
    samples = np.zeros_like(masks)
    for x, y, z in np.ndindex(2, 2, 2):
        samples[:, x : x + 4, y : y + 4, z : z + 4] |= cells
    np.testing.assert_array_equal(corners_of(pack(cells.reshape(-1, 64))), words_of(samples))
