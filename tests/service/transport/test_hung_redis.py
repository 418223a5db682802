"""A Redis that accepts connections and does not answer, as callers of both skins see it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.gateway.grpc.server import GrpcServer
from service.gateway.state import Gateway
from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServer
from service.jobqueue.queue import JobQueue
from service.jobs import QueueLimits
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from tests.service.frozen import deaf_server, frozen
from tests.service.gateway.conftest import running_gateway
from tests.service.gateway.fakeworker import MODEL, FakeWorker
from tests.service.jobqueue.worker import new_job
from tests.service.transport.drivers import GrpcDriver, Refusal, RestDriver

LIMIT_S = 0.3
FAR_LESS_THAN_RETRIES_S = 15.0


@pytest.fixture(autouse=True)
def patient_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the limit of a call ends it in time."""
    monkeypatch.setattr("service.jobqueue.connection._LONGEST_BLOCK_S", 60.0)


@contextmanager
def both_skins(redis_url: str, data_dir: Path, **changes: Any) -> Iterator[tuple[str, str]]:
    """REST's URL and gRPC's target, of a gateway that waits ``LIMIT_S`` for Redis."""
    fields = {"redis_timeout_s": LIMIT_S, "grpc_port": 0, "ingest_processes": 1} | changes
    settings = GatewaySettings(redis_url=redis_url, data_dir=data_dir, **fields)
    opened: list[GrpcServer] = []

    def beside(gateway: Gateway) -> GrpcServer:
        opened.append(GrpcServer(gateway))
        return opened[0]

    with running_gateway(settings, beside=beside) as url:
        yield url, f"127.0.0.1:{opened[0].port}"


async def all_events(skin: RestDriver | GrpcDriver, job_id: str, seen: list[Any]) -> None:
    async for event in skin.watch(job_id):
        seen.append(event)  # noqa: PERF401 - others look meanwhile


async def test_every_call_is_refused_in_time_and_may_be_made_again(tmp_path: Path) -> None:
    with deaf_server() as redis_url, both_skins(redis_url, tmp_path) as (url, target):
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            grpc.aio.insecure_channel(target) as channel,
        ):
            skins: list[Any] = [RestDriver(client), GrpcDriver(channel)]
            calls = [
                call
                for skin in skins
                for call in (
                    skin.submit("generate"),
                    skin.submit("decode", shape="shp_a"),
                    skin.job("job_a"),
                    skin.jobs(),
                    skin.cancel("job_a"),
                    all_events(skin, "job_a", []),
                    skin.tree("shp_a"),
                    skin.mesh("shp_a"),
                    skin.model(),
                )
            ]
            health: Any = HealthStub(channel)
            async with asyncio.timeout(FAR_LESS_THAN_RETRIES_S):
                answers = await asyncio.gather(*calls, return_exceptions=True)
                told = await health.Check(HealthCheckRequest())
                ready = await client.get("/readyz")
                assert (await client.get("/livez")).status_code == 200
    assert {type(answer) for answer in answers} == {Refusal}
    assert {(one.code, one.retry_after) for one in answers} == {  # type: ignore[union-attr]
        ("queue_unavailable", True)
    }
    assert told.status == HealthCheckResponse.NOT_SERVING
    assert (ready.status_code, ready.json()["code"]) == (503, "queue_unavailable")
    assert "retry-after" in ready.headers


async def test_readiness_is_told_sooner_than_calls_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.gateway.readiness._WITHIN_S", 0.1)
    with (
        deaf_server() as redis_url,
        both_skins(redis_url, tmp_path, redis_timeout_s=30) as (url, target),
    ):
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            grpc.aio.insecure_channel(target) as channel,
            asyncio.timeout(FAR_LESS_THAN_RETRIES_S),
        ):
            health: Any = HealthStub(channel)
            response = await client.get("/readyz")
            told = await health.Check(HealthCheckRequest())
    assert (response.status_code, response.json()["code"]) == (503, "queue_unavailable")
    assert "retry-after" in response.headers
    assert told.status == HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("frozen")) as server:
        yield server


@pytest.mark.parametrize("name", ["rest", "grpc"])
async def test_callers_find_their_job_when_it_answers_again(
    server: EmbeddedServer, tmp_path: Path, name: str
) -> None:
    redis = connect(server.url, 60)  # the test's worker only waits: test_hung_server has a real one
    await redis.flushall()
    queue = JobQueue(redis, QueueLimits())
    with both_skins(server.url, tmp_path, redis_timeout_s=1.0) as (url, target):
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            grpc.aio.insecure_channel(target) as channel,
        ):
            blobs = LocalBlobStore(GatewaySettings(data_dir=tmp_path).blob_dir)
            async with FakeWorker(queue, blobs, MODEL) as worker:
                skin: Any = RestDriver(client) if name == "rest" else GrpcDriver(channel)
                worker.open.clear()
                waiting = asyncio.create_task(skin.submit("generate", wait_s=2, key="mine"))
                await asyncio.wait_for(worker.running.wait(), 30)
                job_id = worker.seen[0].id
                seen: list[Any] = []
                watching = asyncio.create_task(all_events(skin, job_id, seen))
                while not seen:  # noqa: ASYNC110 - a driver tells nobody
                    await asyncio.sleep(0.01)
                with frozen(server):
                    with pytest.raises(Refusal) as caught:
                        async with asyncio.timeout(FAR_LESS_THAN_RETRIES_S):
                            await waiting
                    assert not watching.done()
                assert (caught.value.code, caught.value.job) == ("queue_unavailable", job_id)
                assert caught.value.retry_after
                worker.open.set()
                found = await skin.submit("generate", key="mine")
                assert (found["id"], found["state"]) == (job_id, "succeeded")
                await watching
                assert seen[-1].data == found
                assert len(worker.seen) == 1
    await redis.aclose()


async def test_an_event_stream_pings_while_nothing_answers(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.gateway.routes.events.PING_S", 0.1)
    redis = connect(server.url)
    await redis.flushall()
    job, _ = await JobQueue(redis, QueueLimits()).submit(new_job())
    with both_skins(server.url, tmp_path, redis_timeout_s=1.0) as (url, _):
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            client.stream("GET", f"/jobs/{job.id}/events") as stream,
        ):
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data"):
                pass
            with frozen(server):
                heard = [await anext(lines) for _ in range(20)]
            assert heard.count(": ping") >= 9
    await redis.aclose()
