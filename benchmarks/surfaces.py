"""Measures how surfaces are found and meshed, and prints the tables of docs/decisions/0014.

    python -m benchmarks.surfaces [--resolution 128] [--seeds 5] [--meshes FOLDER]

1. What tracking misses of the surfaces of decoded fields, and how often it asks, rule by rule.
2. Meshes from blocks against PyMCubes: median CPU seconds of calls made in turn, on one thread.
3. Memory of tracking and meshing: the peak of what Python and numpy allocate.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import mcubes
import numpy as np
import torch

from benchmarks.__main__ import Comparison, compare
from model.data import procedural
from model.geometry import tracking
from model.geometry.blocks import Blocks
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, HALF_EXTENT, evaluate_grid
from model.latents import Latents
from model.pipeline import ShapePipeline

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
        self.queries += len(indices)
        parts = np.array_split(indices, 1 + len(indices) // 4096)  # as fields are asked
        return np.concatenate([self.field(part) for part in parts])


def lookup(values: np.ndarray) -> Ask:
    """The answers of a grid that is there."""
    return lambda indices: values[tuple(indices.T)]


def crossed_edges(blocks: Blocks) -> int:
    """The mesh's vertices."""
    return sum(int(np.bitwise_count(blocks.crossings(axis)).sum()) for axis in range(3))


def shapes(pipeline: ShapePipeline, seeds: int, meshes: Path | None) -> Iterator[Latents]:
    """Generated shapes of every category, and every mesh of a folder, encoded."""
    defaults = pipeline.info.defaults
    for category in pipeline.info.categories:
        for seed in range(seeds):
            yield pipeline.sample(
                [seed], [category], steps=defaults.steps, guidance=defaults.guidance
            )
    for path in sorted(meshes.rglob("*")) if meshes else []:
        if path.suffix in {".glb", ".obj", ".ply", ".stl"}:
            mesh = load_mesh(path.read_bytes(), hint=path.name)
            yield pipeline.encode(np.ascontiguousarray(to_point_cloud(mesh).points[None]))


def print_misses(pipeline: ShapePipeline, resolution: int, latents: Iterator[Latents]) -> None:
    """Per rule: queries against dense, and vertices of the dense mesh that are not found."""
    rows: dict[Rule, list[tuple[int, float]]] = {rule: [] for rule in RULES}
    for one in latents:
        grid = evaluate_grid(pipeline.autoencoder.decode(one), resolution, lambda _: None)
        every = crossed_edges(track(lookup(grid.values), resolution, coarse=resolution))
        for coarse, first, near in RULES if every else []:
            ask = Counted(lookup(grid.values))
            with mock.patch.multiple(tracking, _NEAR_COARSE=first, _NEAR=near):
                found = crossed_edges(track(ask, resolution, coarse=coarse))
            rows[coarse, first, near].append((ask.queries, 100 * (1 - found / every)))
    print(f"\n{len(rows[RULES[0]])} decoded shapes, {resolution}^3 cells\n")
    print("| coarse | near there, after | queries, mean | dense / tracked | missing in | % | % |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for (coarse, first, near), values in rows.items():
        asked_, missed = np.array(values).T
        ratios = (resolution + 1) ** 3 / asked_
        print(
            f"| {coarse} | {first:g}, {near:g} | {asked_.mean():,.0f} | {ratios.min():.0f} to "
            f"{ratios.max():.0f}, median {np.median(ratios):.0f} | {np.count_nonzero(missed)} "
            f"| worst {missed.max():.2f} | mean {missed.mean():.3f} |"
        )


def analytic(name: str, resolution: int) -> Ask:
    """Signed distances, positive inside: of a torus, a ball or a parametric shape."""
    axis = np.linspace(-HALF_EXTENT, HALF_EXTENT, resolution + 1, dtype=np.float32)
    category, _, seed = name.partition(":")

    def ask(indices: np.ndarray) -> np.ndarray:
        x, y, z = axis[indices.T]
        if name == "torus":
            return 0.2 - np.hypot(np.hypot(x, y) - 0.7, z)
        if name == "ball":
            return 0.9 - np.sqrt(x * x + y * y + z * z)
        points = torch.from_numpy(np.stack([x, y, z], axis=1))
        return -shape.signed_distance(points[None])[0].numpy()

    if seed:
        shape = procedural.build(category, int(seed))
    return ask


def whole(ask: Ask, resolution: int) -> np.ndarray:
    """Every sample."""
    values = np.empty((resolution + 1,) * 3, dtype=np.float32)
    indices = np.indices((1, *values.shape[1:])).reshape(3, -1).T
    for layer in values:
        layer[:] = ask(indices).reshape(layer.shape)
        indices[:, 0] += 1
    return values


def meshing(name: str, resolution: int) -> Comparison:
    """The mesh by PyMCubes from the whole grid, against from blocks along its surface."""
    values = whole(analytic(name, resolution), resolution)
    blocks = track(lookup(values), resolution, coarse=COARSE)
    return compare(
        f"mesh of {name}, {resolution}^3 cells, {crossed_edges(blocks):,} vertices",
        ("PyMCubes", lambda: mcubes.marching_cubes(values, 0.0)),
        ("sparse", lambda: extract_surface(blocks, lower=(0.0,) * 3, spacing=1.0)),
    )


def print_memory() -> None:
    """Per shape and resolution: queries, and the peak of what tracking and meshing allocate."""
    print("\n| what | queries | dense / tracked | peak |\n|---|---:|---:|---:|")
    for name in ("torus", "ball", "chair:2"):
        for resolution in (128, 256, 512, 1024):
            ask = Counted(analytic(name, resolution))
            tracemalloc.start()
            extract_surface(track(ask, resolution, coarse=COARSE), lower=(0.0,) * 3, spacing=1.0)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            what, ratio = f"{name}, {resolution}^3 cells", (resolution + 1) ** 3 / ask.queries
            print(f"| {what} | {ask.queries:,} | {ratio:.0f} | {peak / 1e6:.0f} MB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=5, help="generated shapes of each category")
    parser.add_argument("--meshes", type=Path, help="a folder of meshes to encode")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = ShapePipeline.load(device="cpu")
    with torch.inference_mode():
        latents = shapes(pipeline, chosen.seeds, chosen.meshes)
        print_misses(pipeline, chosen.resolution, latents)
    print("\n| what | slower | faster | ratio |\n|---|---|---|---:|")
    for name in ("torus", "ball", "chair:2", "rifle:3"):
        for resolution in (128, 256, 512)[: 2 if ":" in name else 3]:
            print(meshing(name, resolution).row(), flush=True)
    print_memory()


if __name__ == "__main__":
    main()
