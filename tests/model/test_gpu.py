"""The pipeline on a GPU: what a seed means there, alone and in company, against the CPU."""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import pytest
import torch
import trimesh

from model.diffusion.sampler import seeded_noise
from model.evaluation.metrics import nearest_distances
from model.geometry.sampling import to_point_cloud
from model.grid import HALF_EXTENT
from model.latents import Latents
from model.pipeline import ShapePipeline

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

BATCH = 16
CLOUDS = [
    to_point_cloud(shape).points
    for shape in (
        trimesh.creation.box((1.0, 0.6, 0.8)),
        trimesh.creation.icosphere(),
        trimesh.creation.torus(0.7, 0.2),
    )
]


@pytest.fixture(scope="module")
def gpu() -> ShapePipeline:
    return ShapePipeline.load(device="cuda")


@pytest.fixture(scope="module")
def cpu() -> ShapePipeline:
    return ShapePipeline.load(device="cpu")


@pytest.fixture(scope="module")
def categories(gpu: ShapePipeline) -> list[str | None]:
    return list(islice(cycle([*gpu.info.categories, None]), BATCH))


def sampled(pipeline: ShapePipeline, rows: list[int], categories: list[str | None]) -> Latents:
    defaults = pipeline.info.defaults
    chosen = [categories[row] for row in rows]
    return pipeline.sample(rows, chosen, steps=defaults.steps, guidance=defaults.guidance)


def greatest(one: Latents, other: Latents) -> float:
    pairs = zip(one.levels, other.levels, strict=True)
    return max((a.cpu() - b.cpu()).abs().max().item() for a, b in pairs)


def voxels_apart(one: trimesh.Trimesh, other: trimesh.Trimesh, resolution: int) -> np.ndarray:
    first, second = np.asarray(one.vertices), np.asarray(other.vertices)
    both = [nearest_distances(first, second), nearest_distances(second, first)]
    return np.concatenate(both) / (2 * HALF_EXTENT / resolution)


def test_noise_is_that_of_the_cpu_bit_for_bit() -> None:
    on_gpu = seeded_noise([3, 8], 2, 128, 16, torch.device("cuda"))
    assert torch.equal(on_gpu.cpu(), seeded_noise([3, 8], 2, 128, 16, torch.device("cpu")))


def test_a_sample_is_the_same_alone_and_in_a_full_batch(
    gpu: ShapePipeline, categories: list[str | None]
) -> None:
    full = sampled(gpu, list(range(BATCH)), categories)
    for row in (0, 6, BATCH - 1):
        assert greatest(sampled(gpu, [row], categories), full[row : row + 1]) <= 1e-4


def test_a_sample_does_not_depend_on_what_its_neighbours_are(
    gpu: ShapePipeline, categories: list[str | None]
) -> None:
    one = sampled(gpu, [4, 9, 2], categories)
    other = sampled(gpu, [11, 9], categories)
    assert greatest(one[1:2], other[1:2]) <= 1e-4


def test_a_variant_is_the_same_alone_and_in_a_full_batch(
    gpu: ShapePipeline, categories: list[str | None]
) -> None:
    parents = sampled(gpu, list(range(BATCH)), categories)

    def variants(rows: slice) -> Latents:
        seeds = list(range(100, 100 + BATCH))[rows]
        kept = {"keep": parents[rows], "keep_level": 3}
        return gpu.sample(seeds, categories[rows], steps=8, guidance=1.0, **kept)

    full = variants(slice(0, BATCH))
    assert torch.equal(full.levels[0], parents.levels[0])
    assert greatest(variants(slice(5, 6)), full[5:6]) <= 1e-4


def test_an_encoding_is_the_same_alone_and_in_company(gpu: ShapePipeline) -> None:
    together = gpu.encode(np.stack(CLOUDS))
    for row, cloud in enumerate(CLOUDS):
        assert greatest(gpu.encode(cloud[None]), together[row : row + 1]) <= 1e-4


def test_an_encoding_is_near_that_of_the_cpu(gpu: ShapePipeline, cpu: ShapePipeline) -> None:
    clouds = np.stack(CLOUDS)
    for on_gpu, on_cpu in zip(gpu.encode(clouds).levels, cpu.encode(clouds).levels, strict=True):
        apart = (on_gpu.cpu() - on_cpu).square().mean().sqrt()
        assert apart < 0.03  # bfloat16; latents have a standard deviation of 1


@torch.inference_mode()
def test_the_field_is_eq_9_module_by_module(gpu: ShapePipeline) -> None:
    latents = gpu.encode(CLOUDS[0][None])
    features = gpu.autoencoder.decode_features(latents)
    queries = torch.rand(1, 5000, 3, device="cuda") * 2 - 1
    exact = gpu.autoencoder.query_reference(queries, features)
    logits = gpu.autoencoder.fold(features)(queries)
    assert (logits - exact).abs().max() <= 1e-4 * exact.std()


def test_a_mesh_of_the_same_latents_is_near_that_of_the_cpu(
    gpu: ShapePipeline, cpu: ShapePipeline, categories: list[str | None]
) -> None:
    latents = sampled(cpu, [1], ["chair"] * 2)
    encoded = cpu.encode(CLOUDS[2][None])
    for shape in (latents, encoded):
        one, other = (p.meshes(shape, resolution=128)[0] for p in (gpu, cpu))
        assert one.is_watertight == other.is_watertight
        assert one.volume == pytest.approx(other.volume, rel=0.01)
        apart = voxels_apart(one, other, 128)
        assert np.quantile(apart, 0.99) < 0.5


def test_a_mesh_is_the_same_alone_and_in_company(gpu: ShapePipeline) -> None:
    latents = gpu.encode(np.stack(CLOUDS))
    together = gpu.meshes(latents, resolution=64)
    for row, mesh in enumerate(together):
        alone = gpu.meshes(latents[row : row + 1], resolution=64)[0]
        assert np.array_equal(alone.vertices, mesh.vertices)
        assert np.array_equal(alone.faces, mesh.faces)
