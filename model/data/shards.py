"""The training record of one shape, and the safetensors files ("shards") that hold many.

A shard stacks the fields of up to `SHAPES_PER_SHARD` shapes along a leading axis; its metadata
hold their names and categories as JSON, in one entry, as safetensors writes several in any order
and the same shapes are to give the same bytes. Coordinates are float16 in the canonical frame (unit
sphere, paper appendix B); labels belong to the *rounded* coordinates, so a reader never sees a
point on the other side of the surface from its label.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FORMAT = "lagem-shard-2"
SHAPES_PER_SHARD = 256
VOLUME_RADIUS = 3.0**0.5  # of the ball of volume points; paper, appendix A.1
NEAR_SCALES = (0.005, 0.05)  # standard deviations of the jitter; paper, appendix A.2

FIELDS = ("surface", "inside", "outside", "near", "near_occupied")
"""The arrays of a shard, each with a leading axis of shapes."""

_ENTRY = "shard"  # of the file's metadata


class ShardError(ValueError):
    """A file that is not a shard of this format, or shapes that cannot share one."""


@dataclass(frozen=True, slots=True)
class PointCounts:
    """How many points of each kind a shape is given; the paper's are in `docs/training.md`."""

    surface: int = 4096
    volume: int = 4096  # half inside, half outside (appendix D)
    near: int = 4096  # half at each of `NEAR_SCALES` (appendix A.2)

    def __post_init__(self) -> None:
        if self.surface < 1:
            raise ValueError(f"a shape needs at least one surface point, got {self.surface}")
        for kind in ("volume", "near"):
            count = getattr(self, kind)
            if count < 2 or count % 2:
                raise ValueError(
                    f"{kind} points come in two halves: give an even number, not {count}"
                )

    def __str__(self) -> str:
        return f"{self.surface} surface, {self.volume} volume and {self.near} near points"


DEFAULT_POINTS = PointCounts()


@dataclass(frozen=True, slots=True)
class ShapeSample:
    """Labelled points of one shape, canonical frame.

    `surface` lies on the shape, `inside` and `outside` are uniform in the solid and in the rest of
    the ball of radius sqrt(3) (paper appendix A.1, D); `near` is the jittered surface (appendix
    A.2) with occupancy `near_occupied` (1 inside). `category` is a name, None where there is none.
    `name` says where the shape came from: a file name, or "chair:7".
    """

    surface: Float16[np.ndarray, "surface 3"]
    inside: Float16[np.ndarray, "inside 3"]
    outside: Float16[np.ndarray, "outside 3"]
    near: Float16[np.ndarray, "near 3"]
    near_occupied: UInt8[np.ndarray, " near"]
    category: str | None
    name: str


@dataclass(frozen=True, slots=True)
class ShapeArrays:
    """The samples of many shapes in memory; the fields of `ShapeSample` with a shape axis first."""

    surface: Float16[np.ndarray, "shapes surface 3"]
    inside: Float16[np.ndarray, "shapes inside 3"]
    outside: Float16[np.ndarray, "shapes outside 3"]
    near: Float16[np.ndarray, "shapes near 3"]
    near_occupied: UInt8[np.ndarray, "shapes near"]
    categories: tuple[str | None, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard says of its shapes before any point is read."""

    names: tuple[str, ...]
    categories: tuple[str | None, ...]
    points: PointCounts


def write_shard(path: Path | str, samples: Sequence[ShapeSample], *, source: str) -> None:
    """Write `samples` to the shard `path`; the file appears whole or not at all.

    `source` says in words what made them. Raises `ShardError` when there is no sample, or when
    the samples differ in their numbers of points.
    """
    if not samples:
        raise ShardError(f"{path}: a shard needs at least one shape")
    arrays: dict[str, np.ndarray] = {}
    for field in FIELDS:
        rows = [getattr(sample, field) for sample in samples]
        if len({row.shape for row in rows}) > 1:
            raise ShardError(f"{path}: the shapes of a shard must agree in the size of '{field}'")
        arrays[field] = np.stack(rows)
    description = {
        "format": FORMAT,
        "source": source,
        "names": [sample.name for sample in samples],
        "categories": [sample.category for sample in samples],
    }
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        save_file(arrays, temporary, metadata={_ENTRY: json.dumps(description)})
        temporary.chmod(0o644)  # save_file lets its owner alone read
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_header(path: Path | str) -> ShardHeader:
    """Read what a shard holds without its points.

    Raises:
        ShardError: the file is no shard, or one of another version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            description = json.loads(metadata.get(_ENTRY, "{}")) or metadata
            found = description.get("format", "none")
            if found != FORMAT:
                raise ShardError(
                    f"{path}: shard format '{found}', this version reads '{FORMAT}': "
                    "make the shards again with `lagem data`"
                )
            sizes = {field: file.get_slice(field).get_shape()[1] for field in FIELDS}
    except SafetensorError as error:
        raise ShardError(f"{path}: no shard ({error}): make it again with `lagem data`") from error
    return ShardHeader(
        names=tuple(description["names"]),
        categories=tuple(description["categories"]),
        points=PointCounts(sizes["surface"], sizes["inside"] + sizes["outside"], sizes["near"]),
    )


def read_headers(files: Sequence[Path]) -> list[ShardHeader]:
    """The headers of shards that are to be used together.

    Raises:
        ShardError: a file is no shard, or the shards differ in their numbers of points.
    """
    headers = [read_header(file) for file in files]
    for file, header in zip(files, headers, strict=True):
        if header.points != headers[0].points:
            raise ShardError(
                f"{file} holds {header.points} a shape, {files[0]} {headers[0].points}: "
                "use shards of the same counts together"
            )
    return headers


def read_shards(source: Path | str | Iterable[Path | str]) -> ShapeArrays:
    """Read all shapes of a folder's shards (in order of file name), or of the files given.

    The arrays are allocated once, so reading needs little more memory than the result. Raises
    `ShardError` when there is no shard, a file has another format, or numbers of points differ.
    """
    files = shard_files(source)
    headers = read_headers(files)
    total = sum(len(header.names) for header in headers)
    arrays: dict[str, np.ndarray] = {}
    start = 0
    for file, header in zip(files, headers, strict=True):
        stop = start + len(header.names)
        with safe_open(file, framework="numpy") as tensors:
            for field in FIELDS:
                block = tensors.get_tensor(field)
                if field not in arrays:
                    arrays[field] = np.empty((total, *block.shape[1:]), dtype=block.dtype)
                arrays[field][start:stop] = block
        start = stop
    return ShapeArrays(
        **arrays,
        categories=tuple(category for header in headers for category in header.categories),
        names=tuple(name for header in headers for name in header.names),
    )


def shard_files(source: Path | str | Iterable[Path | str]) -> list[Path]:
    """The shards of a folder in order of file name, or of the files given.

    Raises:
        ShardError: there is none.
    """
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
