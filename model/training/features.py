"""Training of the point features that generated shapes are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from model.training.loop import TrainingConfig, fit


@dataclass(frozen=True, slots=True)
class FeatureBatchConfig:
    """What one iteration draws."""

    shapes: int = 32  # shapes in a batch
    surface_points: int = 2048  # of each, other ones every time
    axis_scaling: tuple[float, float] = (0.9, 1.1)  # range of the factor of each axis
    jitter: float = 0.02  # largest standard deviation of noise on the points, drawn for each shape


def draw_clouds(
    points: Shaped[Tensor, "shapes n 3"],
    labels: Int64[Tensor, "shapes"],
    config: FeatureBatchConfig,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b m 3"], Int64[Tensor, "b"]]:
    """Augmented clouds in the canonical frame and their labels; shapes stay upright."""
    device, count = points.device, config.shapes
    rows = torch.randint(len(points), (count,), generator=generator, device=device)
    size = (count, config.surface_points)
    columns = torch.randint(points.shape[1], size, generator=generator, device=device)
    cloud = points[rows.unsqueeze(1), columns].float()
    low, high = config.axis_scaling
    cloud = cloud * (
        low + (high - low) * torch.rand(count, 1, 3, generator=generator, device=device)
    )
    lower, upper = cloud.amin(1, keepdim=True), cloud.amax(1, keepdim=True)
    cloud = cloud - (lower + upper) / 2
    cloud = cloud / cloud.norm(dim=-1).amax(1)[:, None, None]
    deviation = config.jitter * torch.rand(count, 1, 1, generator=generator, device=device)
    noise = torch.randn(cloud.shape, generator=generator, device=device)
    return cloud + deviation * noise, labels[rows]


def train_features(
    model: nn.Module,
    points: Shaped[Tensor, "shapes n 3"],
    labels: Int64[Tensor, "shapes"],
    folder: Path,
    training: TrainingConfig,
    batch: FeatureBatchConfig,
) -> nn.Module:
    """Train (or go on training) a classifier of clouds by cross entropy; returns its average."""

    def loss(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        clouds, targets = draw_clouds(points, labels, batch, generator)
        logits = module(clouds)
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        return {"loss": F.cross_entropy(logits, targets), "accuracy": accuracy}

    return fit(model, loss, training, folder)
