"""Training of the point features: its draws, and that it learns."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from model.nn.pointnet import PointNet
from model.training.features import FeatureBatchConfig, draw_clouds, train_features
from model.training.log import LOG_FILE
from model.training.loop import TrainingConfig


def rods(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Thin rods: upright ones are of class 0, lying ones of class 1."""
    generator = torch.Generator().manual_seed(0)
    points = 0.1 * torch.randn(count, 256, 3, generator=generator)
    labels = torch.arange(count) % 2
    for row, label in enumerate(labels):
        points[row, :, 1 if label == 0 else 0] *= 10
    return (points / points.norm(dim=-1).amax(1)[:, None, None]).half(), labels


def test_draws_are_upright_and_in_the_canonical_frame() -> None:
    points, labels = rods()
    config = FeatureBatchConfig(shapes=8, surface_points=200, jitter=0.0)
    clouds, drawn = draw_clouds(points, labels, config, torch.Generator().manual_seed(1))
    assert clouds.shape == (8, 200, 3)
    torch.testing.assert_close(clouds.norm(dim=-1).amax(1), torch.ones(8))
    middle = (clouds.amin(1) + clouds.amax(1)) / 2
    torch.testing.assert_close(middle, torch.zeros(8, 3), atol=1e-5, rtol=0)
    longest = (clouds.amax(1) - clouds.amin(1)).argmax(dim=1)
    assert torch.equal(longest, torch.where(drawn == 0, 1, 0))


def test_jitter_and_scaling_are_what_the_config_says() -> None:
    points, labels = rods()
    still = FeatureBatchConfig(shapes=8, surface_points=200, axis_scaling=(1.0, 1.0), jitter=0.0)
    noisy = FeatureBatchConfig(shapes=8, surface_points=200, axis_scaling=(1.0, 1.0), jitter=0.1)
    one, _ = draw_clouds(points, labels, still, torch.Generator().manual_seed(1))
    other, _ = draw_clouds(points, labels, noisy, torch.Generator().manual_seed(1))
    deviations = (other - one).std(dim=(1, 2))
    assert deviations.max() < 0.11
    assert deviations.min() < deviations.max() / 2  # each shape has its own


def test_training_learns_to_tell_rods_apart(tmp_path: Path) -> None:
    points, labels = rods()
    torch.manual_seed(0)
    training = TrainingConfig(steps=20, warmup=4, learning_rate=3e-3, log_every=5)
    batch = FeatureBatchConfig(shapes=8, surface_points=32)
    average = train_features(PointNet(2), points, labels, tmp_path, training, batch)
    assert isinstance(average, PointNet)
    assert (average(points.float()).argmax(dim=1) == labels).all()
    with (tmp_path / LOG_FILE).open() as file:
        assert float(list(csv.DictReader(file))[-1]["accuracy"]) > 0.95
