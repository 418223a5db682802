"""How long things are kept, and what callers are told of it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from service.gateway.upkeep import Upkeep
from service.jobqueue.queue import JobQueue
from service.jobs import new_id
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from service.store.refs import mesh_ref
from service.telemetry import GatewayMetrics
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated

DAY_MS = 24 * 3600 * 1000


def seconds_left(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


def made_days_ago(kind: str, days: float) -> str:
    return new_id(kind, now_ms=int(time.time() * 1000 - days * DAY_MS))  # type: ignore[arg-type]


async def test_jobs_meshes_and_latents_tell_when_they_expire(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    job = await generated(client)
    (made,) = job["shapes"]
    assert seconds_left(job["expires_at"]) == pytest.approx(24 * 3600, abs=60)
    # The fake worker keeps shapes for an hour, meshes for a minute.
    assert seconds_left(made["expires_at"]) == pytest.approx(3600, abs=30)
    assert seconds_left(made["mesh"]["expires_at"]) == pytest.approx(60, abs=30)
    shape = (await client.get(f"/shapes/{made['id']}")).json()
    assert seconds_left(shape["expires_at"]) == pytest.approx(3600, abs=30)
    assert shape["mesh"]["expires_at"] == made["mesh"]["expires_at"]


async def test_a_live_job_does_not_expire(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    job = (await client.post("/generate", headers={"Prefer": "respond-async"})).json()
    assert job["expires_at"] is None
    worker.open.set()


async def test_a_new_mesh_of_a_shape_tells_its_own_end_alone(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    shape_id = (await generated(client))["shapes"][0]["id"]
    (made,) = (await client.post(f"/decode?shape={shape_id}&resolution=32")).json()["shapes"]
    assert made["expires_at"] is None
    assert seconds_left(made["mesh"]["expires_at"]) > 0


async def test_an_expired_mesh_is_made_again(
    client: httpx.AsyncClient, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    (made,) = (await generated(client))["shapes"]
    options = {
        name: made["mesh"][name]
        for name in ("resolution", "target_faces", "exhaustive", "space", "format")
    }
    path = f"/shapes/{made['id']}/mesh"
    first = await client.get(path)
    await blobs.delete(mesh_ref(made["id"], **options))
    assert (await client.get(path)).content == first.content
    assert [job.operation for job in worker.seen] == ["generate", "decode"]
    assert await blobs.exists(mesh_ref(made["id"], **options))


async def expired_shape(client: httpx.AsyncClient, redis: Redis) -> str:
    """A shape whose record is gone, as Redis lets it go."""
    made = (await client.post("/generate?category=table")).json()["shapes"][0]
    assert await redis.delete(f"lg:shape:{made['id']}") == 1
    return str(made["id"])


@pytest.mark.parametrize("part", ["", "/mesh", "/latents", "/tree"])
async def test_an_expired_shape_says_so(
    client: httpx.AsyncClient, worker: FakeWorker, redis: Redis, part: str
) -> None:
    old = await expired_shape(client, redis)
    response = await client.get(f"/shapes/{old}{part}")
    assert code_of(response) == (404, "not_found")
    assert "has expired, at 20" in response.json()["detail"]
    unknown = (await client.get(f"/shapes/shp_none{part}")).json()
    assert unknown["detail"] == "There is no shape 'shp_none'."


async def test_operations_on_an_expired_shape_say_so(
    client: httpx.AsyncClient, worker: FakeWorker, redis: Redis
) -> None:
    old = await expired_shape(client, redis)
    for path in ("/decode", "/resample"):
        response = await client.post(f"{path}?shape={old}")
        assert code_of(response) == (404, "not_found")
        assert "has expired" in response.json()["detail"]
        assert response.json()["param"] == "shape"


async def test_an_expired_job_says_so(client: httpx.AsyncClient) -> None:
    old, young = made_days_ago("job", 2), made_days_ago("job", 0.5)
    for method, part in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        response = await client.request(method, f"/jobs/{old}{part}")
        assert code_of(response) == (404, "not_found")
        assert "has expired" in response.json()["detail"]
        assert response.json()["detail"].endswith("and is kept for 24 hours.")
    assert "expired" not in (await client.get(f"/jobs/{young}")).json()["detail"]


async def test_idempotency_keys_last_a_day(
    client: httpx.AsyncClient, worker: FakeWorker, redis: Redis
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = (await client.post("/generate?seed=7", headers=headers)).json()["id"]
    (key,) = await redis.keys("lg:idem:*")
    assert DAY_MS - 60_000 < await redis.pttl(key) <= DAY_MS
    await redis.delete(key)
    again = (await client.post("/generate?seed=7", headers=headers)).json()["id"]
    assert again != first


async def test_each_kind_of_file_has_a_life_of_its_own(own_queue: JobQueue, tmp_path: Path) -> None:
    settings = GatewaySettings(
        data_dir=tmp_path, job_retention_s=100, mesh_retention_s=200, latents_retention_s=300
    )
    blobs = LocalBlobStore(settings.blob_dir)
    kept = {"inputs": (50, 150), "meshes": (150, 250), "latents": (250, 350)}
    for folder, ages in kept.items():
        for age in ages:
            await blobs.put(f"{folder}/{age}", b"x")
            then = time.time() - age
            os.utime(settings.blob_dir / folder / str(age), (then, then))
    metrics = GatewayMetrics(CollectorRegistry(), version="0")
    await Upkeep(own_queue, blobs, metrics, settings).sweep()
    for folder, (young, old) in kept.items():
        assert await blobs.exists(f"{folder}/{young}")
        assert not await blobs.exists(f"{folder}/{old}")
