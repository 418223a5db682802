"""Checkpoints: a folder with `model.safetensors` and `config.json`, tied together by a hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.autoencoder import AutoEncoder
from model.config import ModelConfig
from model.diffusion.cascade import Cascade

FORMAT = "lagem-weights-1"
WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the cause."""


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to run, with the SHA-256 of its weights file."""

    config: ModelConfig
    autoencoder: AutoEncoder
    cascade: Cascade | None
    sha256: str


def save_checkpoint(
    folder: Path,
    config: ModelConfig,
    autoencoder: AutoEncoder,
    cascade: Cascade | None,
    dtype: torch.dtype = torch.float16,
) -> str:
    """Write a checkpoint folder, weights first and each file atomically; returns the hash."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"autoencoder.{k}": v for k, v in autoencoder.state_dict().items()}
    if cascade is not None:
        tensors |= {f"cascade.{k}": v for k, v in cascade.state_dict().items()}
    weights = folder / f"{WEIGHTS_FILE}.tmp"
    save_file({k: v.detach().cpu().to(dtype).contiguous() for k, v in tensors.items()}, weights)
    weights.chmod(0o644)  # save_file lets its owner alone read
    sha256 = _sha256(weights)
    described = {"format": FORMAT, "weights_sha256": sha256, "model": config.to_dict()}
    text = folder / f"{CONFIG_FILE}.tmp"
    text.write_text(json.dumps(described, indent=2) + "\n")
    weights.replace(folder / WEIGHTS_FILE)
    text.replace(folder / CONFIG_FILE)
    return sha256


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder in float32 on the CPU.

    Raises:
        CheckpointError: a missing file, a hash that does not match, missing or unexpected tensors.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} holds no {name}: it is not a checkpoint folder")
    try:
        described = json.loads((folder / CONFIG_FILE).read_text())
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} is damaged: {error}") from None
    if missing := {"format", "weights_sha256", "model"} - set(described):
        raise CheckpointError(f"{folder / CONFIG_FILE} lacks {', '.join(sorted(missing))}")
    if described["format"] != FORMAT:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} has format {described['format']!r}, this version reads "
            f"{FORMAT!r}"
        )
    sha256 = _sha256(folder / WEIGHTS_FILE)
    if sha256 != described["weights_sha256"]:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} has SHA-256 {sha256}, {CONFIG_FILE} expects "
            f"{described['weights_sha256']}: the file is damaged or from another model"
        )
    config = ModelConfig.from_dict(described["model"])
    with torch.device("meta"):  # the file's tensors become the parameters: no second copy
        autoencoder = AutoEncoder(config.autoencoder)
        cascade = Cascade(config.cascade, config.autoencoder) if config.cascade else None
    _load_tensors(folder, load_file(folder / WEIGHTS_FILE), autoencoder, cascade)
    return Checkpoint(config, autoencoder, cascade, sha256)


def _load_tensors(
    folder: Path, tensors: dict[str, Tensor], autoencoder: AutoEncoder, cascade: Cascade | None
) -> None:
    parts = torch.nn.ModuleDict({"autoencoder": autoencoder})
    if cascade is not None:
        parts["cascade"] = cascade
    values = {name: tensor.float() for name, tensor in tensors.items()}
    result = parts.load_state_dict(values, strict=False, assign=True)
    if result.missing_keys or result.unexpected_keys:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} does not fit its config: "
            f"missing {result.missing_keys}, unexpected {result.unexpected_keys}"
        )
    parts.eval().requires_grad_(False)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
