"""Both stages learn: the loss falls on a few shapes, and what falls is the paper's loss."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, CascadeConfig, DenoiserConfig, LevelConfig
from model.data.datasets import BatchConfig, TrainingShapes
from model.data.shards import ShapeArrays
from model.diffusion.cascade import Cascade
from model.diffusion.denoiser import Denoiser
from model.training.autoencoder import NOTHING_HIDDEN, reconstruction_loss, train_autoencoder
from model.training.diffusion import encode_shapes, train_denoiser
from model.training.hiding import Hiding
from model.training.log import LOG_FILE
from model.training.loop import TrainingConfig

CONFIG = AutoEncoderConfig(
    64, (LevelConfig(4, 4, 1), LevelConfig(16, 4, 1)), head_channels=32, input_points=64
)
BATCH = BatchConfig(shapes=4, surface_points=64, volume_queries=64, near_queries=64)


@pytest.fixture(scope="module")
def balls() -> TrainingShapes:
    """Six balls of the unit sphere's radius, exact labels."""
    rng = np.random.default_rng(0)

    def directions(count: int) -> np.ndarray:
        points = rng.standard_normal((6, count, 3))
        return points / np.linalg.norm(points, axis=-1, keepdims=True)

    near = directions(128) * (1 + 0.05 * rng.standard_normal((6, 128, 1)))
    near = near.astype(np.float16)
    return TrainingShapes.held(
        ShapeArrays(
            surface=directions(128).astype(np.float16),
            inside=(directions(128) * rng.uniform(0, 0.8, (6, 128, 1))).astype(np.float16),
            outside=(directions(128) * rng.uniform(1.2, 1.7, (6, 128, 1))).astype(np.float16),
            near=near,
            near_occupied=(np.linalg.norm(near.astype(np.float64), axis=-1) < 1).astype(np.uint8),
            categories=("table", "car", "chair", None, "table", "car"),
            names=tuple("abcdef"),
        ),
        torch.device("cpu"),
        ("table", "car", "chair"),
    )


def curve(folder: Path) -> list[float]:
    with (folder / LOG_FILE).open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_an_undecided_model_has_the_loss_of_a_coin(balls: TrainingShapes) -> None:
    model = AutoEncoder(CONFIG)
    torch.nn.init.zeros_(model.to_logit.weight)
    torch.nn.init.zeros_(model.to_logit.bias)
    values = reconstruction_loss(
        model, balls, BATCH, 0.1, NOTHING_HIDDEN, torch.Generator().manual_seed(0)
    )
    assert float(values["loss"].detach()) == pytest.approx(1.1 * np.log(2), rel=1e-5)


def test_the_autoencoder_learns_balls(balls: TrainingShapes, tmp_path: Path) -> None:
    torch.manual_seed(0)
    training = TrainingConfig(steps=60, learning_rate=3e-3, warmup=10, log_every=10)
    train_autoencoder(AutoEncoder(CONFIG), balls, tmp_path, training, BATCH)
    assert curve(tmp_path)[-1] < 0.7 * curve(tmp_path)[0]


def test_an_encoder_whose_finer_levels_are_hidden_learns_to_use_the_coarse_one(
    balls: TrainingShapes, tmp_path: Path
) -> None:
    """Half of the shapes come without level 1, and are told apart by level 2 alone."""
    torch.manual_seed(0)
    training = TrainingConfig(steps=100, learning_rate=3e-3, warmup=10, log_every=10)
    model = AutoEncoder(CONFIG)
    train_autoencoder(model, balls, tmp_path, training, BATCH, hiding=Hiding(0.5, 0.2))
    batch = balls.draw(BATCH, torch.Generator().manual_seed(1))
    hidden = Hiding(1.0)(model.encode(batch.surface), torch.Generator().manual_seed(1))
    inside = model.decode(hidden)(batch.volume) > 0
    assert (inside == (batch.volume_labels > 0.5)).float().mean() > 0.8


def test_a_frozen_encoder_goes_on_making_the_same_latents(
    balls: TrainingShapes, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = AutoEncoder(CONFIG)
    batch = balls.draw(BATCH, torch.Generator().manual_seed(1))
    training = TrainingConfig(steps=5, learning_rate=3e-3, warmup=1)
    exported = train_autoencoder(model, balls, tmp_path, training, BATCH)  # trails the model
    assert isinstance(exported, AutoEncoder)
    latents = exported.encode(batch.surface)
    before = exported.decode(latents)(batch.volume)
    model.freeze_encoder()
    average = train_autoencoder(model, balls, tmp_path, replace(training, steps=10), BATCH)
    for trained in (model, average):
        assert isinstance(trained, AutoEncoder)
        for old, new in zip(latents.levels, trained.encode(batch.surface).levels, strict=True):
            assert torch.equal(old, new)
    assert (model.decode(latents)(batch.volume) - before).abs().max() > 0.01


def test_a_denoiser_learns_latents(balls: TrainingShapes, tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = AutoEncoder(CONFIG)
    data = encode_shapes(autoencoder, balls, BATCH, count=16, seed=0)
    assert len(data.latents) == len(data.category) == 16
    cascade = Cascade(
        CascadeConfig((DenoiserConfig(64, 1),) * 2, categories=("table", "car", "chair")), CONFIG
    )
    denoiser = cascade.denoisers[1]
    assert isinstance(denoiser, Denoiser)
    training = TrainingConfig(steps=120, learning_rate=3e-3, warmup=10, log_every=10)
    train_denoiser(denoiser, data, 1, tmp_path, training, batch=16)
    assert curve(tmp_path)[-1] < 0.8 * curve(tmp_path)[0]
