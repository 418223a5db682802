"""REST and gRPC are two skins of one service: jobs, waited for, listed, canceled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import EmptySurface
from service.jobqueue.queue import JobQueue
from service.jobs import JobState
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.skins import Both, Skin, ended, refused, running


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
    worker.heeding.clear()
    told = await skin.cancel(job_id)
    assert (told["state"], told["cancel_requested"]) == ("running", True)
    worker.heeding.set()
    refusal = await waiting
    assert (refusal.code, refusal.job) == ("canceled", job_id)
    assert await ended(own_queue, job_id) is JobState.CANCELED
    refusal = await refused(skin.cancel(job_id))
    assert (refusal.code, refusal.job) == ("job_final", job_id)


async def test_pages_of_jobs_are_the_same(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    ids = [(await both[0].submit("generate", wait_s=0))["id"] for _ in range(4)]
    await running(worker)
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
