"""Coarse-to-fine grids against dense ones, on fields with known surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.field import OccupancyField
from model.grid import evaluate_grid


class Ball(OccupancyField):
    """A union of balls in place of a decoded shape: logits are signed distances, scaled."""

    def __init__(self, *balls: tuple[tuple[float, float, float], float]) -> None:
        super().__init__(torch.zeros(52, 52), 1e-5, (), (), torch.zeros(1))
        object.__setattr__(self, "balls", balls)

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        distances = [
            radius - (queries - torch.tensor(center)).norm(dim=-1)
            for center, radius in self.balls  # type: ignore[attr-defined]
        ]
        return 10 * torch.stack(distances).amax(0)


@pytest.mark.parametrize("resolution", [32, 61, 64])
def test_refined_signs_are_the_dense_ones_at_far_fewer_queries(resolution: int) -> None:
    field = Ball(((0.0, 0.1, 0.0), 0.6), ((0.5, 0.5, 0.5), 0.3))
    dense = evaluate_grid(field, resolution, lambda _: None, refinement=1)
    refined = evaluate_grid(field, resolution, lambda _: None)
    assert refined.values.shape == (resolution + 1,) * 3
    np.testing.assert_array_equal(refined.values > 0, dense.values > 0)
    assert dense.queries == (resolution + 1) ** 3
    assert refined.queries < dense.queries / 2


def test_values_along_the_surface_are_the_dense_ones() -> None:
    field = Ball(((0.0, 0.0, 0.0), 0.7))
    dense = evaluate_grid(field, 48, lambda _: None, refinement=1).values
    refined = evaluate_grid(field, 48, lambda _: None).values
    near = np.abs(dense) < 10 * 2 * 1.05 / 48
    np.testing.assert_allclose(refined[near], dense[near], atol=1e-5)


def test_a_thin_spike_is_followed_out_of_the_coarse_cells() -> None:
    spike = tuple(((0.5 + 0.02 * i, 0.013, 0.013), 0.03) for i in range(20))
    field = Ball(((0.0, 0.0, 0.0), 0.5), *spike)
    dense = evaluate_grid(field, 96, lambda _: None, refinement=1).values
    refined = evaluate_grid(field, 96, lambda _: None).values
    np.testing.assert_array_equal(refined > 0, dense > 0)


def test_sample_positions_are_lower_plus_spacing() -> None:
    grid = evaluate_grid(Ball(((0.0, 0.0, 0.0), 0.5)), 32, lambda _: None, refinement=1)
    i, j, k = 20, 3, 11
    point = grid.lower + grid.spacing * np.array([i, j, k])
    assert grid.values[i, j, k] == pytest.approx(10 * (0.5 - np.linalg.norm(point)), abs=1e-4)


def test_stopping_from_the_callback_stops() -> None:
    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        evaluate_grid(Ball(((0.0, 0.0, 0.0), 0.5)), 32, stop)


def test_a_batch_is_refused() -> None:
    model = AutoEncoder(AutoEncoderConfig(64, (LevelConfig(4, 4, 1),)))
    with pytest.raises(ValueError, match="one shape"):
        evaluate_grid(model.decode(model.encode(torch.rand(2, 8, 3))), 32, lambda _: None)
