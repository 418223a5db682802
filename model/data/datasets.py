"""Training batches from shards: draws, augmentations (paper, appendices B and D)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from safetensors import safe_open
from torch import Tensor

from model.data.shards import FIELDS, ShapeArrays, read_headers, read_shards, shard_files


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What one training iteration draws."""

    shapes: int = 16  # shapes in a batch
    surface_points: int = 1024  # points the encoder sees
    volume_queries: int = 768  # half with positive, half with negative labels (appendix D)
    near_queries: int = 768  # near-surface queries (appendix A.2)
    rotate: float = 0.5  # probability of a random rotation
    axis_scaling: tuple[float, float] = (0.75, 1.25)  # range of the factor of each axis

    def __post_init__(self) -> None:
        for name in ("shapes", "surface_points", "near_queries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.volume_queries < 2 or self.volume_queries % 2:
            raise ValueError(
                f"volume_queries are half inside, half outside: give an even number, not "
                f"{self.volume_queries}"
            )
        if not 0 <= self.rotate <= 1:
            raise ValueError(f"rotate is a probability, got {self.rotate}")
        low, high = self.axis_scaling
        if not 0 < low <= high < math.inf:
            raise ValueError(f"axis_scaling must be 0 < low <= high, got {low:g} {high:g}")


@dataclass(frozen=True)
class Batch:
    """Augmented shapes in the canonical frame with labelled queries; 1 is inside."""

    surface: Float[Tensor, "b n 3"]
    volume: Float[Tensor, "b v 3"]
    volume_labels: Float[Tensor, "b v"]
    near: Float[Tensor, "b w 3"]
    near_labels: Float[Tensor, "b w"]
    category: Int64[Tensor, "b"]  # -1 where the shape has none of the model's categories


@dataclass(frozen=True)
class HeldPoints:
    """One field of all shapes, in memory on the device that batches are made on."""

    values: Shaped[Tensor, "shapes points *axes"]

    @property
    def count(self) -> int:
        """Points of one shape."""
        return self.values.shape[1]

    def gather(
        self, rows: Int64[Tensor, "b"], columns: Int64[Tensor, "b n"]
    ) -> Float[Tensor, "b n *axes"]:
        """The points at `columns`, one row of them for each of the shapes at `rows`."""
        return self.values[rows.unsqueeze(1), columns].float()

    def whole(self, rows: Int64[Tensor, "b"]) -> Float[Tensor, "b points *axes"]:
        """All points of the shapes at `rows`."""
        return self.values[rows].float()


@dataclass(frozen=True)
class MappedPoints:
    """One field of all shapes, left on disk: shards mapped into memory, read where touched."""

    shards: tuple[Shaped[Tensor, "_ points *axes"], ...]
    starts: Int64[np.ndarray, " shards"]  # the first row of each shard

    @property
    def count(self) -> int:
        """Points of one shape."""
        return self.shards[0].shape[1]

    def gather(
        self, rows: Int64[Tensor, "b"], columns: Int64[Tensor, "b n"]
    ) -> Float[Tensor, "b n *axes"]:
        """As `HeldPoints.gather`: only the pages that hold these points are read."""
        pairs = zip(self._shapes(rows), columns.cpu(), strict=True)
        return torch.stack([shape[index] for shape, index in pairs]).to(rows.device).float()

    def whole(self, rows: Int64[Tensor, "b"]) -> Float[Tensor, "b points *axes"]:
        """As `HeldPoints.whole`."""
        return torch.stack(self._shapes(rows)).to(rows.device).float()

    def _shapes(self, rows: Int64[Tensor, "b"]) -> list[Shaped[Tensor, "points *axes"]]:
        index = rows.cpu().numpy()
        shards = np.searchsorted(self.starts, index, side="right") - 1
        local = index - self.starts[shards]
        return [
            self.shards[shard][row]
            for shard, row in zip(shards.tolist(), local.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class TrainingShapes:
    """Labelled shapes to draw batches from at random.

    The fields are those of `ShapeSample`; where they are kept changes nothing in what is drawn.
    """

    surface: HeldPoints | MappedPoints
    inside: HeldPoints | MappedPoints
    outside: HeldPoints | MappedPoints
    near: HeldPoints | MappedPoints
    near_occupied: HeldPoints | MappedPoints
    category: Int64[Tensor, "shapes"]  # index among the model's categories, or -1

    @classmethod
    def held(
        cls, arrays: ShapeArrays, device: torch.device, categories: Sequence[str]
    ) -> TrainingShapes:
        """Shapes in memory on the device, which sees only the model's `categories`."""
        fields = {
            field: HeldPoints(torch.from_numpy(getattr(arrays, field)).to(device))
            for field in FIELDS
        }
        return cls(**fields, category=_indices(arrays.categories, categories, device))

    @classmethod
    def mapped(
        cls, files: Sequence[Path], device: torch.device, categories: Sequence[str]
    ) -> TrainingShapes:
        """Shapes of shards that stay on disk; batches are made on the device.

        Raises:
            ShardError: a file is no shard, or the shards differ in their numbers of points.
        """
        headers = read_headers(files)
        starts = np.cumsum([0, *(len(header.names) for header in headers[:-1])], dtype=np.int64)
        shards: dict[str, list[Tensor]] = {field: [] for field in FIELDS}
        for file in files:
            # With torch, safetensors maps the file and reads nothing yet.
            with safe_open(file, framework="pt") as tensors:
                for field in FIELDS:
                    shards[field].append(tensors.get_tensor(field))
        names = [category for header in headers for category in header.categories]
        return cls(
            **{field: MappedPoints(tuple(parts), starts) for field, parts in shards.items()},
            category=_indices(names, categories, device),
        )

    def __len__(self) -> int:
        return len(self.category)

    @property
    def device(self) -> torch.device:
        """Where batches are made; the generator of a draw must be there too."""
        return self.category.device

    def draw(self, config: BatchConfig, generator: torch.Generator) -> Batch:
        """One augmented batch, shapes chosen uniformly, fresh points and queries each time.

        Axis scaling and rotation are one linear map (appendix B). The shape is moved and scaled
        into the unit sphere after both, by its bounding box as it then lies: what is done with any
        mesh that is to be encoded. (The paper normalises it before it rotates it.)
        """
        rows = torch.randint(len(self), (config.shapes,), generator=generator, device=self.device)
        half = config.volume_queries // 2

        def columns(source: HeldPoints | MappedPoints, count: int) -> Int64[Tensor, "b n"]:
            size = (config.shapes, count)
            return torch.randint(source.count, size, generator=generator, device=self.device)

        surface = self.surface.gather(rows, columns(self.surface, config.surface_points))
        inside = self.inside.gather(rows, columns(self.inside, half))
        outside = self.outside.gather(rows, columns(self.outside, config.volume_queries - half))
        nearby = columns(self.near, config.near_queries)
        near = self.near.gather(rows, nearby)
        transform = _random_affine(config, generator, self.device)
        whole = self.surface.whole(rows) @ transform
        center = (whole.amin(1, keepdim=True) + whole.amax(1, keepdim=True)) / 2
        scale = 1 / (whole - center).norm(dim=-1).amax(1)[:, None, None]
        surface, inside, outside, near = (
            (points @ transform - center) * scale for points in (surface, inside, outside, near)
        )
        volume = torch.cat([inside, outside], dim=1)
        labels = torch.zeros(volume.shape[:2], device=self.device)
        labels[:, :half] = 1
        return Batch(
            surface=surface,
            volume=volume,
            volume_labels=labels,
            near=near,
            near_labels=self.near_occupied.gather(rows, nearby),
            category=self.category[rows],
        )


def load_shapes(
    folders: Sequence[Path],
    device: torch.device,
    categories: Sequence[str],
    *,
    on_disk: bool = False,
) -> TrainingShapes:
    """The shapes of all shards in the folders, to be drawn from on the device.

    Args:
        folders: of shards that agree in their numbers of points.
        device: where batches are made.
        categories: the names that the model knows, in the order of its conditions; a shape that
            has none of them is unlabelled in the batches (-1).
        on_disk: leave the points on disk and read only those drawn, for more shapes than memory
            holds; the batches are the same, bit for bit.

    Raises:
        ShardError: a folder holds no shard, or they do not go together.
    """
    files = [file for folder in folders for file in shard_files(folder)]
    if on_disk:
        return TrainingShapes.mapped(files, device, categories)
    return TrainingShapes.held(read_shards(files), device, categories)


def random_rotations(
    count: int, generator: torch.Generator, device: torch.device
) -> Float[Tensor, "b 3 3"]:
    """Rotations drawn uniformly over SO(3), from normalised Gaussian quaternions.

    The paper writes them as R(yaw, pitch, roll) (Eq. 13) and leaves open how the angles are drawn.
    Every rotation is such a product; but three uniform angles would crowd those with a pitch near
    a right angle, where yaw and roll turn about the same axis. The uniform distribution is the one
    that prefers no pose, of the shape as it was given or of any other.
    """
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


def _indices(
    names: Sequence[str | None], categories: Sequence[str], device: torch.device
) -> Int64[Tensor, "shapes"]:
    """The place of each name in `categories`, -1 where it has none."""
    places = {category: place for place, category in enumerate(categories)}
    return torch.tensor(
        [-1 if name is None else places.get(name, -1) for name in names],
        dtype=torch.int64,
        device=device,
    )
