"""Legs: from their top to the floor, about as thick as asked."""

import numpy as np
import pytest
import torch

from model.data.procedural.assembly import Assembly
from model.data.procedural.legs import (
    LEG_STYLES,
    LegStyle,
    corner_legs,
    ringed_legs,
    square_leg,
    stretchers,
)
from model.data.procedural.solids import Solids


def extent(assembly: Assembly) -> tuple[torch.Tensor, torch.Tensor]:
    low, high = Solids.union(assembly.parts).bounds()
    return low[0], high[0]


@pytest.mark.parametrize("style", LEG_STYLES, ids=lambda style: style.__name__)
def test_legs_reach_from_top_to_floor(style: LegStyle) -> None:
    assembly = Assembly()
    style(assembly, (0.3, 0.5, 0.3), (0.3, 0.0, 0.3), 0.05)
    low, high = extent(assembly)
    assert low[1].item() == pytest.approx(0.0, abs=0.003)
    assert high[1].item() == pytest.approx(0.5, abs=0.025)
    assert (high - low)[[0, 2]].max() < 0.15


def test_corner_legs_stand_at_the_corners() -> None:
    assembly = Assembly()
    feet = corner_legs(assembly, square_leg, (0.4, 0.2), 0.5, 0.04, (0.1, 0.0))
    assert feet == [(0.5, 0.0, 0.2), (-0.5, 0.0, 0.2), (-0.5, 0.0, -0.2), (0.5, 0.0, -0.2)]
    assert len(assembly.parts) == 4


@pytest.mark.parametrize("seed", range(8))
def test_stretchers_stay_between_splayed_legs(seed: int) -> None:
    assembly = Assembly()
    stretchers(np.random.default_rng(seed), assembly, (0.4, 0.3), 0.5, (0.1, 0.05), 0.03)
    low, high = extent(assembly)
    assert high[0] <= 0.5 + 0.03
    assert high[2] <= 0.35 + 0.03
    assert low[1] > 0.0
    assert high[1] < 0.5


def test_a_ring_ties_the_legs() -> None:
    assembly = Assembly()
    ringed_legs(np.random.default_rng(0), assembly, 0.6, (0.1, 0.2), 0.02)
    _, high = extent(assembly)
    assert len(assembly.parts) in (4, 5)
    assert high[1].item() == pytest.approx(0.6, abs=0.02)
