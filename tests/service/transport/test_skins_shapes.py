"""REST and gRPC are two skins of one service: meshes, latents, families."""

from __future__ import annotations

import numpy as np

from model.latentfile import LatentFile
from tests.service.gateway.fakeworker import MODEL, FakeWorker, drawn_levels
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.drivers import Event
from tests.service.transport.skins import Both, Skin, refused


async def test_meshes_are_the_same_bytes(both: Both, worker: FakeWorker) -> None:
    (shape,) = (await both[1].submit("encode", body=sphere_bytes(), exhaustive=True))["shapes"]
    for count, query in enumerate(
        (
            {},
            {"format": "obj"},
            {"format": "stl", "resolution": 128},
            {"exhaustive": False},
            {"space": "normalized", "target_faces": 60},
        ),
        start=1,
    ):
        meshes = [await skin.mesh(shape["id"], **query) for skin in both]
        assert meshes[0] == meshes[1]
        assert meshes[0]
        assert len(worker.seen) == count  # each was made on demand, once


async def test_a_mesh_that_takes_longer_is_a_job(skin: Skin, worker: FakeWorker) -> None:
    (shape,) = (await skin.submit("generate"))["shapes"]
    worker.open.clear()
    job = await skin.mesh(shape["id"], format="obj", wait_s=0)
    assert (job["operation"], job["input"]["shape"]) == ("decode", shape["id"])
    worker.open.set()
    assert b"\nf " in await skin.mesh(shape["id"], format="obj")


async def test_latents_are_the_same_numbers_with_the_same_provenance(
    both: Both, worker: FakeWorker
) -> None:
    (shape,) = (await both[0].submit("generate", seed=7))["shapes"]
    for query in ({}, {"format": "safetensors"}, {"format": "npz"}):
        files = [await skin.latents(shape["id"], **query) for skin in both]
        first, second = (LatentFile.from_bytes(file) for file in files)
        assert first.metadata == second.metadata
        for level, vectors in drawn_levels(7).items():
            np.testing.assert_array_equal(first.levels[level], vectors)
            np.testing.assert_array_equal(second.levels[level], vectors)
    assert all(file.startswith(b"PK") for file in files)


async def test_shapes_families_and_models_are_the_same(both: Both, worker: FakeWorker) -> None:
    (parent,) = (await both[0].submit("generate", category="table"))["shapes"]
    children = (await both[1].submit("resample", shape=parent["id"], n=2))["shapes"]
    for shape in (parent, *children):
        assert await both[0].shape(shape["id"]) == await both[1].shape(shape["id"])
        assert await both[0].tree(shape["id"]) == await both[1].tree(shape["id"])
    assert len((await both[1].tree(parent["id"]))["children"]) == 2
    assert await both[0].model() == await both[1].model() == MODEL
    assert await both[0].categories() == await both[1].categories() == ["table", "chair"]


async def test_what_is_not_there_is_not_found(skin: Skin, worker: FakeWorker) -> None:
    async def watched() -> list[Event]:
        return [event async for event in skin.watch("job_none")]

    for call in (
        skin.job("job_none"),
        skin.cancel("job_none"),
        watched(),
        skin.mesh("shp_none"),
        skin.latents("shp_none"),
        skin.shape("shp_none"),
        skin.tree("shp_none"),
    ):
        refusal = await refused(call)
        assert refusal.code == "not_found"
        assert refusal.suggestion
