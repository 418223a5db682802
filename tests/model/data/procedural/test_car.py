"""Cars: they stand on four wheels, drive towards +Z, and come in many bodies."""

import numpy as np
import pytest
import torch

from model.data.procedural import car
from model.data.procedural.bodywork import Silhouette, draw_frame, running_gear, skirts
from model.data.procedural.solids import Solids


@pytest.fixture(scope="module")
def fleet() -> list[Solids]:
    return [car.build(np.random.default_rng(seed)) for seed in range(30)]


def test_cars_are_longer_than_wide_and_wider_than_half_their_height(fleet: list[Solids]) -> None:
    low, high = Solids.stack(fleet).bounds()
    width, height, length = (high - low).unbind(-1)
    assert (length > 1.15 * width).all()
    assert (length > 1.3 * height).all()
    assert (width > 0.5 * height).all()


def test_the_body_stands_clear_of_the_ground_between_its_wheels(fleet: list[Solids]) -> None:
    """In a layer just above the ground only tyres are found: in both halves, not in the middle."""
    side = torch.linspace(-0.6, 0.6, 61)
    along = torch.linspace(-1.0, 1.0, 101)
    z, x = torch.meshgrid(along, side, indexing="ij")
    for seed, shape in enumerate(fleet):
        ground = shape.bounds()[0][0, 1]
        layer = torch.stack([x, torch.full_like(x, float(ground) + 0.015), z], dim=-1)
        touched = shape.occupied(layer.reshape(1, -1, 3)).reshape(x.shape)
        places = z[touched]
        assert (places > 0.15).any(), f"seed {seed}"
        assert (places < -0.15).any(), f"seed {seed}"
        assert not touched[:, 28:33].any(), f"seed {seed}"


def test_four_wheels_share_two_axles_and_reach_the_ground() -> None:
    shape = Silhouette(
        (4.0, 4.0), (1.8, 1.8), (0.9, 0.9), (1.4, 1.4), (1.0, 1.0), (0.5, 0.5), (0.5, 0.5),
        (0.5, 0.5), (0.3, 0.3), (0.2, 0.2),
    )  # fmt: skip
    frame = draw_frame(np.random.default_rng(1), shape)
    gear = running_gear(np.random.default_rng(1), frame).build()
    wheels = gear.center[0][gear.revolved[0] & (gear.center[0, :, 0].abs() > 0.1)]
    assert len(wheels) == 4
    assert len(set(wheels[:, 2].tolist())) == 2
    torch.testing.assert_close(wheels[:, 1], wheels[:1, 1].expand(4))
    assert frame.rear < frame.rear_axle < frame.front_axle < frame.front


def test_skirts_leave_the_wheels_free() -> None:
    shape = Silhouette(
        (4.5, 4.5), (1.8, 1.8), (0.9, 0.9), (1.4, 1.4), (1.0, 1.0), (0.5, 0.5), (0.5, 0.5),
        (0.5, 0.5), (0.33, 0.33), (0.2, 0.2),
    )  # fmt: skip
    frame = draw_frame(np.random.default_rng(3), shape)
    for outline in skirts(frame):
        for z, y in outline:
            for axle in (frame.front_axle, frame.rear_axle):
                assert np.hypot(z - axle, y - frame.wheel_radius) > frame.wheel_radius
