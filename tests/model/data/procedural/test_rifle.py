"""Rifles: slim, muzzle towards -Z, with parts that hang below the bore; blasters are stout."""

import numpy as np
import pytest
import torch

from model.data.procedural import rifle
from model.data.procedural.blaster import blaster
from model.data.procedural.firearm import Layout, barrel, draw_layout, magazine, stock
from model.data.procedural.solids import Solids

STOCKS = ("fixed", "frame", "sliding", "thumbhole", "wooden", "pistol")


@pytest.fixture
def layout() -> Layout:
    return draw_layout(np.random.default_rng(0), 0.5, 0.5, 0.5, 0.3)


@pytest.fixture(scope="module")
def armoury() -> list[Solids]:
    return [rifle.build(np.random.default_rng(seed)) for seed in range(40)]


def test_guns_lie_along_z_and_are_narrow(armoury: list[Solids]) -> None:
    low, high = Solids.stack(armoury).bounds()
    width, height, length = (high - low).unbind(-1)
    assert (length > 1.15 * height).all()
    assert (height > 0.9 * width).all()
    assert float(width.median()) < 0.35


def test_the_muzzle_points_to_negative_z(armoury: list[Solids]) -> None:
    """The butt or grip end has far more surface below the bore than the muzzle's end."""
    towards_muzzle = 0
    for shape in armoury:
        points = shape.sample_surface(2000, torch.Generator().manual_seed(0))[0]
        muzzle, butt = points[points[:, 2] < -0.75], points[points[:, 2] > 0.5]
        towards_muzzle += int(muzzle[:, 1].std() < butt[:, 1].std())
    assert towards_muzzle > 0.85 * len(armoury)


def test_stations_follow_each_other_around_the_origin(layout: Layout) -> None:
    stations = [layout.butt, layout.rear, layout.front, layout.guard, layout.muzzle]
    assert stations == sorted(stations)
    assert layout.butt + layout.muzzle == pytest.approx(0.0)
    assert layout.bottom < 0.0 < layout.top


@pytest.mark.parametrize("kind", STOCKS)
def test_a_stock_reaches_from_the_receiver_to_the_butt(layout: Layout, kind: str) -> None:
    """A bar of length 4 across the muzzle gives the scale of the normalised shape."""
    marked = stock(np.random.default_rng(2), layout, kind)
    marked.box([4.0, 0.002, 0.002], [0.0, 0.0, layout.muzzle])
    low, high = marked.build().bounds()
    extent = (high - low)[0]
    reach = 4.0 * float(extent[2] / extent[0])
    assert reach == pytest.approx(layout.muzzle - layout.butt, abs=0.06)


@pytest.mark.parametrize("kind", ["straight", "curved", "drum"])
def test_a_magazine_hangs_below_the_receiver(layout: Layout, kind: str) -> None:
    hung = magazine(np.random.default_rng(4), layout, kind)
    mark = hung.posed()
    mark.box([4.0, 0.002, 4.0], [0.0, layout.bottom, 0.0])
    shape = mark.build()
    low, high = shape.bounds()
    plate = float(shape.center[0, shape.half_height[0].argmax(), 1])
    assert plate - float(low[0, 1]) > 1.5 * (float(high[0, 1]) - plate)


def test_a_barrel_runs_along_the_bore(layout: Layout) -> None:
    for seed in range(5):
        shape = barrel(np.random.default_rng(seed), layout).build()
        rods = shape.revolved[0]
        assert shape.center[0, rods, 0].abs().max() < 1e-6
        axis = shape.rotation[0, rods][:, :, 1]
        torch.testing.assert_close(axis[:, 2].abs(), torch.ones(len(axis)))


def test_blasters_are_stouter_than_rifles(armoury: list[Solids]) -> None:
    stout = [blaster(np.random.default_rng(seed)).build() for seed in range(10)]

    def slimness(shapes: list[Solids]) -> float:
        low, high = Solids.stack(shapes).bounds()
        return float(((high - low)[:, 2] / (high - low)[:, 0]).median())

    assert slimness(armoury) > 1.3 * slimness(stout)
