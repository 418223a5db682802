"""Training batches from shards: draws, augmentations (paper, appendices B and D)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from model.data.shards import ShapeArrays


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What one training iteration draws."""

    shapes: int = 16  # shapes in a batch
    surface_points: int = 1024  # points the encoder sees
    volume_queries: int = 768  # half with positive, half with negative labels (appendix D)
    near_queries: int = 768  # near-surface queries (appendix A.2)
    rotate: float = 0.5  # probability of a random rotation
    axis_scaling: tuple[float, float] = (0.75, 1.25)  # range of the factor of each axis


@dataclass(frozen=True)
class Batch:
    """Augmented shapes in the canonical frame with labelled queries; 1 is inside."""

    surface: Float[Tensor, "b n 3"]
    volume: Float[Tensor, "b v 3"]
    volume_labels: Float[Tensor, "b v"]
    near: Float[Tensor, "b w 3"]
    near_labels: Float[Tensor, "b w"]
    category: Int64[Tensor, "b"]  # -1 where the shape has no label


class TrainingShapes:
    """Shards held in memory, drawn from at random."""

    def __init__(self, arrays: ShapeArrays, device: torch.device) -> None:
        self.surface = torch.from_numpy(arrays.surface).to(device)
        self.inside = torch.from_numpy(arrays.inside).to(device)
        self.outside = torch.from_numpy(arrays.outside).to(device)
        self.near = torch.from_numpy(arrays.near).to(device)
        self.near_occupied = torch.from_numpy(arrays.near_occupied).to(device)
        self.category = torch.from_numpy(arrays.category).to(device).long()

    def __len__(self) -> int:
        return len(self.category)

    def draw(self, config: BatchConfig, generator: torch.Generator) -> Batch:
        """One augmented batch, shapes chosen uniformly, fresh points and queries each time."""
        device = self.category.device
        rows = torch.randint(len(self), (config.shapes,), generator=generator, device=device)
        half = config.volume_queries // 2

        def pick(source: Tensor, count: int) -> tuple[Tensor, Tensor]:
            columns = torch.randint(
                source.shape[1], (config.shapes, count), generator=generator, device=device
            )
            return source[rows.unsqueeze(1), columns].float(), columns

        surface, _ = pick(self.surface, config.surface_points)
        inside, _ = pick(self.inside, half)
        outside, _ = pick(self.outside, config.volume_queries - half)
        near, columns = pick(self.near, config.near_queries)
        transform = _random_affine(config, generator, device)
        surface, inside, outside, near = (
            points @ transform for points in (surface, inside, outside, near)
        )
        whole = self.surface[rows].float() @ transform
        center = (whole.amin(1, keepdim=True) + whole.amax(1, keepdim=True)) / 2
        scale = 1 / (whole - center).norm(dim=-1).amax(1)[:, None, None]
        volume = torch.cat([inside, outside], dim=1)
        labels = torch.zeros(volume.shape[:2], device=device)
        labels[:, :half] = 1
        return Batch(
            surface=(surface - center) * scale,
            volume=(volume - center) * scale,
            volume_labels=labels,
            near=(near - center) * scale,
            near_labels=self.near_occupied[rows.unsqueeze(1), columns].float(),
            category=self.category[rows],
        )


def random_rotations(
    count: int, generator: torch.Generator, device: torch.device
) -> Float[Tensor, "b 3 3"]:
    """Rotations drawn uniformly over SO(3), from normalised Gaussian quaternions."""
    w, x, y, z = torch.nn.functional.normalize(
        torch.randn(count, 4, generator=generator, device=device), dim=1
    ).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _random_affine(
    config: BatchConfig, generator: torch.Generator, device: torch.device
) -> Float[Tensor, "b 3 3"]:
    """Axis scaling for every shape, then a rotation for some (appendix B)."""
    low, high = config.axis_scaling
    draws = torch.rand(config.shapes, 4, generator=generator, device=device)
    scaling = torch.diag_embed(low + (high - low) * draws[:, :3])
    rotations = random_rotations(config.shapes, generator, device)
    kept = torch.eye(3, device=device).expand_as(rotations)
    return scaling @ torch.where((draws[:, 3] < config.rotate)[:, None, None], rotations, kept)
