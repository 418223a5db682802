"""Folders of meshes -> training shards.

Each mesh is labelled in a process pool with a time limit: a file that hangs, crashes its process
or is no solid is skipped with its reason, and never stops the run. Finished shards are kept, so
that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import trimesh
from pebble import ProcessExpired, ProcessPool
from tqdm import tqdm

from model.config import CATEGORIES
from model.data.labelling import UnusableMeshError, label_mesh
from model.data.shards import SHAPES_PER_SHARD, UNLABELLED, ShapeSample, write_shard
from model.geometry.mesh import MeshError, load_mesh

MESH_SUFFIXES = frozenset({".glb", ".gltf", ".obj", ".off", ".ply", ".stl"})
REPORT_NAME = "report.json"

_MESHES_PER_PROCESS = 512  # a fresh process then bounds what a leaking parser can hold


@dataclass(slots=True)
class ShardReport:
    """What became of the files of one shard; `inputs` is the digest of what it was made from."""

    inputs: str
    prepared: int
    skipped: dict[str, str]


@dataclass(slots=True)
class PrepareReport:
    """What became of every file; saved beside the shards as `report.json`.

    `duplicates` names, for each file left out as a copy, the file with the same bytes.
    """

    seed: int
    shards: dict[str, ShardReport] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def prepared(self) -> int:
        """Number of meshes in the shards."""
        return sum(shard.prepared for shard in self.shards.values())

    @property
    def skipped(self) -> dict[str, str]:
        """Reason by file name, of each file that was tried and is not in the shards."""
        return {name: why for shard in self.shards.values() for name, why in shard.skipped.items()}

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        counts = {"prepared": self.prepared, "skipped": len(self.skipped)}
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(counts | asdict(self), indent=1) + "\n")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path, seed: int) -> PrepareReport:
        """Read what `save` wrote; an empty report where there is no file.

        Raises `ValueError` when that was made with another seed: its order of files differs.
        """
        if not path.exists():
            return cls(seed)
        saved = json.loads(path.read_text())
        if saved["seed"] != seed:
            raise ValueError(
                f"{path.parent} holds shards made with seed {saved['seed']}, not {seed}: "
                "use that seed, or another folder"
            )
        shards = {name: ShardReport(**shard) for name, shard in saved["shards"].items()}
        return cls(seed, shards, saved["duplicates"], saved["seconds"])


@dataclass(frozen=True, slots=True)
class MeshFile:
    """One input: its name relative to the folder, its category (index or -1), its own seed."""

    name: str
    category: int
    seed: int


def prepare_meshes(
    folder: Path | str,
    out: Path | str,
    *,
    seed: int,
    workers: int = 1,
    limit: int | None = None,
    labels: Path | str | None = None,
    timeout: float = 30.0,
) -> PrepareReport:
    """Label the meshes under `folder` and write them as shards into the folder `out`.

    Files come in an order shuffled by `seed`, those with a category first; `limit` keeps the first
    so many. The category is the name of a mesh's sub-folder where it is one of `CATEGORIES`, or
    what the CSV file `labels` (columns `file`, `category`) says. Of files with the same bytes one
    is taken. A mesh that takes more than `timeout` seconds is skipped. A later call with the same
    `seed` makes only the shards that are missing, so that it can resume or go further.
    """
    source, target = Path(folder), Path(out)
    target.mkdir(parents=True, exist_ok=True)
    report = PrepareReport.load(target / REPORT_NAME, seed)
    files, report.duplicates = _inventory(source, _read_labels(labels), seed)
    plan = _unfinished(files[:limit], report, target)
    todo = [file for members in plan.values() for file in members]
    label = partial(_label_file, source)
    started = time.monotonic() - report.seconds
    with tqdm(total=len(todo), unit="mesh", disable=not sys.stderr.isatty()) as progress:
        results = outcomes(label, todo, workers=workers, timeout=timeout)
        for shard, members in plan.items():
            done = ShardReport(_digest(members), 0, {})
            samples: list[ShapeSample] = []
            for file, result in zip(members, results, strict=False):
                progress.update()
                if isinstance(result, str):
                    done.skipped[file.name] = result
                else:
                    samples.append(result)
            if samples:
                write_shard(_shard_path(target, shard), samples, source=f"meshes:{source.name}")
            done.prepared = len(samples)
            report.shards[shard] = done
            report.seconds = time.monotonic() - started
            report.save(target / REPORT_NAME)
    report.save(target / REPORT_NAME)
    return report


def _unfinished(
    files: Sequence[MeshFile], report: PrepareReport, target: Path
) -> dict[str, Sequence[MeshFile]]:
    """The shards still to make, with their files."""
    plan: dict[str, Sequence[MeshFile]] = {}
    for index, start in enumerate(range(0, len(files), SHAPES_PER_SHARD)):
        shard, members = f"meshes-{index:05d}", files[start : start + SHAPES_PER_SHARD]
        done = report.shards.get(shard)
        written = done and (not done.prepared or _shard_path(target, shard).exists())
        if not (done and written and done.inputs == _digest(members)):
            plan[shard] = members
    return plan


def _shard_path(target: Path, shard: str) -> Path:
    return target / f"{shard}.safetensors"


def outcomes(
    label: Callable[[MeshFile], ShapeSample],
    files: Sequence[MeshFile],
    *,
    workers: int,
    timeout: float,
) -> Iterator[ShapeSample | str]:
    """For each file in order: its sample from `label`, or the reason why there is none.

    `label` runs in one of `workers` fresh processes, which are replaced when they hang for more
    than `timeout` seconds or crash.
    """
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=workers, max_tasks=_MESHES_PER_PROCESS, context=spawn)
    try:
        pending = deque(pool.schedule(label, args=(file,), timeout=timeout) for file in files)
        while pending:
            yield _outcome(pending.popleft(), timeout)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _outcome(future: Future[ShapeSample], timeout: float) -> ShapeSample | str:
    try:
        return future.result()
    except UnusableMeshError as error:
        return str(error)
    except TimeoutError:
        return f"timeout: not labelled in {timeout:g} s"
    except ProcessExpired as error:
        return f"crashed: the process ended with exit code {error.exitcode}"
    except Exception as error:  # noqa: BLE001 - a parser raises anything: one file, not the run
        return f"{type(error).__name__}: {error}"


def _label_file(source: Path, file: MeshFile) -> ShapeSample:
    path = source / file.name
    try:
        mesh = load_mesh(path.read_bytes(), hint=path.name)
    except MeshError as error:
        raise UnusableMeshError(f"{error.code}: {error.detail}") from None
    if not isinstance(mesh, trimesh.Trimesh):
        raise UnusableMeshError("no faces: a point cloud has no inside")
    return label_mesh(mesh, category=file.category, name=file.name, seed=file.seed)


def _inventory(
    source: Path, labels: Mapping[str, str], seed: int
) -> tuple[list[MeshFile], dict[str, str]]:
    """The files to take, in order, and the copies left out (name -> name of the first)."""
    names = sorted(
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.suffix.lower() in MESH_SUFFIXES
    )
    if not names:
        accepted = ", ".join(sorted(MESH_SUFFIXES))
        raise FileNotFoundError(f"{source}: no mesh files ({accepted}) in the folder")
    files = [
        MeshFile(name, _category(name, labels), zlib.crc32(f"{seed}:{name}".encode()))
        for name in names
    ]
    shuffled = [files[index] for index in np.random.default_rng(seed).permutation(len(files))]
    shuffled.sort(key=lambda file: file.category == UNLABELLED)
    first: dict[bytes, str] = {}
    duplicates: dict[str, str] = {}
    for file in shuffled:
        content = hashlib.sha256((source / file.name).read_bytes()).digest()
        if first.setdefault(content, file.name) != file.name:
            duplicates[file.name] = first[content]
    return [file for file in shuffled if file.name not in duplicates], duplicates


def _category(name: str, labels: Mapping[str, str]) -> int:
    category = labels.get(name) or name.partition("/")[0]
    return CATEGORIES.index(category) if category in CATEGORIES else UNLABELLED


def _read_labels(path: Path | str | None) -> dict[str, str]:
    if path is None:
        return {}
    with Path(path).open(newline="") as file:
        return {row["file"]: row["category"] for row in csv.DictReader(file)}


def _digest(files: Iterable[MeshFile]) -> str:
    content = json.dumps([asdict(file) for file in files])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
