"""``POST /generate``: its job, its seeds, and why it cannot be done."""

from __future__ import annotations

import httpx

from service.jobqueue.queue import JobQueue
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import MODEL, FakeWorker
from tests.service.gateway.wire import code_of, generated


async def test_generate_waits_and_answers_with_the_job(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    response = await client.post("/generate?category=table&seed=7&n=2")
    job = response.json()
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=10"
    assert (job["state"], job["progress"], job["object"]) == ("succeeded", 1.0, "job")
    assert [shape["seed"] for shape in job["shapes"]] == [7, 8]
    assert job["model"]["weights_sha256"] == MODEL["weights_sha256"]
    assert job["input"] == {
        "category": "table",
        "seed": 7,
        "n": 2,
        "steps": 4,
        "guidance": 1.5,
        "resolution": 64,
        "format": "glb",
        "exhaustive": False,
    }
    assert worker.seen[0].batch_key == f"generate/{'ab' * 8}/steps=4/guidance=1.5/resolution=64"


async def test_a_seed_is_chosen_and_told(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    jobs = [(await client.post("/generate?category=table")).json() for _ in range(2)]
    seeds = [job["shapes"][0]["seed"] for job in jobs]
    assert seeds[0] != seeds[1]
    assert all(job["input"]["seed"] == seed < 2**53 for job, seed in zip(jobs, seeds, strict=True))


async def test_seeds_wrap_at_the_largest(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    job = await generated(client, seed=2**64 - 1, n=2)
    assert [shape["seed"] for shape in job["shapes"]] == [2**64 - 1, 0]


async def test_known_categories_are_listed(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    problem = (await client.post("/generate?category=unicorn")).json()
    assert "table, chair" in problem["suggestion"]


async def test_generate_takes_no_body(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/generate", json={"category": "table"})
    assert code_of(response) == (400, "malformed_request")
    assert "query string" in response.json()["suggestion"]


async def test_no_model_is_known_yet(client: httpx.AsyncClient) -> None:
    response = await client.post("/generate?category=table")
    assert code_of(response) == (503, "no_worker")
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["retryable"]


async def test_a_model_without_cascade_cannot_generate(
    client: httpx.AsyncClient, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    async with FakeWorker(own_queue, blobs, MODEL | {"can": ["encode", "decode"]}):
        response = await client.post("/generate")
    assert code_of(response) == (409, "capability_missing")
    assert "has no diffusion cascade" in response.json()["detail"]
    assert "decode, encode" in response.json()["suggestion"]


async def test_a_full_queue(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    headers = {"Prefer": "respond-async"}
    accepted = [await client.post("/generate", headers=headers) for _ in range(5)]
    assert {response.status_code for response in accepted} == {202}
    refused = await client.post("/generate", headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
