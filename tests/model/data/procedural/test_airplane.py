"""Airplanes: mirror-symmetric, nose towards +Z, tail surfaces at the back, many kinds."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.data.procedural import airplane
from model.data.procedural.airframe import Wing, half_wing, nacelle, propeller
from model.data.procedural.assembly import Assembly
from model.data.procedural.fighter import fighter, stealth_fighter
from model.data.procedural.solids import Solids


@pytest.fixture(scope="module")
def fleet() -> list[Solids]:
    return [airplane.build(np.random.default_rng(seed)) for seed in range(40)]


def test_airplanes_are_flat(fleet: list[Solids]) -> None:
    low, high = Solids.stack(fleet).bounds()
    span, height, length = (high - low).unbind(-1)
    assert (height < 0.75 * torch.minimum(span, length)).all()
    assert (span > 0.45 * length).all()


@pytest.mark.parametrize("style", [fighter, stealth_fighter])
def test_jets_are_mirror_symmetric(style: Callable[[np.random.Generator], Assembly]) -> None:
    queries = 2.0 * torch.rand((1, 2000, 3), generator=torch.Generator().manual_seed(0)) - 1.0
    mirrored = queries * torch.tensor([-1.0, 1.0, 1.0])
    for seed in range(5):
        shape = style(np.random.default_rng(seed)).build()
        field, image = shape.signed_distance(queries), shape.signed_distance(mirrored)
        torch.testing.assert_close(field, image, atol=2e-6, rtol=0.0)


def test_the_highest_point_is_behind_the_middle_for_most(fleet: list[Solids]) -> None:
    """Fins rise at the tail, which lies towards -Z."""
    behind = 0
    for shape in fleet:
        points = shape.sample_surface(2000, torch.Generator().manual_seed(0))[0]
        behind += int(points[points[:, 1].argmax(), 2] < -0.3)
    assert behind > 0.75 * len(fleet)


def test_a_wing_spans_its_plan() -> None:
    """Corners of a known plan: the tip lies `sweep` back and rises with the dihedral."""
    wing = Wing((0.0, 0.0, 0.0), 2.0, 1.0, 0.5, 0.7, dihedral=30.0, thickness=0.1)
    tip = wing.at(1.0)
    assert tip == pytest.approx((2.0 * math.cos(math.radians(30.0)), 1.0, -0.7))
    assert wing.at(0.5, 1.0) == pytest.approx((math.sqrt(3.0) / 2.0, 0.5, -0.35 - 0.75))
    shape = half_wing(wing).build()
    low, high = shape.bounds()
    reach = 2.0 * math.sin(math.radians(30.0)) / (2.0 * math.cos(math.radians(30.0)))
    extent = (high - low)[0]
    assert float(extent[1] / extent[0]) == pytest.approx(reach, abs=0.06)


def test_a_fin_stands_upright() -> None:
    fin = half_wing(Wing((0.0, 0.0, 0.0), 1.0, 0.5, 0.3, 0.2, dihedral=90.0, thickness=0.05))
    low, high = fin.build().bounds()
    extent = (high - low)[0]
    assert float(extent[0] / extent[1]) == pytest.approx(0.05 / 1.025, abs=0.01)


def test_a_nacelle_is_open_in_front() -> None:
    """Its intake is a hole of two thirds of the radius; its middle is solid."""
    shape = nacelle((0.0, 0.0, 0.0), 0.25, 1.0).build()
    front = float(shape.bounds()[1][0, 2])
    queries = torch.tensor([[[0.0, 0.0, front - 0.02], [0.0, 0.0, front - 0.6]]])
    assert shape.occupied(queries).tolist() == [[False, True]]


@pytest.mark.parametrize("blades", [2, 3, 4])
def test_a_propeller_has_its_blades(blades: int) -> None:
    """Walking once around at three quarters of the radius meets each blade once."""
    screw = propeller(np.random.default_rng(0), (0.0, 0.0, 0.0), 1.0, blades)
    shape = screw.build()
    blade = shape.center[0, ~shape.revolved[0]]
    middle = blade.mean(0) if blades > 2 else 0.5 * (blade[0] + blade[1])
    radius = 1.5 * float((blade[0] - middle).norm())
    angle = torch.linspace(0.0, 2.0 * math.pi, 2001)[:-1]
    circle = torch.stack([radius * angle.cos(), radius * angle.sin(), torch.zeros(2000)], -1)
    inside = shape.occupied((circle + middle)[None])[0]
    assert int((inside & ~inside.roll(1)).sum()) == blades
