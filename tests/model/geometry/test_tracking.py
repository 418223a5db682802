"""What is asked, and what is found, where the whole grid is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.data import procedural
from model.geometry.blocks import Blocks
from model.geometry.isosurface import enclose, extract_isosurface
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from tests.surfaces import Surface, assert_closed, assert_same_surface

Field = Callable[[np.ndarray], np.ndarray]


class Grid:
    """A field over positions in [-1.05, 1.05]^3, asked by index; counts what it is asked."""

    def __init__(self, field: Field, resolution: int) -> None:
        self.field, self.resolution = field, resolution
        self.spacing = 2.1 / resolution
        self.asked: list[np.ndarray] = []

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        assert indices.dtype == np.int64
        assert 0 <= indices.min() <= indices.max() <= self.resolution
        self.asked.append(indices)
        return self.field(indices * self.spacing - 1.05).astype(np.float32)

    @property
    def queries(self) -> int:
        return sum(len(indices) for indices in self.asked)

    def surface(self, **how: object) -> Surface:
        return self.mesh(track(self, self.resolution, **{"coarse": 32, **how}))  # type: ignore[arg-type]

    def mesh(self, blocks: Blocks) -> Surface:
        return extract_surface(blocks, lower=(-1.05,) * 3, spacing=self.spacing)

    def dense(self) -> Surface:
        axis = np.arange(self.resolution + 1) * self.spacing - 1.05
        layers = [
            self.field(np.stack(np.meshgrid(x, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3))
            for x in axis
        ]
        logits = np.stack(layers).reshape((len(axis),) * 3).astype(np.float32)
        first = (-1.05 - self.spacing,) * 3
        return extract_isosurface(enclose(logits), lower=first, spacing=self.spacing)


def balls(*centers_and_radii: tuple[float, float, float, float]) -> Field:
    def field(positions: np.ndarray) -> np.ndarray:
        return np.max(
            [r - np.linalg.norm(positions - (x, y, z), axis=1) for x, y, z, r in centers_and_radii],
            axis=0,
        )

    return field


def parametric(category: str, seed: int) -> Field:
    """A parametric shape: its signed distance, positive inside."""
    shape = procedural.build(category, seed)

    def field(positions: np.ndarray) -> np.ndarray:
        queries = torch.from_numpy(positions).float()
        return np.concatenate(
            [-shape.signed_distance(chunk[None])[0].numpy() for chunk in queries.split(20_000)]
        )

    return field


@pytest.mark.parametrize("resolution", [20, 32, 33, 48, 61, 64, 96, 100])
def test_two_balls_have_their_dense_surface(resolution: int) -> None:
    grid = Grid(balls((0.0, 0.1, 0.0, 0.6), (0.5, 0.5, 0.5, 0.3)), resolution)
    surface = grid.surface()
    assert_same_surface(surface, grid.dense(), spacing=grid.spacing)
    assert_closed(surface)


@pytest.mark.parametrize(
    ("category", "seed"), [("chair", 2), ("table", 1), ("lamp", 1), ("airplane", 1), ("rifle", 3)]
)
def test_thin_shapes_have_their_dense_surface(category: str, seed: int) -> None:
    grid = Grid(parametric(category, seed), 64)
    surface = grid.surface(coarse=16)
    assert_same_surface(surface, grid.dense(), spacing=grid.spacing)
    assert_closed(surface)


def test_no_sample_is_asked_twice() -> None:
    grid = Grid(balls((0.0, 0.1, 0.0, 0.6)), 128)
    grid.surface(seeds=np.random.default_rng(0).integers(0, 128, (500, 3)))
    asked = np.concatenate(grid.asked)
    assert len(np.unique(asked, axis=0)) == len(asked)


def test_a_coarse_grid_as_fine_as_the_grid_asks_every_sample() -> None:
    grid = Grid(balls((0.0, 0.1, 0.0, 0.6)), 40)
    grid.surface(coarse=40)
    assert grid.queries == 41**3


def test_a_spike_is_followed_out_of_the_coarse_cells_that_show_it() -> None:
    spike = [(0.5 + 0.02 * i, 0.013, 0.013, 0.02) for i in range(25)]
    grid = Grid(balls((0.0, 0.0, 0.0, 0.5), *spike), 128)
    assert_same_surface(grid.surface(coarse=8), grid.dense(), spacing=grid.spacing)


def test_a_loose_bead_between_coarse_samples_is_found_by_a_seed_or_by_asking_all() -> None:
    bead = (0.82, 0.82, 0.82, 0.02)
    grid = Grid(balls((0.0, 0.0, 0.0, 0.5), bead), 128)
    with_bead, without = grid.dense(), Grid(balls((0.0, 0.0, 0.0, 0.5)), 128).dense()
    assert len(with_bead[1]) > len(without[1])
    assert_same_surface(grid.surface(coarse=16), without, spacing=grid.spacing)
    seed = np.floor((np.array([bead[:3]]) + 1.05) / grid.spacing).astype(np.int64)
    assert_same_surface(grid.surface(coarse=16, seeds=seed), with_bead, spacing=grid.spacing)
    assert_same_surface(grid.surface(coarse=128), with_bead, spacing=grid.spacing)


def test_a_sheet_between_samples_is_found_where_its_logits_fall_towards_zero() -> None:
    def field(positions: np.ndarray) -> np.ndarray:
        """A ball, and a disc thinner than a coarse cell that no coarse sample lies in."""
        x, y, z = positions.T
        disc = np.minimum(0.03 - np.abs(y - 0.73), 0.4 - np.hypot(x, z))
        return np.maximum(0.4 - np.linalg.norm(positions, axis=1), disc)

    coarse = field(np.argwhere(np.ones((17, 17, 17))) * 2.1 / 16 - 1.05)
    assert (coarse.reshape(17, 17, 17)[:, 13:] < 0).all()
    grid = Grid(field, 64)
    assert_same_surface(grid.surface(coarse=16), grid.dense(), spacing=grid.spacing)


def test_a_grid_that_is_outside_everywhere_is_asked_once_more_at_half_the_step() -> None:
    grid = Grid(balls((2.1 * 21 / 64 - 1.05, 0.0, 0.0, 0.02)), 128)
    surface = grid.surface()
    assert len(surface[1])
    assert_same_surface(surface, grid.dense(), spacing=grid.spacing)
    empty = Grid(balls((3.0, 3.0, 3.0, 0.1)), 128)
    assert len(empty.surface()[1]) == 0
    assert empty.queries == 65**3


@pytest.mark.parametrize("resolution", [64, 100, 127])
def test_a_shape_that_leaves_the_grid_is_closed_at_the_border(resolution: int) -> None:
    grid = Grid(balls((0.6, 0.1, -0.2, 0.8)), resolution)
    surface = grid.surface()
    assert_same_surface(surface, grid.dense(), spacing=grid.spacing)
    assert_closed(surface)


def test_a_solid_grid_is_a_closed_box() -> None:
    grid = Grid(balls((0.0, 0.0, 0.0, 9.0)), 70)
    assert_same_surface(grid.surface(), grid.dense(), spacing=grid.spacing)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    ball = balls((0.0, 0.0, 0.0, 0.5))

    def field(positions: np.ndarray) -> np.ndarray:
        near = np.abs(np.linalg.norm(positions, axis=1) - 0.5) < 0.005
        return np.where(near, value, ball(positions))

    with pytest.raises(ValueError, match="finite"):
        Grid(field, 128).surface()


def test_queries_are_few_and_grow_with_the_surface() -> None:
    field = balls((0.0, 0.0, 0.0, 0.6))
    queries = []
    for resolution in (64, 128, 256):
        grid = Grid(field, resolution)
        grid.surface()
        queries.append(grid.queries)
    assert queries[2] < 257**3 / 30
    assert queries[1] < 4.3 * queries[0]
    assert queries[2] < 4.3 * queries[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("category", "seed"), [("chair", 2), ("table", 1), ("airplane", 1), ("rifle", 3), ("car", 1)]
)
def test_parametric_shapes_need_a_twentieth_and_an_eightieth_of_the_queries(
    category: str, seed: int
) -> None:
    fine, finer = (Grid(parametric(category, seed), resolution) for resolution in (256, 512))
    assert_closed(fine.surface())
    assert_closed(finer.surface())
    assert fine.queries < 257**3 / 20
    assert finer.queries < 513**3 / 80
    assert finer.queries < 4.3 * fine.queries


def test_each_coarser_surface_is_told_and_is_that_of_its_own_grid() -> None:
    field = balls((0.0, 0.1, 0.0, 0.6), (0.5, 0.5, 0.5, 0.3))
    told: list[tuple[int, Surface]] = []

    def on_level(blocks: Blocks, step: int) -> None:
        surface = extract_surface(blocks, lower=(-1.05,) * 3, spacing=2.1 / 128 * step)
        told.append((step, surface))

    track(Grid(field, 128), 128, coarse=32, on_level=on_level)
    assert [step for step, _ in told] == [4, 2]
    for step, surface in told:
        assert_same_surface(surface, Grid(field, 128 // step).dense(), spacing=2.1 / 128 * step)
        assert_closed(surface)
