"""What is measured: shapes and models that anyone with the repository can make again."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import trimesh

from benchmarks.comparison import Bench
from model.autoencoder import AutoEncoder
from model.config import PRESETS, AutoEncoderConfig, LevelConfig
from model.data import procedural
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, HALF_EXTENT
from model.latents import Latents

Features = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Size:
    """An autoencoder, and latents for it to decode."""

    name: str
    autoencoder: AutoEncoder
    latents: Latents

    @functools.cached_property
    def features(self) -> Features:
        return self.autoencoder.decode_features(self.latents)


def generated(bench: Bench, category: str, seed: int) -> Latents:
    """A shape of the model, by its defaults."""
    defaults = bench.pipeline.info.defaults
    steps = bench.pick(defaults.steps, 2)
    return bench.pipeline.sample([seed], [category], steps=steps, guidance=defaults.guidance)


def encoded(bench: Bench, shape: trimesh.Trimesh | trimesh.PointCloud) -> Latents:
    return bench.pipeline.encode(np.ascontiguousarray(to_point_cloud(shape).points[None]))


def torus() -> trimesh.Trimesh:
    return trimesh.creation.torus(0.7, 0.2)


def own_size(bench: Bench) -> Size:
    """The model that the pipeline holds, with an encoded torus."""
    name = bench.pipeline.info.name
    return Size(name, bench.pipeline.autoencoder, encoded(bench, torus()))


@functools.cache
def paper_size(bench: Bench) -> Size:
    """The paper's model for Objaverse with random weights, and random latents."""
    config = PRESETS["lagem-objaverse"].autoencoder
    if bench.quick:
        levels = tuple(LevelConfig(level.tokens // 16, 8, 1) for level in config.levels)
        config = AutoEncoderConfig(128, levels)
    torch.manual_seed(0)
    with bench.device:
        autoencoder = AutoEncoder(config)
        sets = [torch.randn(1, level.tokens, level.channels) for level in config.levels]
    return Size("paper's size", autoencoder, Latents(tuple(sets)))


def parametric(category: str, seed: int, resolution: int = 96) -> trimesh.Trimesh:
    """A parametric shape as a mesh."""
    shape = procedural.build(category, seed)
    spacing = 2 * HALF_EXTENT / resolution

    def inside(indices: np.ndarray) -> np.ndarray:
        points = torch.from_numpy((indices * spacing - HALF_EXTENT).astype(np.float32))
        parts = points[None].split(4096, dim=1)
        return np.concatenate([-shape.signed_distance(part)[0].numpy() for part in parts])

    blocks = track(inside, resolution, coarse=COARSE)
    surface = extract_surface(blocks, lower=(-HALF_EXTENT,) * 3, spacing=spacing)
    return trimesh.Trimesh(*surface, process=False)


def many(bench: Bench) -> Iterator[Latents]:
    """Generated shapes of every category, and every mesh of a folder, encoded."""
    for category in bench.pick(bench.pipeline.info.categories, ("chair",)):
        for seed in range(bench.seeds):
            yield generated(bench, category, seed)
    for path in sorted(bench.meshes.rglob("*")) if bench.meshes else []:
        if path.suffix in {".glb", ".obj", ".ply", ".stl"}:
            yield encoded(bench, load_mesh(path.read_bytes(), hint=path.name))
