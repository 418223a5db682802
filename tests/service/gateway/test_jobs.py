"""Jobs over HTTP: list, look up, cancel."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState
from tests.service.gateway.fakeworker import FakeWorker

ASYNC = {"Prefer": "respond-async"}


async def submitted(client: httpx.AsyncClient, count: int) -> list[str]:
    return [(await client.post("/generate", headers=ASYNC)).json()["id"] for _ in range(count)]


async def test_pages_go_through_all_jobs(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    ids = await submitted(client, 5)
    for order, expected in [("asc", ids), ("desc", ids[::-1])]:
        found: list[str] = []
        query = {"limit": "2", "order": order}
        while True:
            page = (await client.get("/jobs", params=query)).json()
            found += [job["id"] for job in page["jobs"]]
            if page["next"] is None:
                break
            query["after"] = page["next"]
        assert found == expected


async def test_filter_by_state(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    first, second = await submitted(client, 2)
    await asyncio.wait_for(worker.running.wait(), 30)
    running = (await client.get("/jobs?state=running")).json()["jobs"]
    queued = (await client.get("/jobs?state=queued")).json()["jobs"]
    assert [job["id"] for job in running] == [first]
    assert [job["id"] for job in queued] == [second]
    assert queued[0]["queue_position"] == 0
    assert running[0]["queue_position"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "order=up", "state=lost", "after=job_1"])
async def test_wrong_pages(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/jobs?{query}")
    assert (response.status_code, response.json()["param"]) == (422, query.partition("=")[0])


async def test_a_running_job_tells_its_progress(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    (job_id,) = await submitted(client, 1)
    await asyncio.wait_for(worker.running.wait(), 30)
    job = (await client.get(f"/jobs/{job_id}")).json()
    assert (job["state"], job["stage"], job["progress"]) == ("running", "decode", 0.5)
    assert job["eta_s"] >= 0
    assert job["started_at"] >= job["created_at"]
    assert (job["finished_at"], job["shapes"], job["error"]) == (None, [], None)


async def test_cancel_queued_and_running(
    client: httpx.AsyncClient, worker: FakeWorker, own_queue: JobQueue
) -> None:
    worker.open.clear()
    running, queued = await submitted(client, 2)
    await asyncio.wait_for(worker.running.wait(), 30)
    response = await client.delete(f"/jobs/{queued}")
    assert (response.status_code, response.json()["state"]) == (200, "canceled")
    worker.heeding.clear()
    response = await client.delete(f"/jobs/{running}")
    told = response.json()
    assert (response.status_code, told["state"]) == (202, "running")
    assert told["cancel_requested"]
    worker.heeding.set()
    async with JobWaiters(own_queue) as waiters:
        assert (await waiters.wait(running, 30)).state is JobState.CANCELED
    response = await client.delete(f"/jobs/{running}")
    assert (response.status_code, response.json()["code"]) == (409, "job_final")


async def test_a_caller_waiting_for_a_canceled_job_is_told(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    call = asyncio.create_task(client.post("/generate"))
    await asyncio.wait_for(worker.running.wait(), 30)
    await client.delete(f"/jobs/{worker.seen[0].id}")
    response = await call
    assert (response.status_code, response.json()["code"]) == (499, "canceled")


async def test_unknown_jobs(client: httpx.AsyncClient) -> None:
    for method in ("GET", "DELETE"):
        response = await client.request(method, "/jobs/job_none")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
