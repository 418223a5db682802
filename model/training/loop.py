"""The training loop both stages share: optimise, average, log, checkpoint, resume."""

from __future__ import annotations

import csv
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.training.ema import ExponentialMovingAverage

STATE_FILE = "state.pt"
LOG_FILE = "log.csv"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to optimise; what to optimise is the loss given to `fit`."""

    steps: int  # optimiser steps of the whole run
    learning_rate: float = 1e-3  # peak, after the warm-up
    final_learning_rate: float = 0.02  # share of the peak left at the end of the cosine
    warmup: int = 200  # steps of linear warm-up
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # largest gradient norm
    ema_decay: float = 0.999
    seed: int = 0
    save_every: int = 200  # steps between checkpoints
    log_every: int = 20  # steps between log lines

    def __post_init__(self) -> None:
        for name in ("steps", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


Loss = Callable[[nn.Module, torch.Generator], dict[str, Tensor]]
"""Draws a batch with the generator and returns {"loss": ..., other figures to log}."""


def fit(model: nn.Module, loss: Loss, config: TrainingConfig, folder: Path) -> nn.Module:
    """Train `model` in place, resuming from `folder` when it holds a checkpoint.

    Each step draws its batch from a generator seeded by (seed, step): a resumed run sees exactly
    the batches that an uninterrupted one would have seen.

    Returns:
        The exponential moving average of the model, ready for evaluation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizers = _optimizers(model, config)
    ema = ExponentialMovingAverage(model, config.ema_decay)
    first = _resume(folder / STATE_FILE, model, ema, optimizers, config)
    device = next(model.parameters()).device
    means = _Means()
    started = time.monotonic()
    model.train()
    bar = tqdm(
        range(first, config.steps),
        initial=first,
        total=config.steps,
        desc=folder.name,
        unit="step",
        disable=not sys.stderr.isatty(),
    )
    for step in bar:
        generator = torch.Generator(device).manual_seed((config.seed << 32) + step)
        means.add(_step(model, loss, generator, optimizers, _learning_rate(step, config), config))
        ema.update(model)
        done = step + 1
        if done % config.log_every == 0 or done == config.steps:
            figures = means.take()
            _require_finite(figures["loss"], done, folder)
            seconds = time.monotonic() - started
            _log(folder / LOG_FILE, {"step": done, **figures, "seconds": seconds})
            bar.set_postfix(loss=f"{figures['loss']:.4f}")
        if done % config.save_every == 0 or done == config.steps:
            _save(folder / STATE_FILE, done, model, ema, optimizers)
    return ema.average


def load_average(folder: Path, model: nn.Module) -> int:
    """Load a run's averaged parameters into `model`; returns the step they are from."""
    state = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    model.load_state_dict(state["ema"])
    return int(state["step"])


def _step(
    model: nn.Module,
    loss: Loss,
    generator: torch.Generator,
    optimizers: list[torch.optim.Optimizer],
    learning_rate: float,
    config: TrainingConfig,
) -> dict[str, Tensor]:
    """One optimiser step; returns the figures of its batch."""
    figures = loss(model, generator)
    figures["loss"].backward()
    gradient = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return figures | {
        "gradient": gradient,
        "lr": torch.tensor(learning_rate, device=gradient.device),
    }


def _optimizers(model: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for everything else."""
    matrices = [p for p in model.parameters() if p.ndim == 2 and min(p.shape) > 64]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    rate, decay = config.learning_rate, config.weight_decay
    adamw = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=decay)
    if not matrices:
        return [adamw]
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return [muon, adamw]


def _learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a cosine down to `final_learning_rate` of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    low = config.final_learning_rate
    return config.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


class _Means:
    """Means of the figures of several steps, kept on the device until they are taken."""

    def __init__(self) -> None:
        self._steps: list[dict[str, Tensor]] = []

    def add(self, figures: dict[str, Tensor]) -> None:
        self._steps.append({name: value.detach() for name, value in figures.items()})

    def take(self) -> dict[str, float]:
        steps, self._steps = self._steps, []
        return {name: float(torch.stack([s[name] for s in steps]).mean()) for name in steps[0]}


def _require_finite(loss: float, step: int, folder: Path) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} at step {step}: lower the learning rate; the last good checkpoint "
            f"is {folder / STATE_FILE}"
        )


def _log(path: Path, row: dict[str, float | int]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})


def _save(
    path: Path,
    step: int,
    model: nn.Module,
    ema: ExponentialMovingAverage,
    optimizers: list[torch.optim.Optimizer],
) -> None:
    """Write the run's state atomically: a killed run leaves the checkpoint before whole."""
    state: dict[str, Any] = {
        "step": step,
        "model": model.state_dict(),
        "ema": ema.average.state_dict(),
        "ema_updates": ema.updates,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _resume(
    path: Path,
    model: nn.Module,
    ema: ExponentialMovingAverage,
    optimizers: list[torch.optim.Optimizer],
    config: TrainingConfig,
) -> int:
    """Load the state if there is one; returns the step to go on from."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    ema.average.load_state_dict(state["ema"])
    ema.updates = state["ema_updates"]
    for optimizer, values in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    return min(int(state["step"]), config.steps)
