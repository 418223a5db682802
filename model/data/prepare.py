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
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import trimesh
from pebble import ProcessExpired, ProcessPool
from tqdm import tqdm

from model.data.labelling import UnusableMeshError, label_mesh
from model.data.report import PrepareReport, ShardReport
from model.data.selection import EVERYTHING, Selection
from model.data.shards import (
    DEFAULT_POINTS,
    SHAPES_PER_SHARD,
    PointCounts,
    ShapeSample,
    write_shard,
)
from model.geometry.limits import MeshLimits
from model.geometry.mesh import MeshError, load_mesh

MESH_SUFFIXES = frozenset({".glb", ".gltf", ".obj", ".off", ".ply", ".stl"})

_LIMITS = MeshLimits(max_bytes=1 << 30)  # files hold textures too; the limits of geometry stay
_MESHES_AHEAD = 64  # a process: keeps the others busy while one mesh runs into its time limit
_MESHES_PER_PROCESS = 512  # a fresh process then bounds what a leaking parser can hold


@dataclass(frozen=True, slots=True)
class MeshFile:
    """One input: its name relative to the folder, its category if it has one, its own seed."""

    name: str
    category: str | None
    seed: int


def prepare_meshes(
    folder: Path | str,
    out: Path | str,
    *,
    seed: int,
    points: PointCounts = DEFAULT_POINTS,
    workers: int = 1,
    limit: int | None = None,
    labels: Path | str | None = None,
    timeout: float = 30.0,
    selection: Selection = EVERYTHING,
) -> PrepareReport:
    """Label the meshes under `folder` and write them as shards into the folder `out`.

    Files come in an order shuffled by `seed`, those with a category first; `limit` keeps the first
    so many of those in the `selection`. The category is the name of a mesh's sub-folder, the first
    below `folder`; where a CSV file `labels` (columns `file`, `category`) is given, it is what that
    says and nothing else. Of files with the same bytes one is taken. A mesh that takes more than
    `timeout` seconds is skipped. A later call makes only the shards that are missing, so that it
    can resume or go further.

    Raises:
        ValueError: `out` holds shards of other files, labels, points or another seed; or `labels`
            is no such table; or a pattern of the selection matches nothing.
        FileNotFoundError: `folder` holds no mesh, or none of the selection.
    """
    source, target = Path(folder), Path(out)
    files, duplicates = _inventory(source, labels, seed, selection)
    report = PrepareReport.resume(target, seed=seed, points=points, inputs=_digest(files))
    report.duplicates = duplicates
    target.mkdir(parents=True, exist_ok=True)
    for leftover in target.glob(".*.safetensors.*"):
        leftover.unlink()  # of a call that was killed while it wrote
    plan = _unfinished(files[:limit], report, target)
    todo = [file for members in plan.values() for file in members]
    label = partial(_label_file, source, points)
    started = time.monotonic() - report.seconds
    with tqdm(total=len(todo), unit="mesh", disable=not sys.stderr.isatty()) as progress:
        results = outcomes(label, todo, workers=workers, timeout=timeout)
        for shard, members in plan.items():
            done, samples = _collected(members, results, progress)
            if samples:
                write_shard(_shard_path(target, shard), samples, source=f"meshes:{source.name}")
            report.shards[shard] = done
            report.seconds = time.monotonic() - started
            report.save(target)
    report.save(target)
    return report


def _collected(
    members: Sequence[MeshFile],
    results: Iterator[ShapeSample | str],
    progress: tqdm[NoReturn],
) -> tuple[ShardReport, list[ShapeSample]]:
    """The next results, one for each of the members of a shard."""
    done = ShardReport(len(members))
    samples: list[ShapeSample] = []
    for file, result in zip(members, results, strict=False):
        progress.update()
        if isinstance(result, str):
            done.skipped[file.name] = result
            continue
        samples.append(result)
        if result.category is None:
            done.unlabelled += 1
        else:
            done.categories[result.category] = done.categories.get(result.category, 0) + 1
    return done, samples


def _unfinished(
    files: Sequence[MeshFile], report: PrepareReport, target: Path
) -> dict[str, Sequence[MeshFile]]:
    """The shards still to make, with their files."""
    plan: dict[str, Sequence[MeshFile]] = {}
    for index, start in enumerate(range(0, len(files), SHAPES_PER_SHARD)):
        shard, members = f"meshes-{index:05d}", files[start : start + SHAPES_PER_SHARD]
        done = report.shards.get(shard)
        tried = done is not None and done.files >= len(members)
        if not (done and tried and (not done.prepared or _shard_path(target, shard).exists())):
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
    than `timeout` seconds or crash. They work a bounded number of files ahead of the reader.
    """
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=workers, max_tasks=_MESHES_PER_PROCESS, context=spawn)
    pending: deque[Future[ShapeSample]] = deque()
    try:
        for file in files:
            pending.append(pool.schedule(label, args=(file,), timeout=timeout))
            if len(pending) > _MESHES_AHEAD * workers:
                yield _outcome(pending.popleft(), timeout)
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


def _label_file(source: Path, points: PointCounts, file: MeshFile) -> ShapeSample:
    path = source / file.name
    try:
        mesh = load_mesh(path.read_bytes(), hint=path.name, limits=_LIMITS)
    except MeshError as error:
        raise UnusableMeshError(f"{error.code}: {error.detail}") from None
    if not isinstance(mesh, trimesh.Trimesh):
        raise UnusableMeshError("no faces: a point cloud has no inside")
    return label_mesh(mesh, category=file.category, name=file.name, seed=file.seed, points=points)


def _inventory(
    source: Path, labels: Path | str | None, seed: int, selection: Selection
) -> tuple[list[MeshFile], dict[str, str]]:
    """The files to take, in order, and the copies left out (name -> name of the one taken)."""
    names = sorted(
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.suffix.lower() in MESH_SUFFIXES and path.is_file()
    )
    if not names:
        accepted = ", ".join(sorted(MESH_SUFFIXES))
        raise FileNotFoundError(f"{source}: no mesh files ({accepted}) in the folder")
    if unmatched := selection.unmatched(names):
        raise ValueError(f"{source}: no mesh matches --exclude {unmatched[0]}")
    categories = _folder_names(names) if labels is None else _read_labels(Path(labels), names)
    files = [
        MeshFile(name, categories.get(name), zlib.crc32(f"{seed}:{name}".encode()))
        for name in names
    ]
    shuffled = [files[index] for index in np.random.default_rng(seed).permutation(len(files))]
    shuffled.sort(key=lambda file: file.category is None)
    duplicates = _duplicates(source, [file.name for file in shuffled])
    names_of = {f.name: [f.name] for f in shuffled if f.name not in duplicates}
    for copy, name in duplicates.items():
        names_of[name].append(copy)
    taken = [f for f in shuffled if f.name in names_of and selection.takes(names_of[f.name])]
    if not taken:
        raise FileNotFoundError(f"{source}: none of {len(names)} mesh files is in the selection")
    kept = {file.name for file in taken}
    return taken, {copy: name for copy, name in duplicates.items() if name in kept}


def _folder_names(names: Sequence[str]) -> dict[str, str]:
    """The first sub-folder of each file that lies in one."""
    return {name: name.partition("/")[0] for name in names if "/" in name}


def _read_labels(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Category by file name, of the rows that give one."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if not {"file", "category"} <= set(table.fieldnames or ()):
            raise ValueError(f"{path} needs the columns 'file' and 'category' (CSV with a header)")
        rows = {row["file"]: row["category"] for row in table}
    if rows and rows.keys().isdisjoint(names):
        raise ValueError(
            f"{path} names none of the meshes: its files are to be given as '{names[0]}' is, "
            "relative to the folder"
        )
    return {name: category for name, category in rows.items() if category}


def _duplicates(source: Path, names: Sequence[str]) -> dict[str, str]:
    """Each file whose bytes an earlier one has, with the name of that one.

    Only files of the same size are read.
    """
    sizes = {name: (source / name).stat().st_size for name in names}
    shared = Counter(sizes.values())
    suspects = [name for name in names if shared[sizes[name]] > 1]
    first: dict[bytes, str] = {}
    duplicates: dict[str, str] = {}
    for name in tqdm(suspects, "compare", unit="file", delay=2, disable=not sys.stderr.isatty()):
        try:
            with (source / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            continue  # its own attempt will say why
        if first.setdefault(content, name) != name:
            duplicates[name] = first[content]
    return duplicates


def _digest(files: Sequence[MeshFile]) -> str:
    content = json.dumps([asdict(file) for file in files])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
