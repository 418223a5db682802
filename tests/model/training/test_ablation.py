from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.config import AutoEncoderConfig, LevelConfig
from model.data.datasets import TrainingShapes
from model.training.ablation import compare_bottlenecks, losses_at_shares, to_markdown
from model.training.loop import TrainingConfig
from tests.model.training.test_stages import BATCH, balls

CONFIG = AutoEncoderConfig(64, (LevelConfig(8, 4, 1),), input_points=64)

__all__ = ["balls"]


def test_losses_are_means_since_the_share_before() -> None:
    curve = {step: float(step) for step in range(1, 73)}
    assert losses_at_shares(curve) == (8.5, 24.5, 40.5, 54.5, 66.5)


def test_a_sparse_log_is_refused() -> None:
    with pytest.raises(ValueError, match="between steps 0 and 9: train for more steps"):
        losses_at_shares({20: 1.0, 40: 1.0})


def test_both_bottlenecks_learn_on_the_same_batches(balls: TrainingShapes, tmp_path: Path) -> None:
    training = TrainingConfig(steps=60, warmup=5, learning_rate=3e-3, log_every=5)
    losses = compare_bottlenecks(CONFIG, balls, tmp_path, training, BATCH, ["balls"])
    for curve in losses.values():
        assert curve[-1] < 0.8 * curve[0]
    text = to_markdown(losses, "heading")
    assert "| kl, paper | 0.1438 | 0.0444 | 0.0276 | 0.0217 | 0.0183 |" in text
    assert f"| normalized, here | {losses['normalized'][0]:.4f} |" in text
    again = compare_bottlenecks(CONFIG, balls, tmp_path, training, BATCH, ["balls"])
    assert again == losses
    with pytest.raises(ValueError, match=r"batch.shapes: 4 -> 3.*choose another --run"):
        compare_bottlenecks(CONFIG, balls, tmp_path, training, replace(BATCH, shapes=3), ["balls"])
    with pytest.raises(ValueError, match="data"):
        compare_bottlenecks(CONFIG, balls, tmp_path, training, BATCH, ["cubes"])
