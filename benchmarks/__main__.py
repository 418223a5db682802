"""Measures the bundled model and prints a Markdown table: `make bench`.

Each row compares two ways to the same result, timed in turn within one run, as CPU seconds of this
process on one thread; the ratio is what counts, since machines differ. Rows of queries count them.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import mcubes
import numpy as np
import torch
import trimesh
from torch import nn

from model import gridfield
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import denoise
from model.field import OccupancyField, QueryAttention, fold
from model.geometry.sampling import to_point_cloud
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, HALF_EXTENT, QUERY_CHUNK, evaluate_grid, track_surface
from model.gridfield import GridField
from model.latents import Latents
from model.nn.embeddings import PointEmbedding
from model.pipeline import ShapePipeline

REPEATS = 5
QUERIES = 32_768
PAPER_QUERIES = 2_048


@dataclass(frozen=True)
class Comparison:
    what: str
    slow: str
    fast: str
    slow_cost: float
    fast_cost: float
    form: str = "{:.3f} s"

    def row(self) -> str:
        slow, fast = self.form.format(self.slow_cost), self.form.format(self.fast_cost)
        ratio = self.slow_cost / self.fast_cost
        return f"| {self.what} | {self.slow}: {slow} | {self.fast}: {fast} | **{ratio:.1f}x** |"


def compare(
    what: str, slow: tuple[str, Callable[[], object]], fast: tuple[str, Callable[[], object]]
) -> Comparison:
    """Median CPU seconds of two calls, made in turn after one warm-up each."""
    times: dict[str, list[float]] = {slow[0]: [], fast[0]: []}
    for repeat in range(REPEATS + 1):
        for name, call in (slow, fast):
            started = time.process_time()
            call()
            if repeat:
                times[name].append(time.process_time() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return Comparison(what, slow[0], fast[0], medians[slow[0]], medians[fast[0]])


def queries(pipeline: ShapePipeline, latents: Latents) -> list[Comparison]:
    """The query function of Eq. 9: module by module, folded, by tables of a grid."""
    autoencoder = pipeline.autoencoder
    features = autoencoder.decode_features(latents)
    return query_forms(
        f"{QUERIES} queries",
        QUERIES,
        lambda points: autoencoder.query_reference(points, features),
        autoencoder.fold(features),
    )


def paper_queries() -> list[Comparison]:
    """The same at the paper's size, with random weights and features."""
    channels, tokens = 1024, (128, 512, 2048)
    torch.manual_seed(0)
    embedding, to_logit = PointEmbedding(channels), nn.Linear(channels * len(tokens), 1)
    attentions = nn.ModuleList(QueryAttention(channels, 64) for _ in tokens)
    features = tuple(torch.randn(1, count, channels) for count in tokens)

    def modules(points: torch.Tensor) -> torch.Tensor:
        embedded = embedding(points)
        attended = [a(embedded, f) for a, f in zip(attentions, features, strict=True)]
        logits: torch.Tensor = to_logit(torch.cat(attended, dim=-1))
        return logits

    field = fold(embedding, attentions, to_logit, features)
    return query_forms(f"{PAPER_QUERIES} queries, paper size", PAPER_QUERIES, modules, field)


def query_forms(
    what: str, count: int, modules: Callable[[torch.Tensor], object], field: OccupancyField
) -> list[Comparison]:
    """Three ways to the logits of `count` samples of a grid in the middle of the shape."""
    resolution = 128
    spacing = 2 * HALF_EXTENT / resolution
    at = GridField(field, -HALF_EXTENT, spacing, resolution + 1)
    axis = torch.arange(resolution + 1)
    indices = torch.cartesian_prod(axis[resolution // 2 :], axis, axis)[:count]
    chunks = (indices * spacing - HALF_EXTENT).unsqueeze(0).split(QUERY_CHUNK, dim=1)
    by_modules = "modules", lambda: [modules(chunk) for chunk in chunks]
    folded = "folded", lambda: [field(chunk) for chunk in chunks]
    tables = "tables", lambda: [at(part) for part in indices.split(QUERY_CHUNK)]
    return [
        compare(what, by_modules, folded),
        compare(what, folded, tables),
        compare(what, by_modules, tables),
    ]


def grids(pipeline: ShapePipeline, latents: Latents, resolution: int) -> list[Comparison]:
    """A grid of logits: every sample against coarse to fine, without tables against with them."""
    field = pipeline.autoencoder.decode(latents)

    def dense() -> object:
        return evaluate_grid(field, resolution, lambda _: None)

    def tracked() -> object:
        return track_surface(field, resolution, lambda _: None)

    def without_tables(evaluate: Callable[[], object]) -> Callable[[], object]:
        absent = mock.Mock(return_value=False)
        return mock.patch.object(gridfield, "has_numba", absent)(evaluate)

    what = f"grid of {resolution}^3 cells"
    return [
        compare(what, ("dense", dense), ("tracked", tracked)),
        compare(f"{what}, dense", ("folded", without_tables(dense)), ("tables", dense)),
        compare(f"{what}, tracked", ("folded", without_tables(tracked)), ("tables", tracked)),
    ]


def grid_queries(pipeline: ShapePipeline, latents: Latents, resolution: int) -> Comparison:
    """How often the field is asked for a surface, at every sample against coarse to fine."""
    field = pipeline.autoencoder.decode(latents)
    tracked = track_surface(field, resolution, lambda _: None).queries
    what, every = f"queries for {resolution}^3 cells", (resolution + 1) ** 3
    return Comparison(what, "dense", "tracked", every, tracked, form="{:,.0f}")


def extraction(resolution: int) -> Comparison:
    """A torus meshed from logits: of the whole grid by PyMCubes, along its surface from blocks."""
    spacing = 2 * HALF_EXTENT / resolution

    def torus(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return 0.2 - np.hypot(np.hypot(x, y) - 0.7, z)

    axis = np.linspace(-HALF_EXTENT, HALF_EXTENT, resolution + 1, dtype=np.float32)
    whole = torus(axis[:, None, None], axis[:, None], axis)
    blocks = track(lambda indices: torus(*axis[indices.T]), resolution, coarse=COARSE)
    return compare(
        f"mesh of {resolution}^3 cells",
        ("PyMCubes", lambda: mcubes.marching_cubes(whole, 0.0)),
        ("sparse", lambda: extract_surface(blocks, lower=(-HALF_EXTENT,) * 3, spacing=spacing)),
    )


def jobs(pipeline: ShapePipeline) -> list[Comparison]:
    """What a default generate job spends its time on, and what asking every sample adds.

    The figures behind `service.worker.batching.cost`.
    """
    defaults = pipeline.info.defaults

    def sample() -> Latents:
        return pipeline.sample([1], ["chair"], steps=defaults.steps, guidance=defaults.guidance)

    def surface(resolution: int, *, exhaustive: bool = False) -> Callable[[], object]:
        return lambda: pipeline.meshes(latents, resolution=resolution, exhaustive=exhaustive)

    latents = sample()
    default = "sampling", sample
    rows = [compare("a default chair", default, ("surface", surface(defaults.resolution)))]
    for resolution in (64, 128, 256):
        exhaustive = "exhaustive", surface(resolution, exhaustive=True)
        tracked = "tracked", surface(resolution)
        rows.append(compare(f"surface of a chair, {resolution}^3 cells", exhaustive, tracked))
    return rows


def batching(pipeline: ShapePipeline, rows: int) -> Comparison:
    """One evaluation of every denoiser, for rows one by one against together."""
    cascade = pipeline.cascade
    assert cascade is not None
    category, sigma = torch.zeros(rows, dtype=torch.int64), torch.ones(rows)
    sets = [torch.randn(rows, level.tokens, level.channels) for level in cascade.levels]

    def evaluate(batches: list[slice]) -> None:
        for index, network in enumerate(cascade.denoisers):
            assert isinstance(network, Denoiser)
            for batch in batches:
                coarser = [latents[batch] for latents in sets[:index]]
                conditions = network.condition(category[batch], coarser)
                denoise(network, sets[index][batch], sigma[batch], conditions)

    return compare(
        f"denoising {rows} samples once",
        ("one by one", lambda: evaluate([slice(row, row + 1) for row in range(rows)])),
        ("together", lambda: evaluate([slice(0, rows)])),
    )


def main() -> None:
    torch.set_num_threads(1)
    pipeline = ShapePipeline.load(device="cpu")
    torus = trimesh.creation.torus(0.7, 0.2)
    latents = pipeline.encode(np.ascontiguousarray(to_point_cloud(torus).points[None]))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, ")
    print(f"model {pipeline.info.name} {pipeline.info.weights_sha256[:12]}, commit {commit}\n")
    print("| what | slower | faster | ratio |\n|---|---|---|---:|")
    with torch.inference_mode():
        for comparison in (
            *queries(pipeline, latents),
            *paper_queries(),
            *grids(pipeline, latents, 64),
            *grids(pipeline, latents, 128),
            grid_queries(pipeline, latents, 128),
            grid_queries(pipeline, latents, 256),
            extraction(128),
            extraction(256),
            batching(pipeline, 4),
            *jobs(pipeline),
        ):
            print(comparison.row(), flush=True)


if __name__ == "__main__":
    main()
