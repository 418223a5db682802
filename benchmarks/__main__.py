"""Measures the bundled model and prints a Markdown table: `make bench`.

Each row compares two ways to the same result, timed in turn within one run, as CPU seconds of this
process on one thread; the ratio is what counts, since machines differ.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import trimesh

from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import denoise
from model.geometry.sampling import to_point_cloud
from model.grid import evaluate_grid
from model.latents import Latents
from model.pipeline import ShapePipeline

REPEATS = 5
QUERIES = 32_768


@dataclass(frozen=True)
class Comparison:
    what: str
    slow: str
    fast: str
    slow_s: float
    fast_s: float

    def row(self) -> str:
        ratio = self.slow_s / self.fast_s
        return (
            f"| {self.what} | {self.slow}: {self.slow_s:.3f} s | {self.fast}: {self.fast_s:.3f} s "
            f"| **{ratio:.1f}x** |"
        )


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


def queries(pipeline: ShapePipeline, latents: Latents) -> Comparison:
    """The query function of Eq. 9, folded against module by module."""
    autoencoder = pipeline.autoencoder
    features = autoencoder.decode_features(latents)
    field = autoencoder.fold(features)
    points = torch.rand(1, QUERIES, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    chunks = points.split(4096, dim=1)
    return compare(
        f"{QUERIES} queries",
        ("modules", lambda: [autoencoder.query_reference(chunk, features) for chunk in chunks]),
        ("folded", lambda: [field(chunk) for chunk in chunks]),
    )


def grid(pipeline: ShapePipeline, latents: Latents, resolution: int) -> Comparison:
    """A grid of logits, every sample against coarse to fine."""
    field = pipeline.autoencoder.decode(latents)
    return compare(
        f"grid of {resolution}^3 cells",
        ("dense", lambda: evaluate_grid(field, resolution, lambda _: None, refinement=1)),
        ("tracked", lambda: evaluate_grid(field, resolution, lambda _: None)),
    )


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
            queries(pipeline, latents),
            grid(pipeline, latents, 64),
            grid(pipeline, latents, 128),
            batching(pipeline, 4),
        ):
            print(comparison.row(), flush=True)


if __name__ == "__main__":
    main()
