"""`lagem train`: from shards to a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import load_checkpoint
from model.config import PRESETS, ModelConfig
from tests.model.command import SMALL_BATCH, refuse, succeed


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch, tiny_config: ModelConfig) -> str:
    monkeypatch.setitem(PRESETS, "tiny", tiny_config)
    return "tiny"


def train_autoencoder(run: Path, shards: Path, steps: int = 2, *more: object) -> dict[str, Any]:
    command = ("train", "autoencoder", "--preset", "tiny", "--data", shards, "--run", run)
    report: dict[str, Any] = json.loads(
        succeed(*command, "--steps", steps, *SMALL_BATCH, *more, "--json")
    )
    return report


def test_training_goes_from_shards_to_a_checkpoint(
    tiny_preset: str, shards: Path, tmp_path: Path
) -> None:
    run, weights = tmp_path / "run", tmp_path / "weights"
    report = train_autoencoder(run, shards)
    assert report["step"] == 2
    assert report["loss"] > 0
    exported = json.loads(succeed("train", "export", run, "-o", weights, "--json"))
    assert exported["levels"] == []
    assert load_checkpoint(weights).cascade is None

    settings = ("--run", run, "--steps", 1, "--draws", 8, "--batch", 2, "--surface-points", 64)
    succeed("train", "diffusion", "--level", 3, "--data", shards, *settings)
    kept = (run / "latents.safetensors").stat().st_mtime_ns
    succeed("train", "diffusion", "--level", 2, *settings)
    assert (run / "latents.safetensors").stat().st_mtime_ns == kept
    assert "level1" in refuse("train", "export", run, "-o", weights)
    succeed("train", "diffusion", "--level", 1, *settings)

    exported = json.loads(succeed("train", "export", run, "-o", weights, "--json"))
    assert exported["levels"] == [1, 2, 3]
    assert exported["step"] == 2
    assert load_checkpoint(weights).sha256 == exported["sha256"]


def test_training_goes_on_where_it_was(tiny_preset: str, shards: Path, tmp_path: Path) -> None:
    train_autoencoder(tmp_path / "parts", shards, 2, "--save-every", 1, "--warmup", 9)
    train_autoencoder(tmp_path / "parts", shards, 4, "--save-every", 1, "--warmup", 9)
    train_autoencoder(tmp_path / "whole", shards, 4, "--warmup", 9)
    states = [
        torch.load(tmp_path / run / "autoencoder" / "state.pt", weights_only=True)
        for run in ("parts", "whole")
    ]
    for name, values in states[0]["ema"].items():
        torch.testing.assert_close(values, states[1]["ema"][name])


def test_latents_of_an_older_autoencoder_are_made_again(
    tiny_preset: str, shards: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train_autoencoder(run, shards)
    settings = ("--run", run, "--steps", 1, "--draws", 4, "--batch", 2, "--surface-points", 64)
    assert "--data" in refuse("train", "diffusion", "--level", 3, *settings)
    succeed("train", "diffusion", "--level", 3, "--data", shards, *settings)
    train_autoencoder(run, shards, 3)
    assert "autoencoder_step: 2 -> 3" in refuse("train", "diffusion", "--level", 3, *settings)
    assert "step 3" in refuse("train", "diffusion", "--level", 2, *settings)


def test_training_refuses_what_cannot_be(tiny_preset: str, shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ("train", "autoencoder", "--data", shards, "--run", run, "--steps", 1)
    assert "choose one of starter, " in refuse(*command, "--preset", "huge")
    assert not run.exists()
    train_autoencoder(run, shards)
    assert "another --run" in refuse(*command, "--preset", "starter")
    level = ("train", "diffusion", "--run", run, "--steps", 1, "--data", shards)
    assert "3 levels" in refuse(*level, "--level", 4)
    assert "train autoencoder" in refuse("train", "export", tmp_path, "-o", tmp_path / "weights")
    empty = tmp_path / "empty"
    empty.mkdir()
    other = ("train", "autoencoder", "--preset", "tiny", "--run", tmp_path / "other", "--steps", 1)
    assert "lagem data" in refuse(*other, "--data", empty)


def test_help_shows_the_defaults_of_the_configs() -> None:
    printed = succeed("train", "autoencoder", "--help")
    assert "--near-weight" in printed
    assert "[default: 0.1" in printed
    assert "[default: (0.75," in printed
