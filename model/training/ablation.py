"""The regulariser ablation: KL against normalised bottleneck on the same batches (Table 7)."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import torch

from model.autoencoder import AutoEncoder
from model.config import PRESETS, AutoEncoderConfig, BottleneckKind, LevelConfig
from model.data.datasets import BatchConfig, TrainingShapes
from model.training.autoencoder import train_autoencoder
from model.training.log import LOG_FILE
from model.training.loop import TrainingConfig
from model.training.settings import differences

SETTINGS_FILE = "settings.json"

PAPER_EPOCHS = (16, 32, 48, 60, 72)  # at which Table 7 gives the loss; its runs have 72
PAPER_LOSSES: dict[BottleneckKind, tuple[float, ...]] = {
    "kl": (0.1438, 0.0444, 0.0276, 0.0217, 0.0183),
    "normalized": (0.1320, 0.0409, 0.0271, 0.0217, 0.0183),
}

SIZES = {
    "paper": PRESETS["vecset-shapenet"].autoencoder,  # the ablation is of VecSet (appendix J)
    "reduced": AutoEncoderConfig(channels=128, levels=(LevelConfig(64, 8, 6),)),
}


def compare_bottlenecks(
    config: AutoEncoderConfig,
    shapes: TrainingShapes,
    folder: Path,
    training: TrainingConfig,
    batch: BatchConfig,
    data: Sequence[str],  # what tells the shapes' data apart
) -> dict[BottleneckKind, tuple[float, ...]]:
    """Train with each bottleneck in turn; volume losses (Eq. 15) at the shares of Table 7.

    Both runs begin with the same seed and draw the same batches. They lie in sub-folders of
    `folder` and resume there. A loss is the mean of the log's lines since the share before.

    Raises:
        ValueError: the folder holds another comparison; the message names what differs.
    """
    settings = {
        "model": asdict(config),
        "training": asdict(training),
        "batch": asdict(batch),
        "data": list(data),
    }
    file = folder / SETTINGS_FILE
    if file.exists() and (changed := differences(json.loads(file.read_text()), settings)):
        raise ValueError(
            f"{folder} holds another comparison ({'; '.join(changed)}): choose another --run"
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings, indent=2) + "\n")
    losses: dict[BottleneckKind, tuple[float, ...]] = {}
    for kind in get_args(BottleneckKind):
        torch.manual_seed(training.seed)
        model = AutoEncoder(replace(config, bottleneck=kind)).to(shapes.category.device)
        train_autoencoder(model, shapes, folder / kind, training, batch)
        with (folder / kind / LOG_FILE).open(newline="") as file:
            curve = {int(row["step"]): float(row["volume_loss"]) for row in csv.DictReader(file)}
        losses[kind] = losses_at_shares(curve)
    return losses


def losses_at_shares(curve: dict[int, float]) -> tuple[float, ...]:
    """Mean losses of a curve (step -> loss) up to each epoch of `PAPER_EPOCHS`, out of 72.

    Raises:
        ValueError: the log is too sparse to have a line in each part.
    """
    last = max(curve)
    bounds = [0.0, *(last * epoch / PAPER_EPOCHS[-1] for epoch in PAPER_EPOCHS)]
    means = []
    for low, high in itertools.pairwise(bounds):
        part = [loss for step, loss in curve.items() if low < step <= high + 1e-6]
        if not part:
            raise ValueError(
                f"no line of the log between steps {low:.0f} and {high:.0f}: train for more steps "
                "or lower log_every"
            )
        means.append(sum(part) / len(part))
    return tuple(means)


def to_markdown(losses: dict[BottleneckKind, tuple[float, ...]], heading: str) -> str:
    """Table 7 as measured, the paper's own below."""
    shares = " | ".join(f"{epoch}/{PAPER_EPOCHS[-1]} of the run" for epoch in PAPER_EPOCHS)
    note = "Here: means since the column before. The paper: at that epoch, on ShapeNet."
    lines = [
        heading,
        "",
        note,
        "",
        f"| volume loss | {shares} |",
        "|---|" + "---:|" * len(PAPER_EPOCHS),
    ]
    for source, table in (("here", losses), ("paper", PAPER_LOSSES)):
        for kind in get_args(BottleneckKind):
            cells = " | ".join(f"{loss:.4f}" for loss in table[kind])
            lines.append(f"| {kind}, {source} | {cells} |")
    return "\n".join(lines) + "\n"
