"""Sampling latents: what precision, compilation, batches of guidance and kept conditions bring."""

from __future__ import annotations

import copy
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import numpy as np
import torch

from benchmarks.comparison import COMPARISON, Bench, Table, seconds, times
from benchmarks.growth import evaluation
from benchmarks.machine import floating_operations, matmul_peak
from model.diffusion.cascade import Cascade
from model.evaluation.metrics import nearest_distances
from model.grid import HALF_EXTENT
from model.latents import Latents
from model.training.compiling import compile_modules

SUBJECTS = (("chair", 1), ("table", 2), ("airplane", 3))


def tables(bench: Bench) -> Iterator[Table]:
    yield floor(bench)
    yield precision(bench)
    yield deviation(bench)
    yield compilation(bench)
    yield Table("Sampling: guidance and conditions", COMPARISON, one_evaluation(bench))


def sample(
    bench: Bench,
    subject: tuple[str, int] = SUBJECTS[0],
    *,
    reduced: bool = False,
    cascade: Cascade | None = None,
    on_step: Callable[[int, float], None] = lambda _level, _fraction: None,
) -> Latents:
    """A shape by the model's defaults, in float32, or under autocast in bfloat16."""
    cascade = cascade or bench.pipeline.cascade
    assert cascade is not None
    info, (category, seed) = bench.pipeline.info, subject
    index = torch.tensor([info.categories.index(category)], device=bench.device)
    defaults = info.defaults
    with torch.autocast(bench.device.type, torch.bfloat16, enabled=reduced):
        latents = cascade.sample(
            [seed],
            index,
            steps=bench.pick(defaults.steps, 2),
            guidance=defaults.guidance,
            guidance_level=defaults.guidance_level,
            solver=defaults.solver,
            on_step=on_step,
        )
    return Latents(tuple(level.float() for level in latents.levels))


def by_level(bench: Bench, reductions: Sequence[bool]) -> list[dict[int, float]]:
    """Median seconds of each level of a sample, by the paper's number: reduced in turn or not."""
    runs: list[list[dict[int, float]]] = [[] for _ in reductions]
    for repeat in range(1 + bench.pick(3, 1)):
        for reduced, measured in zip(reductions, runs, strict=True):
            spent = _levels_once(bench, reduced=reduced)
            if repeat:
                measured.append(spent)
    return [
        {level: statistics.median(run[level] for run in measured) for level in measured[0]}
        for measured in runs
    ]


def _levels_once(bench: Bench, *, reduced: bool) -> dict[int, float]:
    spent: dict[int, float] = {}
    last = bench.now()

    def on_step(level: int, _: float) -> None:
        nonlocal last
        now = bench.now()
        spent[level] = spent.get(level, 0.0) + now - last
        last = now

    sample(bench, reduced=reduced, on_step=on_step)
    return spent


def floor(bench: Bench) -> Table:
    """The least time of a sample, if all of it were matrix products at the device's peak."""
    work = floating_operations(lambda: sample(bench))
    rows = []
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        best = matmul_peak(bench, dtype)
        reduced = dtype == torch.bfloat16
        call = {"": lambda reduced=reduced: sample(bench, reduced=reduced)}
        spent = bench.in_turn(call, repeats=3)[""]
        share = f"{100 * work / best / spent:.0f} %"
        rows.append(
            [name, f"{work / 1e9:.1f}", f"{best / 1e9:,.0f} GFLOP/s", seconds(work / best),
             seconds(spent), share]
        )  # fmt: skip
    head = ["precision", "GFLOP a sample", "measured peak", "floor", "measured", "of peak"]
    note = "Peak: a square matrix product; float32 at torch's own precision."
    return Table("Sampling: the floor", head, rows, note)


def precision(bench: Bench) -> Table:
    """float32 against bfloat16, level by level."""
    slow, fast = by_level(bench, [False, True])
    rows = [
        [f"level {level}", seconds(slow[level]), seconds(fast[level]),
         times(slow[level] / fast[level])]
        for level in slow
    ]  # fmt: skip
    whole, reduced = sum(slow.values()), sum(fast.values())
    rows.append(["whole", seconds(whole), seconds(reduced), times(whole / reduced)])
    rows.append(_matmul_precisions(bench))
    return Table("Sampling: precision", ["what", "float32", "faster", "ratio"], rows)


def _matmul_precisions(bench: Bench) -> list[str]:
    """Matrix products of lower precision, which torch can be told to use, against its default."""
    pipelines = torch.get_float32_matmul_precision()

    def at(precision: str) -> Callable[[], object]:
        def call() -> None:
            torch.set_float32_matmul_precision(precision)
            sample(bench)

        return call

    try:
        spent = bench.in_turn({name: at(name) for name in ("highest", "medium")}, repeats=3)
    finally:
        torch.set_float32_matmul_precision(pipelines)
    slow, fast = spent.values()
    what = "whole, float32 products 'highest' against 'medium'"
    return [what, seconds(slow), seconds(fast), times(slow / fast)]


def deviation(bench: Bench) -> Table:
    """How far bfloat16 moves latents and meshes, from what float32 gives."""
    resolution = bench.pick(128, 16)
    rows = []
    for subject in SUBJECTS[: bench.pick(3, 1)]:
        exact, other = sample(bench, subject), sample(bench, subject, reduced=True)
        apart = [
            f"{(a - b).square().mean().sqrt().item():.3f}"
            for a, b in zip(exact.levels, other.levels, strict=True)
        ]
        moved = voxels_moved(bench, exact, other, resolution)
        rows.append([f"{subject[0]}, seed {subject[1]}", " / ".join(apart), *moved])
    return Table(
        "Sampling: what bfloat16 moves",
        ["shape", "latents, coarse to fine", "vertices: median", "99 %", "most"],
        rows,
        "Latents: root mean square (their own is 1). Vertices: distance to the nearest of the "
        f"other mesh's, both ways, in voxels at {resolution}.",
    )


def voxels_moved(bench: Bench, one: Latents, other: Latents, resolution: int) -> list[str]:
    """Median, 99th percentile and greatest of the distances of two meshes' vertices."""
    first, second = (
        np.asarray(bench.pipeline.meshes(latents, resolution=resolution)[0].vertices)
        for latents in (one, other)
    )
    if not (len(first) and len(second)):
        return ["no surface"] * 3
    distances = np.concatenate([nearest_distances(first, second), nearest_distances(second, first)])
    voxel = 2 * HALF_EXTENT / resolution
    return [f"{value:.2f}" for value in np.quantile(distances, (0.5, 0.99, 1)) / voxel]


def compilation(bench: Bench) -> Table:
    """torch.compile against none, and what it takes before the first sample."""
    title, head = "Sampling: torch.compile", ("precision", "without", "with", "ratio", "compiling")
    if bench.quick or not (bench.device.type == "cuda" or shutil.which("c++")):
        why = "not measured: " + ("a quick run" if bench.quick else "no compiler")
        return Table(title, head, [["float32", why, "", "", ""]])
    compiled = copy.deepcopy(bench.pipeline.cascade)
    assert compiled is not None
    compile_modules(compiled)
    with (
        tempfile.TemporaryDirectory() as empty,
        mock.patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=empty),
        torch._inductor.config.patch(compile_threads=1, force_disable_caches=True),  # noqa: SLF001
    ):
        began = _with_children()
        sample(bench, cascade=compiled)
        compiling = _with_children() - began
    spent = bench.in_turn(
        {"without": lambda: sample(bench), "with": lambda: sample(bench, cascade=compiled)},
        repeats=3,
    )
    without, with_ = spent.values()
    row = ["float32", seconds(without), seconds(with_), times(without / with_), seconds(compiling)]
    note = "Compiling: the first sample of a process, its compiler's CPU time with it."
    return Table(title, head, [row], note)


def _with_children() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def one_evaluation(bench: Bench) -> list[list[str]]:
    """Guidance as two evaluations or a batch of two; conditions made anew or kept."""
    cascade = bench.pipeline.cascade
    assert cascade is not None
    rows = []
    for index in range(len(cascade.levels)):
        level = f"level {len(cascade.levels) - index}"
        alone, pair = evaluation(bench, index, 1), evaluation(bench, index, 2)
        anew = evaluation(bench, index, 1, conditioned=False)

        def twice(alone: Callable[[], object] = alone) -> None:
            alone()
            alone()

        rows += [
            bench.compare(
                f"{level}, guided", {"two evaluations": twice, "a batch of two": pair}, repeats=21
            ),
            bench.compare(f"{level}, conditions", {"anew": anew, "kept": alone}, repeats=21),
        ]
    return rows
