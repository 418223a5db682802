"""REST and gRPC are two skins of one service: the same requests, the same answers."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from model.latentfile import LatentFile
from service.errors import EmptySurface
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import MODEL, FakeWorker, drawn_levels
from tests.service.gateway.wire import NAN_OBJ, latents_bytes, sphere_bytes
from tests.service.transport.drivers import Event, GrpcDriver, Refusal, RestDriver

Skin = RestDriver | GrpcDriver
Both = tuple[RestDriver, GrpcDriver]

_OWN = {"id", "created_at", "started_at", "finished_at", "expires_at", "timings_ms"}
"""What two jobs of the same request differ in."""


@pytest.fixture
def both(over_rest: RestDriver, over_grpc: GrpcDriver) -> Both:
    return over_rest, over_grpc


def alike(value: Any) -> Any:
    """A job without what is its own."""
    if isinstance(value, list):
        return [alike(item) for item in value]
    if isinstance(value, dict):
        return {name: alike(item) for name, item in value.items() if name not in _OWN}
    return value


async def refused(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


async def ended(queue: JobQueue, job_id: str) -> JobState:
    async with JobWaiters(queue) as waiters:
        return (await waiters.wait(job_id, 10)).state


async def running(worker: FakeWorker) -> str:
    """Id of the job that the worker has, once it has one."""
    await asyncio.wait_for(worker.running.wait(), 5)
    return worker.seen[-1].id


ALL_OPTIONS = {"resolution": 32, "target_faces": 60, "exhaustive": True, "format": "ply"}


@pytest.mark.parametrize(
    ("operation", "params", "body"),
    [
        ("generate", {"category": "table", "seed": 7}, b""),
        ("generate", {"seed": 2**64 - 1, "n": 3, "steps": 2, "guidance": 2.5} | ALL_OPTIONS, b""),
        ("encode", {}, sphere_bytes()),
        ("encode", {"filename": "ball.obj", "space": "normalized"}, sphere_bytes("obj")),
        ("encode", ALL_OPTIONS, sphere_bytes("stl")),
        ("resample", {"shape": None, "seed": 1}, b""),
        ("resample", {"shape": None, "seed": 1, "keep_level": 2, "category": "chair"}, b""),
        ("resample", {"seed": 1, "n": 2, "steps": 3}, latents_bytes()),
        ("decode", {"shape": None, "resolution": 128, "space": "normalized"}, b""),
        ("decode", {"any_weights": True}, latents_bytes("cd" * 32)),
        ("decode", {"level3": None, "level2": None, "level1": None}, b""),
    ],
)
async def test_every_operation_makes_the_same_of_a_request(
    both: Both, worker: FakeWorker, operation: str, params: dict[str, Any], body: bytes
) -> None:
    (parent,) = (await both[0].submit("generate", category="table", seed=3))["shapes"]
    params = {name: parent["id"] if value is None else value for name, value in params.items()}
    jobs = [await skin.submit(operation, body=body, **params) for skin in both]
    assert [job["state"] for job in jobs] == ["succeeded"] * 2
    assert len(worker.seen) == 3
    assert alike(jobs[0]) == alike(jobs[1])
    for job in jobs:
        assert await both[0].job(job["id"]) == await both[1].job(job["id"]) == job


@pytest.mark.parametrize(
    ("operation", "params", "body", "code", "param"),
    [
        ("generate", {"space": "input"}, b"", "irrelevant_parameter", "space"),
        ("generate", {"n": 0}, b"", "invalid_parameter", "n"),
        ("generate", {"n": 17}, b"", "invalid_parameter", "n"),
        ("generate", {"steps": 1}, b"", "invalid_parameter", "steps"),
        ("generate", {"steps": 129}, b"", "invalid_parameter", "steps"),
        ("generate", {"guidance": -1}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": float("nan")}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": float("inf")}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": 100.1}, b"", "invalid_parameter", "guidance"),
        ("generate", {"resolution": 16}, b"", "invalid_parameter", "resolution"),
        ("generate", {"resolution": 513}, b"", "invalid_parameter", "resolution"),
        ("generate", {"target_faces": 3}, b"", "invalid_parameter", "target_faces"),
        ("generate", {"format": 99}, b"", "invalid_parameter", "format"),
        ("generate", {"category": "unicorn"}, b"", "invalid_parameter", "category"),
        ("generate", {"category": ""}, b"", "invalid_parameter", "category"),
        ("generate", {"category": "ü" * 65}, b"", "invalid_parameter", "category"),
        ("encode", {"space": 7}, sphere_bytes(), "invalid_parameter", "space"),
        ("encode", {"filename": "x" * 256}, sphere_bytes(), "invalid_parameter", "filename"),
        ("resample", {"keep_level": 1}, b"", "invalid_parameter", "keep_level"),
        ("resample", {"keep_level": 4}, b"", "invalid_parameter", "keep_level"),
        ("resample", {}, b"", "invalid_parameter", "shape"),
        ("resample", {"shape": "shp_none"}, b"", "not_found", "shape"),
        ("resample", {"shape": ""}, b"", "invalid_parameter", "shape"),
        ("decode", {}, b"", "invalid_parameter", "shape"),
        ("decode", {"shape": "x" * 65}, b"", "invalid_parameter", "shape"),
        ("decode", {}, b"nonsense", "invalid_latents", None),
        (
            "decode",
            {},
            latents_bytes(level1=np.ones((2, 2), np.float32)),
            "invalid_latents",
            None,
        ),
        ("decode", {}, latents_bytes("cd" * 32), "weights_mismatch", "any_weights"),
        ("decode", {"level3": "shp_a"}, b"", "invalid_parameter", "level2"),
        (
            "decode",
            {"level3": "shp_a", "level2": "shp_a", "level1": "shp_a"},
            b"",
            "not_found",
            "level3",
        ),
        ("encode", {}, b"", "malformed_request", None),
        ("encode", {}, b"just some text\n", "unsupported_mesh_format", None),
        ("encode", {}, sphere_bytes()[:-100], "malformed_mesh", None),
        ("encode", {}, NAN_OBJ, "non_finite_mesh", None),
        ("encode", {}, b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "invalid_mesh_index", None),
        ("encode", {}, b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "empty_mesh", None),
        ("encode", {}, bytes(2**20 + 1), "mesh_too_large", None),
        ("generate", {"key": "k" * 256}, b"", "invalid_parameter", "Idempotency-Key"),
    ],
)
async def test_wrong_requests_are_refused_alike(
    both: Both,
    worker: FakeWorker,
    operation: str,
    params: dict[str, Any],
    body: bytes,
    code: str,
    param: str | None,
) -> None:
    refusals = [await refused(skin.submit(operation, body=body, **params)) for skin in both]
    for refusal in refusals:
        assert (refusal.code, refusal.param) == (code, param)
        assert refusal.request_id.startswith("req_")
        assert (refusal.job, refusal.retry_after) == (None, False)
    assert bool(refusals[0].suggestion) == bool(refusals[1].suggestion)
    assert worker.seen == []


async def test_what_the_deployment_cannot_do_is_told_alike(
    both: Both, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    for skin in both:
        refusal = await refused(skin.submit("generate"))
        assert (refusal.code, refusal.retry_after) == ("no_worker", True)
        assert await skin.categories() == []
    async with FakeWorker(own_queue, blobs, MODEL | {"can": ["encode", "decode"]}):
        refusals = [await refused(skin.submit("generate")) for skin in both]
    assert [refusal.code for refusal in refusals] == ["capability_missing"] * 2
    assert refusals[0].detail == refusals[1].detail


async def test_a_full_queue_refuses_both(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    for count in range(5):
        await both[count % 2].submit("generate", wait_s=0)
    for skin in both:
        refusal = await refused(skin.submit("generate", wait_s=0))
        assert refusal.code in ("queue_full", "rate_limited")
        assert refusal.retry_after


async def test_a_failed_job_is_its_own_error(skin: Skin, worker: FakeWorker) -> None:
    worker.failure = EmptySurface("No surface.", suggestion="Another seed.")
    refusal = await refused(skin.submit("generate"))
    assert (refusal.code, refusal.detail) == ("empty_surface", "No surface.")
    assert refusal.suggestion == "Another seed."
    assert refusal.job == worker.seen[0].id
    job = await skin.job(refusal.job)
    assert job["state"] == "failed"
    assert job["error"] == {
        "code": "empty_surface",
        "detail": "No surface.",
        "suggestion": "Another seed.",
        "param": None,
        "retryable": False,
    }


async def test_one_idempotency_key_means_one_job_over_both(both: Both, worker: FakeWorker) -> None:
    rest, over_grpc = both
    for operation, body in [("generate", b""), ("encode", sphere_bytes())]:
        first = await rest.submit(operation, key=operation, body=body, resolution=32)
        again = await over_grpc.submit(operation, key=operation, body=body, resolution=32)
        assert again == first
        for skin in both:
            refusal = await refused(skin.submit(operation, key=operation, body=body, resolution=64))
            assert refusal.code == "idempotency_conflict"
    assert len(worker.seen) == 2


async def test_a_submission_that_does_not_wait_is_answered_at_once(
    skin: Skin, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    job = await skin.submit("generate", wait_s=0)
    assert job["state"] in ("queued", "running")
    assert (job["finished_at"], job["shapes"], job["model"]) == (None, [], None)
    worker.open.set()
    assert await ended(own_queue, job["id"]) is JobState.SUCCEEDED


async def test_a_wait_that_is_too_short_leaves_the_job_running(
    skin: Skin, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    job = await skin.submit("generate", wait_s=1)
    assert (job["state"], job["stage"], job["progress"]) == ("running", "decode", 0.5)
    assert job["eta_s"] > 0
    worker.open.set()
    assert await ended(own_queue, job["id"]) is JobState.SUCCEEDED


@pytest.mark.parametrize("key", [None, "k1"])
@pytest.mark.parametrize("operation", ["generate", "encode"])
async def test_a_caller_who_leaves_cancels_unless_there_is_a_key(
    skin: Skin, worker: FakeWorker, own_queue: JobQueue, key: str | None, operation: str
) -> None:
    worker.open.clear()
    body = sphere_bytes() if operation == "encode" else b""
    call = asyncio.create_task(skin.submit(operation, body=body, key=key))
    job_id = await running(worker)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if key:
        await asyncio.sleep(0.2)
        worker.open.set()
    assert await ended(own_queue, job_id) is (JobState.SUCCEEDED if key else JobState.CANCELED)


async def test_jobs_are_canceled_queued_and_running(
    skin: Skin, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    waiting = asyncio.create_task(refused(skin.submit("generate")))
    job_id = await running(worker)
    queued = await skin.submit("generate", wait_s=0)
    assert queued["queue_position"] == 0
    assert (await skin.cancel(queued["id"]))["state"] == "canceled"
    told = await skin.cancel(job_id)
    assert (told["state"], told["cancel_requested"]) == ("running", True)
    refusal = await waiting
    assert (refusal.code, refusal.job) == ("canceled", job_id)
    assert await ended(own_queue, job_id) is JobState.CANCELED
    refusal = await refused(skin.cancel(job_id))
    assert (refusal.code, refusal.job) == ("job_final", job_id)


async def test_pages_of_jobs_are_the_same(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    ids = [(await both[0].submit("generate", wait_s=0))["id"] for _ in range(4)]
    await running(worker)
    await asyncio.sleep(0.05)
    for query in (
        {},
        {"limit": 2},
        {"limit": 2, "after": ids[2]},
        {"order": "asc"},
        {"state": "running"},
        {"state": "queued"},
    ):
        pages = [await skin.jobs(**query) for skin in both]
        for page in pages:
            for job in page["jobs"]:
                del job["eta_s"]  # grows from call to call
        assert pages[0] == pages[1]
        assert pages[0]["jobs"]
    assert (await both[1].jobs(limit=2))["next"] == ids[2]


@pytest.mark.parametrize(
    ("query", "param"),
    [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"after": "job_x"}, "after")],
)
async def test_wrong_pages_are_refused(skin: Skin, query: dict[str, Any], param: str) -> None:
    refusal = await refused(skin.jobs(**query))
    assert (refusal.code, refusal.param) == ("invalid_parameter", param)


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


async def test_a_job_is_watched_from_the_queue_to_its_end(skin: Skin, worker: FakeWorker) -> None:
    worker.open.clear()
    job_id = (await skin.submit("generate", wait_s=0))["id"]
    await running(worker)
    await worker.show(worker.seen[-1], 32)
    seen = []
    async for event in skin.watch(job_id):
        seen.append(event)
        if event.kind == "artifact":
            worker.open.set()
    assert [event.seq for event in seen] == sorted(event.seq for event in seen)
    assert seen[-1].kind == "done"
    assert seen[-1].data == await skin.job(job_id)
    coarse, final = [event for event in seen if event.kind == "artifact"]
    assert (coarse.data["job"], coarse.data["resolution"]) == (job_id, 32)
    assert len(coarse.file) == coarse.data["bytes"] > 0
    (shape,) = seen[-1].data["shapes"]
    assert (final.data["shape"], final.data["final"]) == (shape["id"], True)
    assert len(final.file) == final.data["bytes"] == shape["mesh"]["bytes"]
    assert seen[-2] is final


async def test_both_watch_the_same_and_go_on_after_an_event(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    job_id = (await both[0].submit("generate", wait_s=0))["id"]
    await running(worker)
    for resolution in (16, 32):
        await worker.show(worker.seen[-1], resolution)
    worker.open.set()
    await both[0].submit("generate")  # runs after it, so that it has ended
    watched = [[event async for event in skin.watch(job_id)] for skin in both]
    assert watched[0] == watched[1]
    assert [event.kind for event in watched[0]] == ["artifact"] * 3 + ["done"]
    first, last = watched[0][0].seq, watched[0][-1].seq
    for skin in both:
        resumed = [event async for event in skin.watch(job_id, after=first)]
        assert resumed == watched[0][1:]
        assert [event async for event in skin.watch(job_id, after=last)] == []


async def test_a_failure_ends_with_an_error(skin: Skin, worker: FakeWorker) -> None:
    worker.failure = EmptySurface("no surface")
    job = await skin.submit("generate", wait_s=0)
    *_, last = [event async for event in skin.watch(job["id"])]
    assert (last.kind, last.data["error"]["code"]) == ("error", "empty_surface")


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
