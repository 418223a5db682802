from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.training.log import LOG_FILE
from model.training.loop import TrainingConfig, fit
from model.training.state import load_average


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Linear(2, 80), nn.Tanh(), nn.Linear(80, 80), nn.Linear(80, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def loss(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    x = torch.randn(64, 2, generator=generator)
    target = (x[:, :1] - 2 * x[:, 1:]).tanh()
    return {"loss": (model(x) - target).square().mean()}


def config(steps: int, **changes: float) -> TrainingConfig:
    # The schedule depends on `steps`: an interrupted run is imitated by an error.
    return TrainingConfig(steps=steps, warmup=5, save_every=10, log_every=5, **changes)  # type: ignore[arg-type]


def losses(folder: Path) -> list[tuple[str, str]]:
    with (folder / LOG_FILE).open() as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def test_the_loss_falls(tmp_path: Path) -> None:
    fit(Line(), loss, config(100, learning_rate=1e-2), tmp_path)
    curve = [float(value) for _, value in losses(tmp_path)]
    assert curve[-1] < curve[0] / 5


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole = fit(Line(), loss, config(40), tmp_path / "whole")
    calls = 0

    def interrupted(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise KeyboardInterrupt
        return loss(model, generator)

    with pytest.raises(KeyboardInterrupt):
        fit(Line(), interrupted, config(40), tmp_path / "parts")
    resumed = fit(Line(), loss, config(40), tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_saved_average_is_the_returned_one(tmp_path: Path) -> None:
    average = fit(Line(), loss, config(20), tmp_path)
    loaded = Line()
    assert load_average(tmp_path, loaded) == 20
    for one, other in zip(loaded.parameters(), average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    fit(Line(), loss, config(20), tmp_path)
    before = losses(tmp_path)
    fit(Line(), loss, config(20), tmp_path)
    assert losses(tmp_path) == before


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": model(torch.full((1, 2), torch.inf)).sum()}

    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(Line(), broken, config(20), tmp_path)


def test_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1"):
        config(0)
