"""The saved state of a training: all that a killed run needs to go on as if nothing happened."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.training.ema import ExponentialMovingAverage
from model.training.settings import require_unchanged

STATE_FILE = "state.pt"


@dataclass
class TrainingState:
    """What changes from step to step."""

    model: nn.Module
    ema: ExponentialMovingAverage
    optimizers: list[torch.optim.Optimizer]
    step: int = 0  # steps done
    seconds: float = 0.0  # spent on them, over all starts of the run
    unlogged: list[dict[str, Tensor]] = field(default_factory=list)  # figures since the last line

    def save(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write everything atomically: a run killed at any time leaves a whole state behind.

        `settings` are what the curve depends on, to be compared by `resume`.
        """
        values = {
            "step": self.step,
            "seconds": self.seconds,
            "settings": dict(settings),
            "model": self.model.state_dict(),
            "ema": self.ema.average.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "unlogged": self.unlogged,
        }
        _write(path, values)

    def resume(self, path: Path, settings: Mapping[str, Any], *, changes_allowed: bool) -> None:
        """Load what `save` wrote; nothing where there is no such file.

        A state without settings, as version 0.1 wrote, is taken as it is.

        Raises:
            ChangedSettingsError: it was made with other settings, and changes are not allowed.
        """
        if not path.exists():
            return
        values = _read(path)
        if "model" not in values:
            raise ValueError(
                f"{path} keeps the average alone, of a stage that is done: begin another run from "
                "an export of it with --from"
            )
        if not changes_allowed:
            require_unchanged(values.get("settings", settings), settings, str(path))
        self.model.load_state_dict(values["model"])
        self.ema.average.load_state_dict(values["ema"])
        self.ema.updates = values["ema_updates"]
        for optimizer, saved in zip(self.optimizers, values["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = int(values["step"])
        self.seconds = float(values.get("seconds", 0.0))
        device = next(self.model.parameters()).device
        self.unlogged = [
            {name: value.to(device) for name, value in figures.items()}
            for figures in values.get("unlogged", [])
        ]


def load_average(folder: Path, model: nn.Module) -> int:
    """Load a run's averaged parameters into `model`; returns the step they are from."""
    state = _read(folder / STATE_FILE)
    model.load_state_dict(state["ema"])
    return int(state["step"])


def keep_average(folder: Path) -> None:
    """Let a finished stage's state shrink to its average in half precision, as it is exported.

    A stage so kept can be exported and its latents made, but not be trained on. Does nothing where
    that has been done, so that it may be killed and called again.
    """
    path = folder / STATE_FILE
    if not is_finished(folder):
        state = _read(path)
        kept = {name: state[name] for name in ("step", "seconds", "settings")}
        average = {
            name: value.half() if value.is_floating_point() else value
            for name, value in state["ema"].items()
        }
        _write(path, kept | {"ema": average})


def is_finished(folder: Path) -> bool:
    """Whether `keep_average` was here."""
    return (folder / STATE_FILE).exists() and "model" not in _read(folder / STATE_FILE)


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Write a state atomically, and have it reach the disk."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(dict(values), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _flush_folder(path.parent)


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        cause = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} is damaged ({cause}): delete it to train this stage again"
        ) from None
    return values


def _flush_folder(folder: Path) -> None:
    """Have the renaming of a file reach the disk (POSIX: a folder is flushed like a file)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
