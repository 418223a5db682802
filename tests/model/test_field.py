"""The folded field against the readable modules it was folded from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig


def random_autoencoder(levels: int, seed: int = 0) -> AutoEncoder:
    """A small model whose every parameter, norms included, is far from its initial value."""
    sizes = (LevelConfig(4, 6, 1), LevelConfig(8, 5, 1), LevelConfig(16, 4, 1))
    torch.manual_seed(seed)
    model = AutoEncoder(AutoEncoderConfig(64, sizes[-levels:], head_channels=16, input_points=64))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return model


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_folding_changes_no_logit(levels: int) -> None:
    model = random_autoencoder(levels)
    features = model.decode_features(model.encode(torch.rand(3, 64, 3) - 0.5))
    queries = torch.rand(3, 500, 3) * 2 - 1
    reference = model.query_reference(queries, features)
    folded = model.fold(features)(queries)
    assert (folded - reference).abs().max() <= 2e-5 * reference.std()


def test_folding_changes_no_gradient() -> None:
    model = random_autoencoder(3)
    points, queries = torch.rand(2, 64, 3) - 0.5, torch.rand(2, 100, 3) - 0.5

    def gradients(folded: bool) -> list[torch.Tensor]:
        features = model.decode_features(model.encode(points))
        logits = (
            model.fold(features)(queries) if folded else model.query_reference(queries, features)
        )
        return list(torch.autograd.grad(logits.square().sum(), list(model.parameters())))

    for one, other in zip(gradients(folded=True), gradients(folded=False), strict=True):
        assert (one - other).norm() <= 1e-3 * other.norm() + 1e-4


def test_the_field_keeps_no_hold_on_the_model() -> None:
    field = random_autoencoder(2).decode(random_autoencoder(2).encode(torch.rand(1, 64, 3)))
    assert not any(isinstance(value, nn.Module) for value in vars(field).values())
