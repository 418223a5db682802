"""Procedural shapes -> training shards, labelled by their exact signed distance."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor
from tqdm import tqdm

from model.config import CATEGORIES
from model.data import procedural
from model.data.procedural import jumble
from model.data.procedural.solids import Solids
from model.data.shards import (
    DEFAULT_POINTS,
    NEAR_SCALES,
    SHAPES_PER_SHARD,
    VOLUME_RADIUS,
    PointCounts,
    ShapeSample,
    ShardError,
    read_header,
    write_shard,
)
from model.device import resolve_device

Split = Literal["train", "test"]

JUMBLE = "jumble"
SHAPES_PER_SEED = 1_000_000
TEST_SEEDS = 1 << 48  # shape seeds of the train split lie below, those of the test split from here


def synthesize(
    out: Path | str,
    *,
    per_category: int,
    jumbles: int = 0,
    seed: int,
    split: Split = "train",
    points: PointCounts = DEFAULT_POINTS,
    device: str = "cpu",
    batch: int = 1,
    workers: int = 1,
) -> int:
    """Write shards of `per_category` shapes of each category and `jumbles` unlabelled ones.

    Categories take turns, so that each shard is balanced. Shapes are named "chair:<shape seed>";
    splits and values of `seed` never share a shape seed, so calls with different ones add up in
    one folder. Shards that exist are kept. The same arguments give the same files, whatever the
    number of `workers`, processes that share the shards. Returns the number of shapes written.

    Raises:
        ShardError: a shard to be kept has other numbers of points, or an older format.
    """
    names = shape_names(per_category=per_category, jumbles=jumbles, seed=seed, split=split)
    device = str(resolve_device(device))
    plan: list[tuple[Path, list[str]]] = []
    for index, start in enumerate(range(0, len(names), SHAPES_PER_SHARD)):
        members = names[start : start + SHAPES_PER_SHARD]
        path = Path(out) / f"procedural-{split}-{seed}-{index:05d}.safetensors"
        if not _finished(path, members, points):
            plan.append((path, members))
    make = partial(
        _write, points=points, device=device, batch=batch, source=f"procedural:{split}:{seed}"
    )
    missing = sum(len(members) for _, members in plan)
    with tqdm(total=missing, unit="shape", disable=not sys.stderr.isatty()) as progress:
        for count in _made(make, plan, workers):
            progress.update(count)
    return missing


def _made(
    make: Callable[[Path, list[str]], int], plan: Sequence[tuple[Path, list[str]]], workers: int
) -> Iterator[int]:
    """The numbers of shapes of shards as they are written, by so many processes."""
    if workers == 1 or len(plan) < 2:
        yield from (make(*shard) for shard in plan)
        return
    # A process that was forked would hang in torch's threads, and cannot use a GPU.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker)
    try:
        for done in as_completed([pool.submit(make, *shard) for shard in plan]):
            yield done.result()
    finally:  # also of Ctrl-C, and of a shard that failed: no other one is begun
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """One thread; Ctrl-C is the first process's to answer, and no worker outlives that."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write(
    path: Path, members: list[str], *, points: PointCounts, device: str, batch: int, source: str
) -> int:
    """Write one shard; returns its number of shapes."""
    samples: list[ShapeSample] = []
    with _exact_products():
        for first in range(0, len(members), batch):
            samples += sample_shapes(members[first : first + batch], points, device=device)
    write_shard(path, samples, source=source)
    return len(samples)


@contextmanager
def _exact_products() -> Iterator[None]:
    """Matrix products in float32 within the block, whatever a model loaded before has set.

    Points on a surface are told by distances of 5e-6; TF32 and bfloat16 are good for 1e-3.
    """
    former = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(former)


def _finished(path: Path, names: Sequence[str], points: PointCounts) -> bool:
    """Whether `path` holds these shapes already."""
    if not path.exists():
        return False
    header = read_header(path)
    if header.points != points:
        raise ShardError(
            f"{path} holds {header.points} a shape, not {points}: "
            "give the same, or choose another folder"
        )
    if header.names != tuple(names[: len(header.names)]):
        raise ShardError(
            f"{path} holds other shapes than are asked for: choose another seed or folder, or at "
            "least as many shapes as before"
        )
    return len(header.names) == len(names)


def shape_names(*, per_category: int, jumbles: int, seed: int, split: Split) -> list[str]:
    """Names of the shapes of one call of `synthesize`, in order."""
    if split not in ("train", "test"):
        raise ValueError(f"split '{split}' is unknown: choose 'train' or 'test'")
    if not 0 <= seed < TEST_SEEDS // SHAPES_PER_SEED:
        raise ValueError(f"seed {seed} is out of range: 0 to {TEST_SEEDS // SHAPES_PER_SEED - 1}")
    if not 0 <= max(per_category, jumbles) <= SHAPES_PER_SEED:
        raise ValueError(f"at most {SHAPES_PER_SEED} shapes a category; use another seed for more")
    first = seed * SHAPES_PER_SEED + (TEST_SEEDS if split == "test" else 0)
    names: list[str] = []
    for index in range(max(per_category, jumbles)):
        names += [f"{category}:{first + index}" for category in CATEGORIES if index < per_category]
        names += [f"{JUMBLE}:{first + index}"] * (index < jumbles)
    return names


def sample_shapes(
    names: Sequence[str], points: PointCounts = DEFAULT_POINTS, *, device: str = "cpu"
) -> list[ShapeSample]:
    """Build the named shapes as one batch, sample and label them.

    The random points depend on the whole batch and the kind of device; the shapes do not.
    """
    solids = Solids.stack([_build(name) for name in names]).to(device)
    generator = Generator(device).manual_seed(int(names[0].partition(":")[2]))
    pool = solids.sample_surface(points.surface + points.near, generator)
    near = _near(pool[:, points.surface :], generator)
    arrays = {
        "surface": _rounded(pool[:, : points.surface]),
        "inside": _inside(solids, points.volume // 2, generator),
        "outside": _outside(solids, points.volume // 2, generator),
        "near": near,
        "near_occupied": solids.occupied(near),
    }
    columns = {field: array.cpu().numpy() for field, array in arrays.items()}
    return [
        ShapeSample(
            surface=columns["surface"][row].astype(np.float16),
            inside=columns["inside"][row].astype(np.float16),
            outside=columns["outside"][row].astype(np.float16),
            near=columns["near"][row].astype(np.float16),
            near_occupied=columns["near_occupied"][row].astype(np.uint8),
            category=_category(name),
            name=name,
        )
        for row, name in enumerate(names)
    ]


def _build(name: str) -> Solids:
    category, _, seed = name.partition(":")
    if category == JUMBLE:
        return jumble.build(np.random.default_rng(int(seed)))
    return procedural.build(category, int(seed))


def _category(name: str) -> str | None:
    category = name.partition(":")[0]
    return None if category == JUMBLE else category


def _rounded(points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """The float32 values that the float16 file will hold: labels belong to these."""
    return points.to(torch.float16).to(torch.float32)


def _near(surface: Float[Tensor, "b n 3"], generator: Generator) -> Float[Tensor, "b n 3"]:
    """The surface points jittered, one half at each of `NEAR_SCALES` (paper, appendix A.2)."""
    fine, coarse = NEAR_SCALES
    noise = torch.randn(surface.shape, generator=generator, device=surface.device)
    half = surface.shape[1] // 2
    return _rounded(surface + torch.cat([fine * noise[:, :half], coarse * noise[:, half:]], dim=1))


def _inside(solids: Solids, count: int, generator: Generator) -> Float[Tensor, "b n 3"]:
    """Points uniform in the solid; a few more are drawn, as rounding takes some out of it."""
    points = _rounded(solids.sample_inside(count + count // 4, generator))
    return _first(points, solids.occupied(points), count)


def _outside(solids: Solids, count: int, generator: Generator) -> Float[Tensor, "b n 3"]:
    """Points uniform in the ball of radius sqrt(3) less the shape (paper, appendix A.1).

    The unit sphere that holds the shape fills under a fifth of that ball: 3/2 draws are plenty.
    """
    shape, device = (len(solids), count + count // 2), solids.rounding.device
    direction = torch.randn((*shape, 3), generator=generator, device=device)
    radius = VOLUME_RADIUS * torch.rand((*shape, 1), generator=generator, device=device) ** (1 / 3)
    points = _rounded(direction / direction.norm(dim=-1, keepdim=True) * radius)
    return _first(points, ~solids.occupied(points), count)


def _first(
    points: Float[Tensor, "b n 3"], accepted: Bool[Tensor, "b n"], count: int
) -> Float[Tensor, "b k 3"]:
    """Each row's first `count` accepted points."""
    fewest = int(accepted.sum(dim=1).min())
    if fewest < count:
        raise RuntimeError(f"a shape has only {fewest} of {count} volume points")
    order = accepted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    return points.gather(1, order[:, :count, None].expand(-1, -1, 3))
