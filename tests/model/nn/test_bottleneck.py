from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.nn.bottleneck import KLBottleneck, NormalizedBottleneck

CONFIG = AutoEncoderConfig(64, (LevelConfig(4, 6, 1), LevelConfig(8, 4, 1)), input_points=32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_normalised_latents_are_the_same_in_training_and_use() -> None:
    bottleneck, features = NormalizedBottleneck(32, 8), torch.randn(2, 5, 32)
    latents, loss = bottleneck.regularized(features, generator())
    assert torch.equal(latents, bottleneck.to_latents(features))
    assert loss == 0


def constant_gaussian(mean: float, variance: float) -> KLBottleneck:
    bottleneck = KLBottleneck(4, 3)
    with torch.no_grad():
        for linear, value in ((bottleneck.mean, mean), (bottleneck.log_variance, variance)):
            linear.weight.zero_()
            linear.bias.fill_(value if linear is bottleneck.mean else torch.tensor(value).log())
    return bottleneck


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (2.0, 1.0), (0.0, 4.0), (-1.0, 0.25)])
def test_the_divergence_is_that_of_two_gaussians(mean: float, variance: float) -> None:
    _, divergence = constant_gaussian(mean, variance).regularized(torch.zeros(1, 7, 4), generator())
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, variance**0.5), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence.detach(), exact)


def test_training_draws_from_the_gaussian_and_use_takes_its_mean() -> None:
    bottleneck, features = constant_gaussian(2.0, 0.25), torch.zeros(1, 20_000, 4)
    with torch.no_grad():
        drawn, _ = bottleneck.regularized(features, generator())
    assert abs(drawn.mean() - 2.0) < 0.02
    assert abs(drawn.std() - 0.5) < 0.02
    assert torch.equal(bottleneck.to_latents(features), torch.full((1, 20_000, 3), 2.0))


def test_draws_follow_the_generator() -> None:
    bottleneck, features = KLBottleneck(4, 3), torch.randn(1, 2, 4)
    one, same, other = (bottleneck.regularized(features, generator(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["normalized", "kl"])
def test_either_bottleneck_makes_a_whole_autoencoder(kind: str) -> None:
    torch.manual_seed(0)
    model = AutoEncoder(replace(CONFIG, bottleneck=kind))
    latents, loss = model.encode_regularized(torch.rand(2, 32, 3), generator())
    logits = model.decode(latents)(torch.rand(2, 5, 3))
    (logits.sum() + loss).backward()
    assert logits.shape == (2, 5)
    assert (loss.item() > 0) == (kind == "kl")
    assert all(p.grad is not None for p in model.parameters())
