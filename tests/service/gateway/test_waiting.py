"""How submissions wait for their jobs, and say so."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from service.errors import EmptySurface
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated


async def test_respond_async(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    response = await client.post("/generate", headers={"Prefer": "respond-async"})
    job = response.json()
    assert response.status_code == 202
    assert job["state"] in ("queued", "running")
    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["preference-applied"] == "respond-async"
    worker.open.set()


async def test_a_wait_that_is_too_short(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    response = await client.post(
        "/generate", headers={"Prefer": "wait=1", "Accept": "model/gltf-binary"}
    )
    assert response.status_code == 202
    assert response.json()["state"] == "running"
    assert response.headers["preference-applied"] == "wait=1"


async def test_a_failed_job_answers_with_its_own_error(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.failure = EmptySurface("No surface.", suggestion="Another seed.")
    response = await client.post("/generate?category=table")
    assert code_of(response) == (422, "empty_surface")
    assert response.headers["preference-applied"] == "wait=10"
    problem = response.json()
    assert problem["job"] == worker.seen[0].id
    assert (problem["detail"], problem["suggestion"]) == ("No surface.", "Another seed.")
    job = (await client.get(f"/jobs/{problem['job']}")).json()
    assert (job["state"], job["error"]["code"]) == ("failed", "empty_surface")


@pytest.mark.parametrize("key", [None, "k1"])
async def test_a_caller_who_leaves_cancels_unless_there_is_a_key(
    client: httpx.AsyncClient, worker: FakeWorker, own_queue: JobQueue, key: str | None
) -> None:
    worker.open.clear()
    headers = {"Idempotency-Key": key} if key else {}
    call = asyncio.create_task(client.post("/generate?seed=1", headers=headers))
    await asyncio.wait_for(worker.running.wait(), 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if key:
        await asyncio.sleep(0.2)
        worker.open.set()
    async with JobWaiters(own_queue) as waiters:
        ended = await waiters.wait(worker.seen[0].id, 30)
    assert ended.state is (JobState.SUCCEEDED if key else JobState.CANCELED)


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/generate", {}, b"", 503),
        ("/generate?colour=red", {}, b"", 422),
        ("/v1/decode?steps=8", {}, b"", 422),
        ("/resample?keep_level=1", {}, b"", 422),
        ("/generate", {"Accept": "text/html"}, b"", 406),
        ("/generate", {"Idempotency-Key": ""}, b"", 422),
        ("/generate", {"Origin": "https://page.example"}, b"", 403),
        ("/generate", {"Host": "page.example"}, b"", 421),
        ("/encode", {}, b"", 400),
        ("/encode", {}, bytes(2**20 + 1), 413),
        ("/encode", {"Content-Type": "multipart/form-data"}, b"nonsense", 400),
    ],
)
async def test_refusals_tell_how_prefer_was_taken(
    client: httpx.AsyncClient, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    for prefer, applied in [("wait=7", "wait=7"), ("return=minimal", "wait=10")]:
        response = await client.post(path, headers={"Prefer": prefer, **headers}, content=body)
        assert response.status_code == status, response.text
        assert response.headers["preference-applied"] == applied


async def test_what_is_not_understood_of_prefer_is_ignored_and_long_waits_are_cut(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    for prefer, applied in [("wait=soon", "wait=10"), ("wait=3600", "wait=60")]:
        response = await client.post("/generate", headers={"Prefer": prefer})
        assert response.status_code == 200
        assert response.headers["preference-applied"] == applied
    several = [("Prefer", "respond-async"), ("Prefer", "wait=9")]
    response = await client.post("/generate", headers=several)
    assert response.headers["preference-applied"] == "wait=9"


async def test_a_mesh_that_must_be_made_is_waited_for_like_a_submission(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    mesh = f"/shapes/{(await generated(client))['shapes'][0]['id']}/mesh"
    worker.open.clear()
    response = await client.get(f"{mesh}?resolution=32", headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"
    assert response.headers["location"] == response.json()["links"]["self"]
    assert int(response.headers["retry-after"]) >= 1
    worker.open.set()
    made = await client.get(f"{mesh}?resolution=48")
    assert (made.status_code, made.headers["preference-applied"]) == (200, "wait=10")
    worker.failure = EmptySurface("No surface.")
    failed = await client.get(f"{mesh}?resolution=64&target_faces=9")
    assert (failed.status_code, failed.headers["preference-applied"]) == (422, "wait=10")


async def test_what_does_not_wait_says_nothing_of_preferences(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    mesh = f"/shapes/{(await generated(client))['shapes'][0]['id']}/mesh"
    for path in (mesh, "/jobs", "/livez", "/generate", "/nothing"):
        response = await client.get(path, headers={"Prefer": "wait=5"})
        assert "preference-applied" not in response.headers, path


async def test_an_asynchronous_job_goes_on_when_its_caller_leaves(
    client: httpx.AsyncClient, worker: FakeWorker, own_queue: JobQueue, gateway_url: str
) -> None:
    worker.open.clear()
    async with httpx.AsyncClient(base_url=gateway_url) as caller:
        job = (await caller.post("/generate", headers={"Prefer": "respond-async"})).json()
    await asyncio.wait_for(worker.running.wait(), 30)
    worker.open.set()
    async with JobWaiters(own_queue) as waiters:
        assert (await waiters.wait(job["id"], 30)).state is JobState.SUCCEEDED
