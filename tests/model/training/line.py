"""A regression that trains in a moment, and a program that trains it under torchrun.

`python -m tests.model.training.line WHOLE STOPPED PAUSE` trains once in the folder WHOLE, then in
STOPPED, with so many seconds before each step behind the first log line: a signal may end it there.
"""

from __future__ import annotations

import csv
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.training.distributed import joined
from model.training.log import LOG_FILE
from model.training.loop import TrainingConfig, fit


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
    return loss_at(model, torch.randn(64, 2, generator=generator))


def loss_at(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    target = (x[:, :1] - 2 * x[:, 1:]).tanh()
    return {"loss": (model(x) - target).square().mean()}


def config(steps: int, **changes: Any) -> TrainingConfig:
    # Neither log lines nor checkpoints come when the other does.
    settings: dict[str, Any] = {"warmup": 5, "save_every": 7, "log_every": 5} | changes
    return TrainingConfig(steps=steps, **settings)


def losses(folder: Path) -> list[tuple[str, str]]:
    with (folder / LOG_FILE).open() as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def main(whole: Path, stopped: Path, pause: float) -> None:
    steps = itertools.count(1)

    def slow(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        if next(steps) > 5:
            time.sleep(pause)
        return loss(model, generator)

    with joined("cpu"):
        fit(Line(), loss, config(30), whole)
        fit(Line(), slow, config(30), stopped)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
