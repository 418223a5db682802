"""The point features: what they depend on."""

from __future__ import annotations

import torch

from model.nn.pointnet import PointNet


def model() -> PointNet:
    torch.manual_seed(0)
    return PointNet(7).eval()


def test_the_order_of_the_points_means_nothing() -> None:
    points = torch.randn(2, 100, 3)
    made = model().features(points)
    torch.testing.assert_close(model().features(points.flip(1)), made)
    assert (model().features(points + 1) - made).abs().max() > 0.1


def test_a_shape_does_not_depend_on_its_batchmates() -> None:
    points = torch.randn(3, 100, 3)
    torch.testing.assert_close(model().features(points[:1]), model().features(points)[:1])


def test_features_are_standardised_and_give_the_logits() -> None:
    made = model().features(torch.randn(4, 100, 3))
    torch.testing.assert_close(made.mean(dim=1), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(made.std(dim=1, correction=0), torch.ones(4), atol=1e-3, rtol=0)
    points = torch.randn(2, 50, 3)
    assert torch.equal(model()(points), model().to_logits(model().features(points)))


def test_half_precision_weights_stay_under_600_kilobytes() -> None:
    assert 2 * sum(parameter.numel() for parameter in model().parameters()) < 600_000
