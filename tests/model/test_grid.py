"""Surfaces of fields asked along the surface, against those of fields asked everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.field import OccupancyField
from model.grid import HALF_EXTENT, OUTSIDE, QUERY_CHUNK, evaluate_grid, track_surface
from tests.surfaces import assert_closed, assert_same_surface


class Ball(OccupancyField):
    """A union of balls in place of a decoded shape: logits are signed distances, scaled.

    Computed in float64, so that a sample's logit is the same whatever is asked with it.
    """

    def __init__(self, *balls: tuple[tuple[float, float, float], float]) -> None:
        super().__init__(torch.zeros(52, 52), 1e-5, (), (), torch.zeros(1))
        object.__setattr__(self, "balls", balls)

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        distances = [
            radius - (queries.double() - torch.tensor(center)).norm(dim=-1)
            for center, radius in self.balls  # type: ignore[attr-defined]
        ]
        return 10 * torch.stack(distances).amax(0).float()


class Spotted(Ball):
    """A ball with a logit that is not a number somewhere on its surface."""

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        logits = super().__call__(queries)
        return torch.where(logits.abs() < 0.05, torch.nan, logits)


def ignore(_: int) -> None:
    """An observer that does nothing."""


@pytest.mark.parametrize("resolution", [48, 61, 64])
def test_the_tracked_surface_is_the_dense_one_at_far_fewer_queries(resolution: int) -> None:
    field = Ball(((0.0, 0.1, 0.0), 0.6), ((0.5, 0.5, 0.5), 0.3))
    dense = evaluate_grid(field, resolution, ignore)
    tracked = track_surface(field, resolution, ignore)
    assert_same_surface(tracked.surface(), dense.surface(), spacing=dense.spacing)
    assert_closed(tracked.surface())
    assert dense.queries == np.count_nonzero(dense.values != OUTSIDE)
    assert tracked.queries < dense.queries / 3


def test_what_lies_beyond_the_unit_ball_is_outside_and_not_asked() -> None:
    asked: list[torch.Tensor] = []

    class Watched(Ball):
        def __call__(self, queries: torch.Tensor) -> torch.Tensor:
            asked.append(queries)
            return super().__call__(queries)

    field = Watched(((0.0, 0.0, 0.0), 0.5), ((0.8, 0.8, 0.0), 0.2), ((1.0, 0.0, 0.0), 0.2))
    dense = evaluate_grid(field, 64, ignore)
    tracked = track_surface(field, 64, ignore)
    assert torch.cat(asked, dim=1).norm(dim=-1).max() <= HALF_EXTENT + 1e-6
    assert_same_surface(tracked.surface(), dense.surface(), spacing=dense.spacing)
    assert_closed(tracked.surface())
    radii = np.linalg.norm(tracked.surface()[0], axis=1)
    assert 1 < radii.max() < HALF_EXTENT + dense.spacing


def test_sample_positions_are_lower_plus_spacing() -> None:
    grid = evaluate_grid(Ball(((0.0, 0.0, 0.0), 0.5)), 32, ignore)
    i, j, k = 20, 3, 11
    point = grid.lower + grid.spacing * np.array([i, j, k])
    assert grid.values[i, j, k] == pytest.approx(10 * (0.5 - np.linalg.norm(point)), abs=1e-4)


def test_vertices_are_in_the_canonical_frame() -> None:
    center = (0.3, -0.2, 0.1)
    vertices, _ = track_surface(Ball((center, 0.4)), 64, ignore).surface()
    np.testing.assert_allclose(np.linalg.norm(vertices - center, axis=1), 0.4, atol=1e-3)


def test_points_lead_to_a_bead_that_no_coarse_sample_shows() -> None:
    middle = 24.5 / 32 * 2.1 - 1.05  # of a coarse cell, along each axis
    field = Ball(((0.0, 0.0, 0.0), 0.5), ((middle,) * 3, 0.015))
    bead = np.array([[middle] * 3, [5.0, -5.0, 0.0]], dtype=np.float32)  # one is off the grid
    plain = track_surface(field, 128, ignore)
    seeded = track_surface(field, 128, ignore, seeds=bead)
    exhaustive = track_surface(field, 128, ignore, exhaustive=True)
    assert len(plain.surface()[1]) < len(seeded.surface()[1])
    assert seeded.queries < plain.queries + 100
    for one, other in zip(seeded.surface(), exhaustive.surface(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_asking_every_sample_keeps_what_lies_around_the_surface() -> None:
    field = Ball(((0.0, 0.1, 0.0), 0.6), ((0.5, 0.5, 0.5), 0.3))
    tracked = track_surface(field, 96, ignore)
    every = track_surface(field, 96, ignore, exhaustive=True)
    assert every.queries > 5 * tracked.queries
    assert len(every.blocks.keys) < 2 * len(tracked.blocks.keys)  # of 17,576
    for one, other in zip(every.surface(), tracked.surface(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_chunks_sum_to_the_queries_and_none_is_larger_than_allowed() -> None:
    chunks: list[int] = []
    tracked = track_surface(Ball(((0.0, 0.0, 0.0), 0.5)), 100, chunks.append)
    assert sum(chunks) == tracked.queries
    assert max(chunks) <= QUERY_CHUNK


@pytest.mark.parametrize("after", [0, 3])
def test_stopping_from_the_callback_stops(after: int) -> None:
    seen: list[int] = []

    def stop(done: int) -> None:
        seen.append(done)
        if len(seen) > after:
            raise InterruptedError

    for evaluate in (evaluate_grid, track_surface):
        seen.clear()
        with pytest.raises(InterruptedError):
            evaluate(Ball(((0.0, 0.0, 0.0), 0.5)), 64, stop)
        assert len(seen) == after + 1


def test_logits_that_are_not_numbers_are_refused() -> None:
    field = Spotted(((0.0, 0.0, 0.0), 0.5))
    with pytest.raises(ValueError, match="finite"):
        track_surface(field, 64, ignore)
    with pytest.raises(ValueError, match="finite"):
        evaluate_grid(field, 64, ignore).surface()


def test_a_batch_is_refused() -> None:
    model = AutoEncoder(AutoEncoderConfig(64, (LevelConfig(4, 4, 1),)))
    with pytest.raises(ValueError, match="one shape"):
        track_surface(model.decode(model.encode(torch.rand(2, 8, 3))), 32, ignore)
