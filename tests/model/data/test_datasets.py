from __future__ import annotations

import torch

from model.data.datasets import BatchConfig, TrainingShapes, random_rotations
from tests.model.training.test_stages import balls

__all__ = ["balls"]  # the fixture


def draw(shapes: TrainingShapes, seed: int, **changes: object) -> object:
    sizes = {"shapes": 8, "surface_points": 100, "volume_queries": 60, "near_queries": 50}
    config = BatchConfig(**(sizes | changes))  # type: ignore[arg-type]
    return shapes.draw(config, torch.Generator().manual_seed(seed))


def test_half_of_the_volume_queries_are_inside(balls: TrainingShapes) -> None:
    batch = draw(balls, 0)
    assert batch.volume_labels.mean(dim=1).tolist() == [0.5] * 8  # type: ignore[attr-defined]


def test_labels_stay_true_under_rotation(balls: TrainingShapes) -> None:
    # Unscaled balls stay balls: the label is the radius, whatever the rotation.
    batch = draw(balls, 0, rotate=1.0, axis_scaling=(1.0, 1.0))
    inside = batch.volume.norm(dim=-1) < 1  # type: ignore[attr-defined]
    assert torch.equal(inside, batch.volume_labels > 0.5)  # type: ignore[attr-defined]


def test_scaled_shapes_are_normalised_again(balls: TrainingShapes) -> None:
    surface = draw(balls, 1, surface_points=2000).surface  # type: ignore[attr-defined]
    torch.testing.assert_close(surface.norm(dim=-1).amax(1), torch.ones(8))
    middle = (surface.amin(1) + surface.amax(1)) / 2
    torch.testing.assert_close(middle, torch.zeros(8, 3), atol=1e-5, rtol=0)
    assert (surface.norm(dim=-1).amin(1) < 0.97).any()  # some balls became ellipsoids


def test_the_generator_decides_everything(balls: TrainingShapes) -> None:
    assert torch.equal(draw(balls, 3).near, draw(balls, 3).near)  # type: ignore[attr-defined]
    assert not torch.equal(draw(balls, 3).near, draw(balls, 4).near)  # type: ignore[attr-defined]


def test_rotations_are_rotations() -> None:
    rotations = random_rotations(50, torch.Generator().manual_seed(0), torch.device("cpu"))
    torch.testing.assert_close(
        rotations @ rotations.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50))
