"""The pipeline on the bundled starter weights: the promises a request relies on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from model.checkpoint import load_checkpoint
from model.evaluation.metrics import chamfer_distance
from model.geometry.sampling import sample_surface, to_point_cloud
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, evaluate_grid
from model.latents import Latents
from model.pipeline import STARTER_WEIGHTS, CapabilityError, ShapePipeline
from tests.surfaces import assert_same_surface


@pytest.fixture(scope="module")
def pipeline() -> ShapePipeline:
    torch.set_num_threads(1)
    return ShapePipeline.load(device="cpu")


@pytest.fixture(scope="module")
def box_latents(pipeline: ShapePipeline) -> Latents:
    box = trimesh.creation.box((1.0, 0.6, 0.8))
    return pipeline.encode(to_point_cloud(box).points[None])


def equal(one: Latents, other: Latents) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(one.levels, other.levels, strict=True)]


def test_a_box_comes_back_as_that_box(pipeline: ShapePipeline, box_latents: Latents) -> None:
    cloud = to_point_cloud(trimesh.creation.box((1.0, 0.6, 0.8)))
    mesh = pipeline.meshes(box_latents, resolution=64)[0]
    assert mesh.is_watertight
    assert mesh.volume > 0  # faces point outward
    surface = sample_surface(mesh, 8192, seed=0)
    assert chamfer_distance(surface, cloud.points.astype(np.float64)) < 0.04
    np.testing.assert_allclose(mesh.bounds, [cloud.points.min(0), cloud.points.max(0)], atol=0.08)


def test_an_encoding_does_not_depend_on_its_batchmates(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    box = to_point_cloud(trimesh.creation.box((1.0, 0.6, 0.8))).points
    ball = to_point_cloud(trimesh.creation.icosphere()).points
    assert equal(pipeline.encode(np.stack([ball, box]))[1:2], box_latents) == [True] * 3


def test_a_mesh_does_not_depend_on_its_batchmates(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    ball = pipeline.encode(to_point_cloud(trimesh.creation.icosphere()).points[None])
    (alone,) = pipeline.meshes(box_latents, resolution=32)
    _, together = pipeline.meshes(Latents.concatenate([ball, box_latents]), resolution=32)
    assert np.array_equal(alone.vertices, together.vertices)
    assert np.array_equal(alone.faces, together.faces)


def test_latents_have_the_shapes_the_model_declares(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    declared = {
        level["level"]: (level["tokens"], level["channels"]) for level in pipeline.info.levels
    }
    assert {k: v.shape for k, v in box_latents.to_numpy(0).items()} == declared


def test_a_decoded_box_has_the_dense_grids_surface(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    dense = evaluate_grid(pipeline.autoencoder.decode(box_latents), 64, lambda _: None)
    mesh = pipeline.meshes(box_latents, resolution=64)[0]
    surface = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    # A sample's logit is not bit-equal in another batch.
    assert_same_surface(surface, dense.surface(), spacing=dense.spacing, within=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("category", "seed"), [("lamp", 3), ("airplane", 2), ("chair", 1)])
def test_generated_shapes_have_the_dense_grids_surface(
    pipeline: ShapePipeline, category: str, seed: int
) -> None:
    """Their loose parts and sheets too: the lamp has a part that 33^3 samples do not show."""
    latents = pipeline.sample([seed], [category], steps=18, guidance=2.0)
    field = pipeline.autoencoder.decode(latents)
    dense = evaluate_grid(field, 128, lambda _: None)
    asked = 0

    def ask(indices: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(indices)
        return dense.values[tuple(indices.T)]

    blocks = track(ask, 128, coarse=COARSE)
    surface = extract_surface(blocks, lower=(dense.lower,) * 3, spacing=dense.spacing)
    assert_same_surface(surface, dense.surface(), spacing=dense.spacing)
    assert asked < dense.values.size / 14


def test_seeds_are_one_array_a_row_and_change_nothing_that_is_found_anyway(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    points = to_point_cloud(trimesh.creation.box((1.0, 0.6, 0.8))).points[:500]
    both = Latents.concatenate([box_latents, box_latents])
    seeded, plain = pipeline.meshes(both, resolution=48, seeds=[points, None])
    np.testing.assert_array_equal(seeded.faces, plain.faces)
    with pytest.raises(ValueError, match="one entry a row, 2, not 1"):
        pipeline.meshes(both, resolution=48, seeds=[points])


def test_an_exhaustive_mesh_is_the_tracked_one(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    tracked, every = (
        pipeline.meshes(box_latents, resolution=40, exhaustive=exhaustive)[0]
        for exhaustive in (False, True)
    )
    np.testing.assert_array_equal(tracked.faces, every.faces)


@pytest.mark.parametrize("category", ["table", "chair", None])
def test_generation_is_repeatable_and_seeds_differ(
    pipeline: ShapePipeline, category: str | None
) -> None:
    first = pipeline.sample([7], [category], steps=4, guidance=1.0)
    again = pipeline.sample([7], [category], steps=4, guidance=1.0)
    other = pipeline.sample([8], [category], steps=4, guidance=1.0)
    assert equal(first, again) == [True] * 3
    assert equal(first, other) == [False] * 3


def test_the_models_own_solver_is_used_unless_another_is_named(pipeline: ShapePipeline) -> None:
    checkpoint = load_checkpoint(STARTER_WEIGHTS)
    assert pipeline.info.defaults.solver == checkpoint.config.sampling.solver
    sampling = replace(checkpoint.config.sampling, solver="heun")
    other = ShapePipeline(
        replace(checkpoint, config=replace(checkpoint.config, sampling=sampling)), device="cpu"
    )
    multistep = pipeline.sample([7], ["chair"], steps=3, guidance=1.0, solver="dpm-solver++")
    heun = other.sample([7], ["chair"], steps=3, guidance=1.0)
    named = pipeline.sample([7], ["chair"], steps=3, guidance=1.0, solver="heun")
    assert equal(heun, multistep) == [False] * 3
    assert equal(heun, named) == [True] * 3


@pytest.mark.parametrize(
    ("keep_level", "kept"), [(3, [True, False, False]), (2, [True, True, False])]
)
def test_resampling_keeps_the_levels_it_is_told_to(
    pipeline: ShapePipeline, box_latents: Latents, keep_level: int, kept: list[bool]
) -> None:
    child = pipeline.sample(
        [1], ["table"], steps=4, guidance=1.0, keep=box_latents, keep_level=keep_level
    )
    assert equal(child, box_latents) == kept


def test_the_observer_sees_progress_grow_and_can_stop_the_work(
    pipeline: ShapePipeline, box_latents: Latents
) -> None:
    seen: dict[str, list[float]] = {}
    pipeline.meshes(
        box_latents,
        resolution=64,
        observe=lambda stage, done: seen.setdefault(stage, []).append(done),
    )
    assert seen["decode"] == sorted(seen["decode"])
    assert 0 < seen["decode"][0] <= seen["decode"][-1] <= 1

    def stop(stage: str, fraction: float) -> None:
        raise InterruptedError(stage)

    with pytest.raises(InterruptedError, match="decode"):
        pipeline.meshes(box_latents, resolution=64, observe=stop)
    with pytest.raises(InterruptedError, match="denoise_l3"):
        pipeline.sample([1], [None], steps=4, guidance=1.0, observe=stop)


def test_an_unknown_category_lists_the_known_ones(pipeline: ShapePipeline) -> None:
    with pytest.raises(ValueError, match=r"unknown category \['spoon'\].*airplane"):
        pipeline.sample([1], ["spoon"], steps=4, guidance=1.0)


@pytest.mark.parametrize("level", [0, 99])
def test_guidance_stops_at_a_level_of_the_model(pipeline: ShapePipeline, level: int) -> None:
    with pytest.raises(ValueError, match=f"guidance_level must be one of 1 to .*, not {level}"):
        pipeline.sample([1], [None], steps=4, guidance=1.0, guidance_level=level)


def test_an_unknown_solver_lists_the_known_ones(pipeline: ShapePipeline) -> None:
    with pytest.raises(ValueError, match=r"no solver 'euler': choose one of heun, dpm-solver\+\+"):
        pipeline.sample([1], [None], steps=4, guidance=1.0, solver="euler")


def test_level_one_cannot_be_kept(pipeline: ShapePipeline, box_latents: Latents) -> None:
    with pytest.raises(ValueError, match="keep_level must be from 2 to 3, got 1"):
        pipeline.sample([1], [None], steps=4, guidance=1.0, keep=box_latents, keep_level=1)


def test_a_model_without_cascade_says_so() -> None:
    checkpoint = load_checkpoint(STARTER_WEIGHTS)
    object.__setattr__(checkpoint, "cascade", None)
    pipeline = ShapePipeline(checkpoint, device="cpu")
    assert pipeline.info.can == ("encode", "decode")
    with pytest.raises(CapabilityError, match="no cascade"):
        pipeline.sample([1], [None], steps=4, guidance=1.0)
