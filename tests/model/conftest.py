"""A tiny model that knows ellipsoids a little: every operation works, no shape means much."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before a module with a kernel is imported

from model.autoencoder import AutoEncoder
from model.checkpoint import save_checkpoint
from model.config import (
    AutoEncoderConfig,
    CascadeConfig,
    DenoiserConfig,
    LevelConfig,
    ModelConfig,
    SamplingDefaults,
)
from model.diffusion.cascade import Cascade
from model.geometry.mesh import export_mesh
from tests.model.command import succeed
from tests.shapes import box, moved

TINY = ModelConfig(
    name="tiny",
    version="0",
    licence="MIT",
    autoencoder=AutoEncoderConfig(
        channels=32,
        head_channels=16,
        levels=(LevelConfig(4, 8, 1), LevelConfig(8, 8, 1), LevelConfig(16, 4, 1)),
    ),
    cascade=CascadeConfig(
        denoisers=(DenoiserConfig(channels=32, layers=1, head_channels=16),) * 3,
    ),
    sampling=SamplingDefaults(resolution=16, steps=2, guidance=1.0),
)


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a tiny model: an autoencoder of ellipsoids and a random cascade."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    torch.manual_seed(0)
    assert TINY.cascade is not None
    cascade = Cascade(TINY.cascade, TINY.autoencoder)
    for parameter in cascade.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5 / parameter.shape[-1] ** 0.5)
    save_checkpoint(folder, TINY, _ellipsoid_autoencoder(), cascade)
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh file far from the canonical frame."""
    path = tmp_path_factory.mktemp("source") / "box.stl"
    path.write_bytes(export_mesh(moved(box((2.0, 4.0, 4.0)).mesh, (10.0, 20.0, 30.0)), "stl"))
    return path


@pytest.fixture(scope="session")
def encoded(source: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The latents file of `source`."""
    folder = tmp_path_factory.mktemp("encoded")
    succeed("encode", source, "-o", folder, "--weights", tiny_checkpoint)
    return folder / "shape.safetensors"


@pytest.fixture(scope="session")
def generated(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The latents file of a generated chair."""
    folder = tmp_path_factory.mktemp("generated")
    succeed(
        "generate", "--category", "chair", "--seed", 5, "-o", folder, "--weights", tiny_checkpoint
    )
    return folder / "chair-5" / "shape.safetensors"


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    printed = succeed("data", "synth", "-o", folder, "--per-category", 1, "--json")
    assert json.loads(printed) == {"folder": str(folder), "shapes": 7}
    return folder


def _ellipsoid_autoencoder(steps: int = 40, batch: int = 4) -> AutoEncoder:
    """Trained for a moment: its fields are inside at the origin and outside far from it."""
    autoencoder = AutoEncoder(TINY.autoencoder)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=3e-3)
    for _ in range(steps):
        axes = 0.4 + 0.6 * torch.rand(batch, 1, 3)
        surface = torch.nn.functional.normalize(torch.randn(batch, 128, 3), dim=-1) * axes
        queries = 2.2 * torch.rand(batch, 128, 3) - 1.1
        labels = ((queries / axes).norm(dim=-1) < 1).float()
        logits = autoencoder.decode(autoencoder.encode(surface))(queries)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return autoencoder
