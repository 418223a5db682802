"""``Idempotency-Key``: same key and request, same job."""

from __future__ import annotations

import httpx

from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, sphere_bytes


async def test_idempotency(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = await client.post("/generate?category=table", headers=headers)
    again = await client.post("/generate?category=table", headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = await client.post("/generate?category=chair", headers=headers)
    assert code_of(other) == (422, "idempotency_conflict")
    assert len(worker.seen) == 1


async def test_idempotency_covers_the_body(
    client: httpx.AsyncClient, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    headers = {"Idempotency-Key": "mesh-1"}
    first, again = [
        await client.post("/encode", content=sphere_bytes(), headers=headers) for _ in range(2)
    ]
    assert again.json()["id"] == first.json()["id"]
    other = await client.post("/encode", content=sphere_bytes(center=(0, 0, 0)), headers=headers)
    assert code_of(other) == (422, "idempotency_conflict")
    # Inputs of requests that made no job are not left behind.
    folder = blobs._root / "inputs"
    assert {file.stem for file in folder.glob("*.npy")} >= {first.json()["id"]}
    assert again.json()["id"] in {job.id for job in worker.seen}
