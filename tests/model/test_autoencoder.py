from __future__ import annotations

import pytest
import torch

from model.latents import Latents
from model.nn.fps import farthest_point_sampling
from tests.model.test_field import random_autoencoder


def test_latents_have_the_declared_shapes_and_are_standardised() -> None:
    latents = random_autoencoder(3).encode(torch.rand(2, 64, 3))
    assert [tuple(level.shape) for level in latents.levels] == [(2, 4, 6), (2, 8, 5), (2, 16, 4)]
    for level in latents.levels:
        torch.testing.assert_close(level.mean(-1), torch.zeros(level.shape[:2]), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            level.var(-1, correction=0), torch.ones(level.shape[:2]), atol=1e-3, rtol=0
        )
    assert latents.level(3) is latents.levels[0]


def test_an_ordered_cloud_encodes_as_an_unordered_one() -> None:
    model = random_autoencoder(3)
    cloud = torch.rand(1, 64, 3)
    order = farthest_point_sampling(cloud, 64)[0]
    ordered = model.encode(cloud[:, order], ordered=True)
    unordered = model.encode(cloud)
    for one, other in zip(ordered.levels, unordered.levels, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_the_order_of_the_context_points_does_not_matter() -> None:
    model = random_autoencoder(2)
    cloud = torch.rand(1, 64, 3)
    shuffled = torch.cat([cloud[:, :16], cloud[:, 16:].flip(1)], dim=1)
    for one, other in zip(
        model.encode(cloud, ordered=True).levels,
        model.encode(shuffled, ordered=True).levels,
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_the_order_of_latent_vectors_does_not_matter() -> None:
    model = random_autoencoder(3)
    latents = model.encode(torch.rand(1, 64, 3))
    reversed_sets = Latents(tuple(level.flip(1) for level in latents.levels))
    queries = torch.rand(1, 40, 3)
    torch.testing.assert_close(
        model.decode(reversed_sets)(queries), model.decode(latents)(queries), atol=1e-4, rtol=1e-4
    )


def test_every_level_reaches_the_logits() -> None:
    model = random_autoencoder(3)
    latents = model.encode(torch.rand(1, 64, 3))
    queries = torch.rand(1, 40, 3)
    before = model.decode(latents)(queries)
    for index in range(3):
        levels = list(latents.levels)
        levels[index] = torch.randn_like(levels[index])
        assert not torch.allclose(model.decode(Latents(tuple(levels)))(queries), before)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 points, got 15"):
        random_autoencoder(3).encode(torch.rand(1, 15, 3))
