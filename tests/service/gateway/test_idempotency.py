"""``Idempotency-Key``: same key and request, same job."""

from __future__ import annotations

import httpx
import pytest
from safetensors.numpy import save

from model.latentfile import LatentFile
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated, latents_bytes, sphere_bytes


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


async def test_every_operation_takes_a_key(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    for path, content in [("/resample?seed=1", latents_bytes()), ("/decode", latents_bytes())]:
        headers = {"Idempotency-Key": f"key-of-{path}"}
        first = await client.post(path, content=content, headers=headers)
        again = await client.post(path, content=content, headers=headers)
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["idempotent-replayed"] == "true"
        other = await client.post(f"{path.partition('?')[0]}?resolution=32", headers=headers)
        assert other.status_code == 422
    assert len(worker.seen) == 2


async def test_a_key_holds_for_downloaded_latents(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    (shape,) = (await generated(client))["shapes"]
    file = LatentFile.from_bytes((await client.get(f"/shapes/{shape['id']}/latents")).content)
    file.levels[1][0, 0] += 1  # so that it is no shape that the server has
    levels = {f"level{level}": vectors for level, vectors in file.levels.items()}
    for path in ("/resample?seed=1", "/decode"):
        headers = {"Idempotency-Key": f"key-of-{path}"}
        # The library writes equal metadata in any order.
        bodies = [save(levels, metadata=dict(file.metadata)) for _ in range(2)]
        first, again = [await client.post(path, content=body, headers=headers) for body in bodies]
        assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_a_length(client: httpx.AsyncClient, worker: FakeWorker, key: str) -> None:
    response = await client.post("/generate", headers={"Idempotency-Key": key})
    assert code_of(response) == (422, "invalid_parameter")
    assert response.json()["param"] == "Idempotency-Key"
    assert worker.seen == []
