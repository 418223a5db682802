"""Marching cubes on blocks against PyMCubes on the whole grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.geometry.isosurface import enclose, extract_isosurface
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from tests.surfaces import Surface, assert_closed, assert_same_surface

_LOWER, _SPACING = (-1.0, 2.0, 0.5), 0.25


def sparse(grid: np.ndarray) -> Surface:
    """The surface of a cubic grid, all of it in blocks."""
    cells = len(grid) - 1
    blocks = track(lambda indices: grid[tuple(indices.T)], cells, coarse=cells)
    return extract_surface(blocks, lower=_LOWER, spacing=_SPACING)


def dense(grid: np.ndarray) -> Surface:
    """The surface by PyMCubes, with a layer around the grid."""
    first = tuple(coordinate - _SPACING for coordinate in _LOWER)
    return extract_isosurface(enclose(grid), lower=first, spacing=_SPACING)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(1, 11), inside=st.floats(0, 1))
def test_noise_gives_the_triangles_of_pymcubes(seed: int, cells: int, inside: float) -> None:
    rng = np.random.default_rng(seed)
    grid = rng.random((cells + 1,) * 3, dtype=np.float32) - np.float32(1 - inside)
    assert_same_surface(sparse(grid), dense(grid), spacing=_SPACING)


def test_noise_is_closed_with_every_vertex_used() -> None:
    grid = np.random.default_rng(5).standard_normal((14, 14, 14)).astype(np.float32)
    vertices, faces = sparse(grid)
    assert len(np.unique(faces)) == len(vertices)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts % 2 == 0).all()


def test_a_box_through_the_samples_is_watertight_with_zeros_outside() -> None:
    ticks = np.linspace(-1, 1, 17)
    away = np.abs(np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1))
    grid = (0.5 - away).min(axis=-1).astype(np.float32)
    assert (grid == 0).any()
    assert_same_surface(sparse(grid), dense(grid), spacing=_SPACING)
    assert_closed(sparse(grid))


def test_what_reaches_the_border_is_closed_half_a_cell_outside() -> None:
    grid = np.random.default_rng(6).random((6, 6, 6), dtype=np.float32) + 1
    vertices, faces = sparse(grid)
    assert_same_surface((vertices, faces), dense(grid), spacing=_SPACING)
    assert_closed((vertices, faces))
    np.testing.assert_allclose(vertices.min(axis=0), np.array(_LOWER) - _SPACING / 2)
    np.testing.assert_allclose(vertices.max(axis=0), np.array(_LOWER) + 5.5 * _SPACING)


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_no_surface_gives_empty_arrays(value: float) -> None:
    vertices, faces = sparse(np.full((5, 5, 5), value, dtype=np.float32))
    assert vertices.shape == (0, 3)
    assert faces.shape == (0, 3)
    assert (vertices.dtype, faces.dtype) == (np.float64, np.int64)


def test_samples_away_from_the_surface_do_not_change_the_mesh() -> None:
    def ball(indices: np.ndarray) -> np.ndarray:
        return (17.3 - np.linalg.norm(indices - 24.2, axis=1)).astype(np.float32)

    few, all_ = track(ball, 48, coarse=12), track(ball, 48, coarse=48)
    assert len(few.keys) < len(all_.keys) / 2
    for one, other in zip(
        extract_surface(few, lower=_LOWER, spacing=_SPACING),
        extract_surface(all_, lower=_LOWER, spacing=_SPACING),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
