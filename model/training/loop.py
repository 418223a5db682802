"""The training loop both stages share: optimise, average, log, save, resume, on many processes."""

from __future__ import annotations

import dataclasses
import math
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.training.compiling import compile_modules
from model.training.distributed import World
from model.training.ema import ExponentialMovingAverage
from model.training.log import LOG_FILE, Log
from model.training.muon import BatchedMuon
from model.training.state import STATE_FILE, TrainingState
from model.training.stopping import TrainingStopped, noted_signals

FREE_SETTINGS = ("steps", "compile", "save_every", "log_every", "samples", "allow_changed_settings")
"""Fields of `TrainingConfig` that a resumed run may change."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to optimise; what to optimise is the loss given to `fit`."""

    steps: int  # optimiser steps of the whole run
    accumulate: int = 1  # micro-batches of one step in each process
    precision: str = "float32"  # or bfloat16: of forward and loss, never of the weights
    compile: bool = False  # the model's modules by torch.compile: faster after a slow start
    learning_rate: float = 1e-3  # peak, after the warm-up
    final_learning_rate: float = 0.02  # share of the peak left at the end of the cosine
    warmup: int = 200  # steps of linear warm-up
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # largest gradient norm
    ema_decay: float = 0.999
    seed: int = 0
    save_every: int = 200  # steps between checkpoints
    log_every: int = 20  # steps between log lines
    samples: int | None = None  # in a micro-batch, for the log's samples per second
    allow_changed_settings: bool = False  # go on with a state that other settings made

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, fits, wanted in (
            ("learning_rate", 0 <= self.learning_rate < math.inf, "0 or more"),
            ("clip_norm", self.clip_norm > 0, "positive"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", self.warmup >= 0, "0 or more"),
            ("final_learning_rate", 0 <= self.final_learning_rate <= 1, "from 0 to 1"),
            ("ema_decay", 0 <= self.ema_decay < 1, "from 0 to below 1"),
        ):
            if not fits:
                raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be in [0, 2^63), got {self.seed}")

    def curve_settings(self, world: World) -> dict[str, Any]:
        """What the loss curve depends on, `steps` aside, which may grow or shrink.

        Compiled modules round otherwise, as another machine does: that is no other curve.
        The same micro-batches can be spread otherwise: only their number in all counts.
        """
        settings = dataclasses.asdict(self)
        for free in FREE_SETTINGS:
            del settings[free]
        settings["micro_batches"] = settings.pop("accumulate") * world.size
        return settings


Loss = Callable[[nn.Module, torch.Generator], dict[str, Tensor]]
"""Draws a batch with the generator and returns {"loss": ..., other figures to log}.

All figures are means over the batch, so that those of equal micro-batches average to their joint's.
"""


def fit(model: nn.Module, loss: Loss, config: TrainingConfig, folder: Path) -> nn.Module:
    """Train `model` in place, resuming from `folder` when it holds a state.

    A step joins `accumulate` micro-batches of every process of the world. Each draws from a
    generator of its own (`draw_seed`): a resumed run, and one on another number of processes with
    as many micro-batches in all, sees exactly the batches that this one would have seen.

    Returns:
        The exponential moving average of the model, ready for evaluation.

    Raises:
        ChangedSettingsError: the state was made with other settings.
        FloatingPointError: the loss is not finite; nothing that came of it is saved.
        TrainingStopped: SIGINT or SIGTERM came; the state of the last whole step is saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world = World.current()
    ema = ExponentialMovingAverage(model, config.ema_decay)
    state = TrainingState(model, ema, _optimizers(model, config))
    state.resume(
        folder / STATE_FILE,
        config.curve_settings(world),
        changes_allowed=config.allow_changed_settings,
    )
    _keep_frozen(model, ema)
    if not world.agrees(state.step):
        raise ValueError(f"{folder} is not the same folder for all processes: share it among hosts")
    if state.step > config.steps:
        raise ValueError(
            f"{folder} is at step {state.step} already, steps is {config.steps}: give at least "
            f"{state.step}, or begin another run"
        )
    model.train()
    if config.compile:
        compile_modules(model)
    _Training(state, _Objective(model, loss), config, folder, world).run()
    world.wait()  # for the last save
    return ema.average


@torch.no_grad()
def _keep_frozen(model: nn.Module, ema: ExponentialMovingAverage) -> None:
    """Set parameters that are not trained to their average, which would else go on trailing them.

    The average is what is exported, and what other stages have seen.
    """
    for parameter, average in zip(model.parameters(), ema.average.parameters(), strict=True):
        if not parameter.requires_grad:
            parameter.copy_(average)


def draw_seed(seed: int, step: int, micro_batch: int) -> int:
    """The seed of one micro-batch's generator.

    Mixed, since torch's generator on a CPU takes the low 32 bits alone.
    """
    words = (seed % 2**32, seed >> 32, step, micro_batch)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


class _Objective(nn.Module):
    """The loss as a module, as DistributedDataParallel wants it."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, generator: torch.Generator) -> dict[str, Tensor]:
        return self.loss(self.model, generator)


class _Training:
    """One process's part in a run, from the state's step to the last."""

    def __init__(
        self,
        state: TrainingState,
        objective: nn.Module,
        config: TrainingConfig,
        folder: Path,
        world: World,
    ) -> None:
        self.state = state
        self.objective = world.wrapped(objective)
        self.config = config
        self.folder = folder
        self.world = world
        self.log = Log(folder / LOG_FILE)
        self.device = next(state.model.parameters()).device
        self.begun = time.monotonic() - state.seconds
        self.logged = state.seconds  # when the last line was, in the state's seconds
        self.logged_step = state.step

    def run(self) -> None:
        """Take the steps that are left."""
        state, config = self.state, self.config
        if self.world.leads:
            self.log.cut(state.step)
        bar = tqdm(
            range(state.step, config.steps),
            initial=state.step,
            total=config.steps,
            desc=self.folder.name,
            unit="step",
            disable=not (self.world.leads and sys.stderr.isatty()),
        )
        with noted_signals() as request, bar:
            for step in bar:
                figures = self._step(step)
                state.unlogged.append(figures)
                state.step = step + 1
                last = state.step == config.steps
                if state.step % config.log_every == 0 or last:
                    bar.set_postfix(loss=f"{self._log_line():.4g}")
                number = self.world.largest(request.number)
                if state.step % config.save_every == 0 or last or number:
                    self._save(figures)
                if number and not last:
                    raise TrainingStopped(self._farewell(number), number)

    def _step(self, step: int) -> dict[str, Tensor]:
        """One optimiser step; returns the means of this process's micro-batches."""
        parts = [self._micro_batch(step, index) for index in range(self.config.accumulate)]
        model, rate = self.state.model, _learning_rate(step, self.config)
        gradient = nn.utils.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        for optimizer in self.state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.state.ema.update(model)
        figures = {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}
        return figures | {"gradient": gradient, "lr": torch.tensor(rate, device=self.device)}

    def _micro_batch(self, step: int, index: int) -> dict[str, Tensor]:
        """Add the gradient of this process's micro-batch `index`: rank r has r, r + W, ..."""
        config, world = self.config, self.world
        seed = draw_seed(config.seed, step, world.rank + index * world.size)
        generator = torch.Generator(self.device).manual_seed(seed)
        lower = config.precision == "bfloat16"
        with world.gathering(self.objective, last=index == config.accumulate - 1):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
                figures = self.objective(generator)
            (figures["loss"] / config.accumulate).backward()
        return {name: value.detach().float() for name, value in figures.items()}

    def _log_line(self) -> float:
        """Write the means since the last line, over the world too; returns the loss."""
        figures = self._take()
        now = time.monotonic() - self.begun  # the figures' values are known: so is the GPU's work
        step_seconds = (now - self.logged) / (self.state.step - self.logged_step)
        self.logged, self.logged_step = now, self.state.step
        _require_finite(figures, self.state.step, self.folder)
        speed = {"seconds": now, "seconds_per_step": step_seconds}
        if self.config.samples:
            samples = self.config.samples * self.config.accumulate * self.world.size
            speed["samples_per_second"] = samples / step_seconds
        if self.device.type == "cuda":
            speed["memory_mb"] = torch.cuda.max_memory_allocated(self.device) / 1e6
        if self.world.leads:
            self.log.add({"step": self.state.step} | figures | speed)
        return figures["loss"]

    def _take(self) -> dict[str, float]:
        """Means of the figures of the steps since the last line."""
        steps, self.state.unlogged = self.state.unlogged, []
        means = torch.stack([torch.stack([s[name] for s in steps]).mean() for name in steps[0]])
        return dict(zip(steps[0], self.world.mean(means).tolist(), strict=True))

    def _save(self, last: dict[str, Tensor]) -> None:
        """Have the first process write the state, with the world's figures."""
        _require_finite({"gradient": float(last["gradient"])}, self.state.step, self.folder)
        self.state.unlogged = [
            dict(zip(f, self.world.mean(torch.stack(list(f.values()))).unbind(), strict=True))
            for f in self.state.unlogged
        ]
        self.state.seconds = time.monotonic() - self.begun
        if self.world.leads:
            self.state.save(self.folder / STATE_FILE, self.config.curve_settings(self.world))

    def _farewell(self, number: int) -> str:
        return (
            f"stopped by {signal.Signals(number).name} after step {self.state.step} of "
            f"{self.config.steps}, saved in {self.folder / STATE_FILE}: give the same command "
            "again to go on"
        )


def _optimizers(model: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for everything else."""
    matrices = [p for p in model.parameters() if p.ndim == 2 and min(p.shape) > 64]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    rate, decay = config.learning_rate, config.weight_decay
    adamw = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=decay)
    if not matrices:
        return [adamw]
    muon = BatchedMuon(matrices, lr=rate, weight_decay=decay)
    return [muon, adamw]


def _learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a cosine down to `final_learning_rate` of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    low = config.final_learning_rate
    return config.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


def _require_finite(figures: dict[str, float], step: int, folder: Path) -> None:
    for name in ("loss", "gradient"):
        if name in figures and not math.isfinite(figures[name]):
            saved = folder / STATE_FILE
            kept = f"; the last good state is {saved}" if saved.exists() else ""
            raise FloatingPointError(
                f"the {name} is {figures[name]} at step {step}: lower the learning rate{kept}"
            )
