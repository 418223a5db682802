"""Jumbles: in one piece, of many kinds, the same for the same seed."""

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from model.data.procedural import jumble
from model.data.procedural.solids import Solids

RESOLUTION = 56


def shape(seed: int) -> Solids:
    return jumble.build(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(6))
def test_is_one_piece(seed: int) -> None:
    axis = torch.linspace(-1.1, 1.1, RESOLUTION)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)
    half_diagonal = 0.5 * 3**0.5 * float(axis[1] - axis[0])  # grown so far, thin rods stay whole
    solid = shape(seed).signed_distance(grid)[0] < half_diagonal
    _, pieces = label(solid.numpy().reshape((RESOLUTION,) * 3), structure=np.ones((3, 3, 3)))
    assert pieces == 1


def test_fills_the_unit_sphere_and_no_more() -> None:
    solids = Solids.stack([shape(seed) for seed in range(8)])
    points = solids.sample_surface(1024, torch.Generator().manual_seed(0))
    reach = points.norm(dim=-1).amax(dim=1)
    assert (reach <= 1.0 + 1e-5).all()
    assert (reach > 0.9).all()


def test_is_deterministic_by_seed() -> None:
    first, second, other = (shape(seed).center for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_ranges_from_thin_to_thick() -> None:
    draws = 2.0 * torch.rand((1, 2000, 3), generator=torch.Generator().manual_seed(0)) - 1.0
    volumes = [float(shape(seed).occupied(draws).float().mean()) for seed in range(16)]
    assert min(volumes) < 0.02
    assert max(volumes) > 0.06
