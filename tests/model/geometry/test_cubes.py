from __future__ import annotations

import numpy as np

from model.geometry.blocks import OFFSETS
from model.geometry.cubes import cube_cases


def edges_of(case: int) -> set[int]:
    """The edges of a cell whose ends differ: 3 c + axis from corner c along an axis."""
    inside = case >> np.arange(8) & 1
    return {
        3 * corner + axis
        for corner, offset in enumerate(OFFSETS)
        for axis in range(3)
        if not offset[axis] and inside[corner] != inside[corner + (4, 2, 1)[axis]]
    }


def test_every_crossed_edge_has_a_vertex_and_no_other_has() -> None:
    cases = cube_cases()
    for case in range(256):
        triangles = cases.triangles[case, : cases.counts[case]]
        assert set(triangles.ravel()) == edges_of(case)


def test_no_triangle_has_an_edge_of_the_cell_twice() -> None:
    cases = cube_cases()
    for case in range(256):
        for triangle in cases.triangles[case, : cases.counts[case]]:
            assert len(set(triangle)) == 3


def test_a_single_corner_is_cut_off_facing_away_from_it() -> None:
    cases = cube_cases()
    assert cases.counts[1] == 1
    ends = {0: (1, 0, 0), 1: (0, 1, 0), 2: (0, 0, 1)}
    a, b, c = (np.array(ends[edge]) for edge in cases.triangles[1, 0])
    assert np.cross(b - a, c - a).sum() > 0
