"""A training run as a folder: the model's config, and the state of each stage.

`model.json` holds the ModelConfig, `autoencoder/` the state of stage 1 (`model.training.loop`),
`level3/` down to `level1/` that of each denoiser of stage 2, and `latents.safetensors` the latents
that stage 2 is trained on. Beside each state, `inputs.json` says what that stage is trained on and
`log.csv` is its loss curve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from model.autoencoder import AutoEncoder
from model.checkpoint import Checkpoint
from model.config import PRESETS, ModelConfig
from model.diffusion.cascade import Cascade
from model.latents import Latents
from model.training.diffusion import LatentSet
from model.training.settings import differences, require_unchanged
from model.training.state import STATE_FILE, load_average

CONFIG_FILE = "model.json"
INPUTS_FILE = "inputs.json"
LATENTS_FILE = "latents.safetensors"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one training run and the config of the model that it trains."""

    path: Path
    config: ModelConfig

    @classmethod
    def create(
        cls, path: Path, preset: str, categories: tuple[str, ...] | None = None
    ) -> RunFolder:
        """Begin a run of a preset, or go on with it.

        Args:
            path: the run's folder.
            preset: name of the model's sizes.
            categories: of the cascade, in place of the preset's; None: the run's if it has begun,
                else the preset's.

        Raises:
            ValueError: there is no such preset, it has no cascade to give categories to, or the
                folder holds a run of another model.
        """
        if preset not in PRESETS:
            raise ValueError(f"no preset {preset!r}: choose one of {', '.join(PRESETS)}")
        config = PRESETS[preset]
        file = path / CONFIG_FILE
        kept = cls.open(path) if file.exists() else None
        if kept and categories is None and kept.config.cascade:
            categories = kept.config.cascade.categories
        if categories is not None:
            config = _with_categories(config, categories)
        if kept is None:
            path.mkdir(parents=True, exist_ok=True)
            _write_json(file, config.to_dict())
            return cls(path, config)
        if changed := differences(kept.config.to_dict(), config.to_dict()):
            raise ValueError(
                f"{path} holds a run of another model than is asked for ({'; '.join(changed)}): "
                "choose another --run"
            )
        return kept

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open the folder of a run.

        Raises:
            ValueError: it is none.
        """
        file = path / CONFIG_FILE
        if not file.is_file():
            raise ValueError(
                f"{path} holds no {CONFIG_FILE}: start a run with `lagem train autoencoder`"
            )
        return cls(path, ModelConfig.from_dict(json.loads(file.read_text())))

    @property
    def autoencoder_folder(self) -> Path:
        return self.path / "autoencoder"

    def level_folder(self, level: int) -> Path:
        """Where the denoiser of the paper's level `level` is trained."""
        return self.path / f"level{level}"

    def trained_levels(self) -> list[int]:
        """Levels whose denoiser has a saved state."""
        count = len(self.config.autoencoder.levels)
        return [n for n in range(1, count + 1) if (self.level_folder(n) / STATE_FILE).exists()]

    def autoencoder(self) -> tuple[AutoEncoder, int]:
        """The averaged autoencoder, ready to encode, and the step that it is from.

        Raises:
            ValueError: stage 1 has no saved state.
        """
        autoencoder = AutoEncoder(self.config.autoencoder)
        return autoencoder, _load(autoencoder, self.autoencoder_folder)

    def new_cascade(self) -> Cascade:
        """An untrained cascade.

        Raises:
            ValueError: the run's model has none.
        """
        if self.config.cascade is None:
            raise ValueError(f"the model {self.config.name!r} has no cascade to train")
        return Cascade(self.config.cascade, self.config.autoencoder)

    def cascade(self) -> Cascade:
        """The cascade of averaged denoisers.

        Raises:
            ValueError: a denoiser has no saved state.
        """
        cascade = self.new_cascade()
        for index, denoiser in enumerate(cascade.denoisers):
            _load(denoiser, self.level_folder(len(cascade.denoisers) - index))
        return cascade

    def keep_inputs(self, stage: Path, inputs: Mapping[str, Any], *, changes_allowed: bool) -> None:
        """Note what a stage is trained on, plain values by name.

        Raises:
            ChangedSettingsError: it has a state that was trained on something else, and changes are
                not allowed.
        """
        file = stage / INPUTS_FILE
        kept = {}
        if (stage / STATE_FILE).exists() and file.exists():
            kept = json.loads(file.read_text())
            if not changes_allowed:
                require_unchanged({n: kept.get(n) for n in inputs}, inputs, str(stage))
        stage.mkdir(parents=True, exist_ok=True)
        _write_json(file, {**kept, **inputs})

    def require_same_model(self, source: Checkpoint, *parts: str) -> None:
        """Make sure that weights of a checkpoint fit this run.

        Args:
            source: the checkpoint.
            parts: fields of ModelConfig that must be equal.

        Raises:
            ValueError: they are not; the message names what differs.
        """
        theirs, ours = source.config.to_dict(), self.config.to_dict()
        changed = differences({n: theirs[n] for n in parts}, {n: ours[n] for n in parts})
        if changed:
            raise ValueError(
                f"the checkpoint is of another model than this run ({'; '.join(changed)}): choose "
                "another --from, or another --preset"
            )

    def save_latents(self, data: LatentSet, source: dict[str, str]) -> None:
        """Keep the training latents of stage 2 with a note of what they are made of."""
        count = len(data.latents.levels)
        tensors = {
            f"level{count - i}": level.contiguous() for i, level in enumerate(data.latents.levels)
        }
        target = self.path / LATENTS_FILE
        temporary = target.with_suffix(".tmp")
        save_file(tensors | {"category": data.category}, temporary, metadata=source)
        temporary.replace(target)

    def load_latents(self, source: dict[str, str], device: torch.device) -> LatentSet | None:
        """The kept latents, if they are made of all that `source` names."""
        path = self.path / LATENTS_FILE
        if not path.exists():
            return None
        with safe_open(path, framework="pt", device=str(device)) as file:
            if not source.items() <= (file.metadata() or {}).items():
                return None
            numbers = range(len(self.config.autoencoder.levels), 0, -1)
            levels = tuple(file.get_tensor(f"level{number}") for number in numbers)
            return LatentSet(Latents(levels), file.get_tensor("category"))


def _with_categories(config: ModelConfig, categories: tuple[str, ...]) -> ModelConfig:
    if config.cascade is None:
        raise ValueError(f"the preset {config.name!r} has no cascade: leave out --categories")
    if not categories or not all(categories) or len(set(categories)) < len(categories):
        raise ValueError(f"categories must be different names, got {', '.join(categories)!r}")
    return replace(config, cascade=replace(config.cascade, categories=categories))


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(values, indent=2) + "\n")
    temporary.replace(path)


def _load(model: nn.Module, folder: Path) -> int:
    if not (folder / STATE_FILE).is_file():
        raise ValueError(f"{folder} holds no {STATE_FILE}: train this stage first")
    step = load_average(folder, model)
    model.eval().requires_grad_(False)
    return step
