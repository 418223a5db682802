"""The training record of one shape, and the safetensors files ("shards") that hold many.

A shard stacks the fields of up to `SHAPES_PER_SHARD` shapes along a leading axis. Coordinates are
float16 in the canonical frame (unit sphere, paper appendix B); labels belong to the *rounded*
coordinates, so a reader never sees a point on the other side of the surface from its label.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Int16, Integer, UInt8
from safetensors import safe_open
from safetensors.numpy import save_file

FORMAT = "lagem-shard-1"
SHAPES_PER_SHARD = 256
SURFACE_POINTS = 4096
VOLUME_POINTS = 2048
NEAR_POINTS = 4096
VOLUME_RADIUS = 3.0**0.5  # of the ball of volume points; paper, appendix A.1
NEAR_SCALES = (0.005, 0.05)  # standard deviations of the jitter; paper, appendix A.2

UNLABELLED = -1  # the category of a shape outside `model.config.CATEGORIES`

_ARRAYS = ("surface", "inside", "outside", "near", "near_occupied", "category")


class ShardError(ValueError):
    """A file that is not a shard of this format, or shapes that cannot share one."""


@dataclass(frozen=True, slots=True)
class ShapeSample:
    """Labelled points of one shape, canonical frame.

    `surface` lies on the shape, `inside` and `outside` are uniform in the solid and in the rest of
    the ball of radius sqrt(3) (paper appendix A.1, D); `near` is the jittered surface (appendix
    A.2) with occupancy `near_occupied` (1 inside). `category` indexes `model.config.CATEGORIES`, or
    is `UNLABELLED`. `name` says where the shape came from: a file name, or "chair:7".
    """

    surface: Float16[np.ndarray, "surface 3"]
    inside: Float16[np.ndarray, "inside 3"]
    outside: Float16[np.ndarray, "outside 3"]
    near: Float16[np.ndarray, "near 3"]
    near_occupied: UInt8[np.ndarray, " near"]
    category: int
    name: str


@dataclass(frozen=True, slots=True)
class ShapeArrays:
    """The samples of many shapes in memory; the fields of `ShapeSample` with a shape axis first."""

    surface: Float16[np.ndarray, "shapes surface 3"]
    inside: Float16[np.ndarray, "shapes inside 3"]
    outside: Float16[np.ndarray, "shapes outside 3"]
    near: Float16[np.ndarray, "shapes near 3"]
    near_occupied: UInt8[np.ndarray, "shapes near"]
    category: Int16[np.ndarray, " shapes"]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Integer[np.ndarray, " selected"] | Sequence[int]) -> ShapeArrays:
        """The shapes at `indices`, in that order (a copy)."""
        chosen = np.asarray(indices, dtype=np.int64)
        arrays = {field: getattr(self, field)[chosen] for field in _ARRAYS}
        return ShapeArrays(**arrays, names=tuple(self.names[index] for index in chosen))


def write_shard(path: Path | str, samples: Sequence[ShapeSample], *, source: str) -> None:
    """Write `samples` to the shard `path`; the file appears whole or not at all.

    `source` says in words what made them. Raises `ShardError` when there is no sample, or when
    the samples differ in their numbers of points.
    """
    if not samples:
        raise ShardError(f"{path}: a shard needs at least one shape")
    arrays: dict[str, np.ndarray] = {}
    for field in _ARRAYS[:-1]:
        rows = [getattr(sample, field) for sample in samples]
        if len({row.shape for row in rows}) > 1:
            raise ShardError(f"{path}: the shapes of a shard must agree in the size of '{field}'")
        arrays[field] = np.stack(rows)
    arrays["category"] = np.array([sample.category for sample in samples], dtype=np.int16)
    names = json.dumps([sample.name for sample in samples])
    metadata = {"format": FORMAT, "source": source, "names": names}
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        save_file(arrays, temporary, metadata=metadata)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def shard_names(path: Path | str) -> tuple[str, ...]:
    """The names of the shapes in one shard, read from its header alone."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise ShardError(f"{path}: shard format '{found}', this version reads '{FORMAT}'")
    return tuple(json.loads(metadata["names"]))


def read_shards(source: Path | str | Iterable[Path | str]) -> ShapeArrays:
    """Read all shapes of a folder's shards (in order of file name), or of the files given.

    The arrays are allocated once, so reading needs little more memory than the result. Raises
    `ShardError` when there is no shard, a file has another format, or numbers of points differ.
    """
    files = _shard_files(source)
    names = [shard_names(file) for file in files]
    total = sum(len(shard) for shard in names)
    arrays: dict[str, np.ndarray] = {}
    start = 0
    for file, shard in zip(files, names, strict=True):
        stop = start + len(shard)
        with safe_open(file, framework="numpy") as tensors:
            for field in _ARRAYS:
                block = tensors.get_tensor(field)
                if field not in arrays:
                    arrays[field] = np.empty((total, *block.shape[1:]), dtype=block.dtype)
                if block.shape[1:] != arrays[field].shape[1:]:
                    raise ShardError(f"{file}: '{field}' has another size than in {files[0]}")
                arrays[field][start:stop] = block
        start = stop
    return ShapeArrays(**arrays, names=tuple(name for shard in names for name in shard))


def _shard_files(source: Path | str | Iterable[Path | str]) -> list[Path]:
    if isinstance(source, Path | str):
        folder = Path(source)
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else [folder]
        if not files:
            raise ShardError(f"{folder}: no *.safetensors file; make some with `lagem data`")
        return files
    files = [Path(file) for file in source]
    if not files:
        raise ShardError("read_shards was given no file")
    return files
