"""How surfaces are found and meshed: the tables of docs/decisions/0014-sparse-surface.md.

1. What tracking misses of the surfaces of decoded fields, and how often it asks, rule by rule.
2. Meshes from blocks against PyMCubes, which has the whole grid already.
3. Queries, and memory of tracking and meshing.
4. What it costs to ask every sample, as `exhaustive` does (`service.worker.batching.cost`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import mcubes
import numpy as np
import torch

from benchmarks.comparison import COMPARISON, Bench, Table, megabytes
from benchmarks.subjects import generated, many
from model.data import procedural
from model.geometry import tracking
from model.geometry.blocks import Blocks
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, HALF_EXTENT, OUTSIDE, evaluate_grid

# Cells of the coarse grid, and what counts as near zero on it and after it.
RULES = [
    (32, 0.0, 0.0),
    (32, 0.75, 0.75),
    (32, 0.9, 0.9),
    (32, 1.0, 1.0),
    (32, 1.5, 0.9),
    (64, 0.0, 0.0),
    (64, 0.9, 0.9),
]

Ask = Callable[[np.ndarray], np.ndarray]
Rule = tuple[int, float, float]


class Counted:
    """A field that counts what it is asked."""

    def __init__(self, field: Ask) -> None:
        self.field, self.queries = field, 0

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        parts = np.array_split(indices, 1 + len(indices) // 4096)  # as fields are asked
        answers = np.concatenate([self.field(part) for part in parts])
        self.queries += np.count_nonzero(answers != OUTSIDE)  # which needs no question
        return answers


def tables(bench: Bench) -> Iterator[Table]:
    yield misses(bench, bench.pick(128, 48))
    sizes = bench.pick((128, 256, 512), (40,))
    subjects = [
        (name, resolution)
        for name in ("torus", "ball", "chair:2", "rifle:3")
        for resolution in (sizes[:2] if ":" in name else sizes)
    ]
    rows = [meshing(bench, name, resolution) for name, resolution in subjects]
    yield Table("Surface: marching cubes", COMPARISON, rows)
    yield memory(bench, bench.pick((128, 256, 512, 1024), (40,)))
    yield every_sample(bench, bench.pick((64, 128, 256), (40,)))


def lookup(values: np.ndarray) -> Ask:
    """The answers of a grid that is there."""
    return lambda indices: values[tuple(indices.T)]


def crossed_edges(blocks: Blocks) -> int:
    """The mesh's vertices."""
    return sum(int(np.bitwise_count(blocks.crossings(axis)).sum()) for axis in range(3))


def misses(bench: Bench, resolution: int) -> Table:
    """Per rule: queries against dense, and vertices of the dense mesh that are not found."""
    found: dict[Rule, list[tuple[int, float]]] = {rule: [] for rule in RULES}
    for latents in many(bench):
        field = bench.pipeline.autoencoder.decode(latents)
        grid = evaluate_grid(field, resolution, lambda _: None)
        every = crossed_edges(track(lookup(grid.values), resolution, coarse=resolution))
        for coarse, first, near in RULES if every else []:
            ask = Counted(lookup(grid.values))
            with mock.patch.multiple(tracking, _NEAR_COARSE=first, _NEAR=near):
                vertices = crossed_edges(track(ask, resolution, coarse=coarse))
            found[coarse, first, near].append((ask.queries, 100 * (1 - vertices / every)))
    rows = []
    for (coarse, first, near), values in found.items():
        asked, missed = np.array(values).reshape(-1, 2).T
        ratios = (resolution + 1) ** 3 / asked
        spread = f"{ratios.min():.0f} to {ratios.max():.0f}, median {np.median(ratios):.0f}"
        missing = [f"{np.count_nonzero(missed)}", f"{missed.max():.2f} %", f"{missed.mean():.3f} %"]
        rows.append([f"{coarse}", f"{first:g}, {near:g}", f"{asked.mean():,.0f}", spread, *missing])
    return Table(
        "Surface: what tracking misses",
        ["coarse grid", "near there, after", "asked, mean", "dense / asked", "parts missing in",
         "worst", "mean"],
        rows,
        f"{len(found[RULES[0]])} decoded shapes, {resolution}^3 cells.",
    )  # fmt: skip


def analytic(name: str, resolution: int) -> Ask:
    """Signed distances, positive inside: of a torus, a ball or a parametric shape."""
    axis = np.linspace(-HALF_EXTENT, HALF_EXTENT, resolution + 1, dtype=np.float32)
    category, _, seed = name.partition(":")

    def ask(indices: np.ndarray) -> np.ndarray:
        x, y, z = axis[indices.T]
        if name == "torus":
            tube: np.ndarray = 0.2 - np.hypot(np.hypot(x, y) - 0.7, z)
            return tube
        if name == "ball":
            ball: np.ndarray = 0.9 - np.sqrt(x * x + y * y + z * z)
            return ball
        points = torch.from_numpy(np.stack([x, y, z], axis=1))
        return -shape.signed_distance(points[None])[0].numpy()

    if seed:
        shape = procedural.build(category, int(seed))
    return ask


def filled(ask: Ask, resolution: int) -> np.ndarray:
    """Signed distances at all samples: asked along the surface, elsewhere the sign alone.

    Marching cubes looks at no other values than those beside the surface.
    """
    blocks = track(ask, resolution, coarse=COARSE)
    values = np.empty((resolution + 1,) * 3, dtype=np.float32)
    indices = np.indices((1, *values.shape[1:])).reshape(3, -1).T
    for layer in values:
        logits, known = blocks.read(indices)
        layer[:] = np.where(known, logits, np.nan).reshape(layer.shape)
        indices[:, 0] += 1
    return _spread_signs(values)


def _spread_signs(values: np.ndarray) -> np.ndarray:
    """Unknown samples get the sign of the known one before them along z, outside at the start."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(values.shape[2]), -1), axis=2)
    before = np.take_along_axis(values, last.clip(0), axis=2)
    return np.where(known, values, np.where((last >= 0) & (before > 0), 1, -1)).astype(np.float32)


def meshing(bench: Bench, name: str, resolution: int) -> list[str]:
    """The mesh by PyMCubes from the whole grid, against from blocks along its surface."""
    ask = analytic(name, resolution)
    blocks = track(ask, resolution, coarse=COARSE)
    values = filled(ask, resolution)
    return bench.compare(
        f"mesh of {name}, {resolution}^3 cells, {crossed_edges(blocks):,} vertices",
        {
            "PyMCubes": lambda: mcubes.marching_cubes(values, 0.0),
            "sparse": lambda: extract_surface(blocks, lower=(0.0,) * 3, spacing=1.0),
        },
        repeats=3,
    )


def memory(bench: Bench, resolutions: tuple[int, ...]) -> Table:
    """Per shape and resolution: queries, and the peak of what tracking and meshing allocate."""
    rows = []
    for name in ("torus", "ball", "chair:2"):
        for resolution in resolutions[:3] if ":" in name else resolutions:
            ask = Counted(analytic(name, resolution))

            def work(ask: Counted = ask, resolution: int = resolution) -> None:
                blocks = track(ask, resolution, coarse=COARSE)
                extract_surface(blocks, lower=(0.0,) * 3, spacing=1.0)

            peak = bench.peak(work)
            ratio = f"{(resolution + 1) ** 3 / ask.queries:.0f}"
            what = f"{name}, {resolution}^3 cells"
            rows.append([what, f"{ask.queries:,}", ratio, megabytes(peak)])
    head = ["what", "queries", "dense / tracked", "peak memory"]
    return Table("Surface: memory of tracking and meshing", head, rows)


def every_sample(bench: Bench, resolutions: tuple[int, ...]) -> Table:
    """The mesh of a generated chair, asked everywhere against along its surface."""
    chair = generated(bench, "chair", 1)

    def mesh(resolution: int, *, exhaustive: bool) -> Callable[[], object]:
        return lambda: bench.pipeline.meshes(chair, resolution=resolution, exhaustive=exhaustive)

    rows = [
        bench.compare(
            f"mesh of a generated chair, {resolution}^3 cells",
            {
                "exhaustive": mesh(resolution, exhaustive=True),
                "tracked": mesh(resolution, exhaustive=False),
            },
            repeats=2,
        )
        for resolution in resolutions
    ]
    return Table("Surface: every sample", COMPARISON, rows)
