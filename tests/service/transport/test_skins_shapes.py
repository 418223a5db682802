"""REST and gRPC are two skins of one service: meshes, latents, families."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from model.latentfile import LatentFile
from service.jobqueue.queue import JobQueue
from service.store.local import LocalBlobStore
from service.store.refs import MESHES
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


async def test_a_mesh_that_was_swept_is_made_again_also_for_its_own_key(
    both: Both, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    for count, skin in enumerate(both, start=1):
        (shape,) = (await skin.submit("generate"))["shapes"]
        first = await skin.mesh(shape["id"], key=f"key-{count}", resolution=32)
        seen = len(worker.seen)
        assert await skin.mesh(shape["id"], key=f"key-{count}", resolution=32) == first
        assert len(worker.seen) == seen
        await blobs.sweep(MESHES, timedelta(seconds=-1))
        for _ in range(2):
            assert await skin.mesh(shape["id"], key=f"key-{count}", resolution=32) == first
            assert len(worker.seen) == seen + 1


async def test_a_mesh_of_other_weights_is_refused_with_a_way_that_leads_to_it(
    both: Both, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    async with FakeWorker(own_queue, blobs, MODEL):
        (shape,) = (await both[0].submit("generate"))["shapes"]
    for worker in await own_queue.workers():
        await own_queue.unregister_worker(worker.id)
    async with FakeWorker(own_queue, blobs, MODEL | {"weights_sha256": "cd" * 32}):
        for skin, resolution in zip(both, (32, 33), strict=True):
            refusal = await refused(skin.mesh(shape["id"], resolution=resolution))
            assert (refusal.code, refusal.param) == ("weights_mismatch", None)
            assert "POST /decode, or Decode" in (refusal.suggestion or "")
            options = {"resolution": resolution, "any_weights": True}
            await skin.submit("decode", shape=shape["id"], **options)
            assert await skin.mesh(shape["id"], resolution=resolution)


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
