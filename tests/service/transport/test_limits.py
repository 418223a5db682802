"""Limits of each caller over the wire: rates, what is left of them, open streams."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo
from grpc_status import rpc_status
from redis.asyncio import Redis

from service.gateway.grpc.metadata import peer_address
from service.gateway.grpc.server import GrpcServer
from service.gateway.ingest import MeshIngest
from service.gateway.state import Gateway
from service.gateway.streams import OpenStreams
from service.pb import lagem_pb2 as pb
from service.pb.lagem_pb2_grpc import LagemServiceStub
from service.settings import GatewaySettings
from tests.service.gateway.conftest import running_gateway
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.drivers import encode_messages, refusal_of_call
from tests.service.transport.plain import enum_name

ALICE, BOB = "alice-has-a-long-key", "bob-has-a-long-key"
Parts = Callable[..., AsyncIterator[Any]]
RATE = 60
"""A minute: a caller who has used it up waits for a second."""


def keys() -> str:
    digests = {name: hashlib.sha256(key.encode()) for name, key in (("alice", ALICE), ("bob", BOB))}
    return ",".join(f"{name}:sha256:{digest.hexdigest()}" for name, digest in digests.items())


class Callers:
    """REST and gRPC of one gateway, for callers by key."""

    def __init__(
        self, client: httpx.AsyncClient, channel: grpc.aio.Channel, gateway: Gateway
    ) -> None:
        self.client = client
        self.channel = channel
        self.gateway = gateway
        self.stub: Any = LagemServiceStub(channel)

    async def rest(self, key: str) -> tuple[str, dict[str, str]]:
        """A code and the header fields of a submission."""
        response = await self.client.post("/generate", headers={"X-API-Key": key})
        return response.json().get("code", "ok"), dict(response.headers)

    async def grpc(self, key: str) -> tuple[str, dict[str, str]]:
        """A code and the trailing metadata of a submission."""
        call = self.stub.Generate(pb.GenerateRequest(), metadata=(("x-api-key", key),))
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return refusal_of_call(error).code, dict(iter(await call.trailing_metadata()))
        return "ok", dict(iter(await call.trailing_metadata()))


@asynccontextmanager
async def gateway(settings: GatewaySettings, **changes: Any) -> AsyncIterator[Callers]:
    fields = {name: getattr(settings, name) for name in settings.model_fields_set}
    opened: list[GrpcServer] = []
    streams: list[OpenStreams] = []

    def beside(gateway: Gateway) -> GrpcServer:
        streams.append(gateway.streams)
        opened.append(GrpcServer(gateway))
        return opened[0]

    own = GatewaySettings(**(fields | changes))
    with running_gateway(own, beside=beside) as url:
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            grpc.aio.insecure_channel(f"127.0.0.1:{opened[0].port}") as channel,
        ):
            yield Callers(client, channel, opened[0]._gateway)


async def use_up(redis: Redis, tenant: str, seconds_ago: int) -> None:
    """Empty a bucket; where that was in the future, nothing comes back meanwhile."""
    now_s, _ = await redis.time()
    at_ms = (now_s - seconds_ago) * 1000
    await redis.hset(f"lg:rate:{tenant}", mapping={"tokens": "0", "at_ms": at_ms})


@pytest.mark.parametrize("skin", ["rest", "grpc"])
async def test_who_is_too_fast_is_refused_and_after_the_told_wait_accepted(
    settings: GatewaySettings, redis: Redis, worker: FakeWorker, skin: str
) -> None:
    async with gateway(settings, api_keys=keys(), rate=RATE) as callers:
        submit = getattr(callers, skin)
        assert (await submit(BOB))[0] == "ok"
        await use_up(redis, "bob", seconds_ago=-3600)
        code, told = await submit(BOB)
        assert code == "rate_limited"
        wait_s = int(told["retry-after"]) if skin == "rest" else await told_delay_s(callers, BOB)
        assert wait_s == 1
        assert (await submit(ALICE))[0] == "ok"  # it is nobody else's limit
        await use_up(redis, "bob", seconds_ago=wait_s)
        assert (await submit(BOB))[0] == "ok"


async def test_who_is_too_fast_need_not_send_a_mesh(
    settings: GatewaySettings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.gateway.grpc.interceptors._LINGER_S", 0.1)

    async def stalled() -> AsyncIterator[pb.EncodeRequest]:
        yield pb.EncodeRequest(options=pb.EncodeOptions())
        await asyncio.Event().wait()

    async with gateway(settings, api_keys=keys(), rate=1) as callers:
        await use_up(redis, "bob", seconds_ago=0)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callers.stub.Encode(stalled(), metadata=(("x-api-key", BOB),))
    assert refusal_of_call(caught.value).code == "rate_limited"


async def told_delay_s(callers: Callers, key: str) -> int:
    """What ``RetryInfo`` says, in a refusal whose ``QuotaFailure`` names the caller."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await callers.stub.Generate(pb.GenerateRequest(), metadata=(("x-api-key", key),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    failure, retry = QuotaFailure(), RetryInfo()
    assert any(detail.Unpack(failure) for detail in status.details)
    assert any(detail.Unpack(retry) for detail in status.details)
    (violation,) = failure.violations
    assert violation.subject == "caller:bob"
    assert f"{RATE} requests a minute" in violation.description
    return retry.retry_delay.seconds


async def test_both_skins_tell_what_is_left_also_when_they_refuse(
    settings: GatewaySettings, redis: Redis, worker: FakeWorker
) -> None:
    policy = f'"submissions";q={RATE};w=60, "live-jobs";q=5;qu="concurrent-requests"'
    async with gateway(settings, api_keys=keys(), rate=RATE) as callers:
        for submit in (callers.rest, callers.grpc):
            await redis.flushall()
            code, told = await submit(ALICE)
            assert code == "no_worker"
            assert told["ratelimit-policy"] == policy
            assert told["ratelimit"].startswith(f'"submissions";r={RATE - 1};t=')
            assert told["ratelimit"].endswith('"live-jobs";r=5')
        code, told = await callers.grpc("no-key-of-this-server")
        assert (code, "ratelimit" in told) == ("unauthenticated", False)


async def waiting_job(callers: Callers, key: str = "") -> str:
    headers = {"Prefer": "respond-async"} | ({"X-API-Key": key} if key else {})
    return (await callers.client.post("/generate", headers=headers)).json()["id"]


async def test_nobody_takes_all_streams(settings: GatewaySettings, worker: FakeWorker) -> None:
    worker.open.clear()
    async with gateway(settings, stream_cap=2) as callers:
        job_id = await waiting_job(callers)
        request = pb.WatchJobRequest(id=job_id)
        path = f"/jobs/{job_id}/events"
        watching = callers.stub.WatchJob(request)
        assert (await anext(aiter(watching))).job.id == job_id
        async with callers.client.stream("GET", path) as events:
            assert events.status_code == 200
            refused = await callers.client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert "2 open streams" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) >= 1
            for call in (
                anext(aiter(callers.stub.WatchJob(request))),
                callers.stub.Encode(encode_messages(sphere_bytes())),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                refusal = refusal_of_call(caught.value)
                assert (refusal.code, refusal.retry_after) == ("rate_limited", True)
            assert (await callers.client.get(f"/jobs/{job_id}")).status_code == 200
            watching.cancel()
            await until_status(callers, "", job_id, 200)
        worker.open.set()


async def until_status(callers: Callers, key: str, job_id: str, status: int) -> None:
    """Open event streams until one is answered so."""
    headers = {"X-API-Key": key} if key else {}
    async with asyncio.timeout(30):
        while True:
            async with callers.client.stream(
                "GET", f"/jobs/{job_id}/events", headers=headers
            ) as events:
                if events.status_code == status:
                    return
            await asyncio.sleep(0.02)


async def encode(callers: Callers, skin: str, parts: Parts) -> str:
    """What Alice is told of a mesh that she sends in these parts, when its job has ended."""
    data = sphere_bytes()
    if skin == "rest":
        headers = {"X-API-Key": ALICE, "Prefer": "wait=30"}
        body = parts(data[:100], data[100:])
        return (await callers.client.post("/encode", content=body, headers=headers)).text
    messages = parts(*encode_messages(data, wait_s=30))
    reply = await callers.stub.Encode(messages, metadata=(("x-api-key", ALICE),))
    return enum_name(pb.JobState, reply.job.state)


@pytest.mark.parametrize("skin", ["rest", "grpc"])
async def test_an_upload_counts_until_it_is_read_and_a_keys_streams_are_its_own(
    settings: GatewaySettings,
    worker: FakeWorker,
    skin: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker.open.clear()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    half_sent, sent, reading, read = (threading.Event() for _ in range(4))

    async def slowly(first: Any, *rest: Any) -> AsyncIterator[Any]:
        yield first
        half_sent.set()
        await asyncio.to_thread(sent.wait)
        for part in rest:
            yield part

    async def read_slowly(self: MeshIngest, *args: Any, **options: Any) -> Any:
        reading.set()
        await asyncio.to_thread(read.wait)
        return await actual(self, *args, **options)

    actual = MeshIngest.read
    monkeypatch.setattr(MeshIngest, "read", read_slowly)
    async with (
        gateway(settings, stream_cap=1, api_keys=keys()) as callers,
        at_last(sent.set, read.set, worker.open.set),
    ):
        jobs = {key: await waiting_job(callers, key) for key in (ALICE, BOB)}

        encoded = asyncio.create_task(encode(callers, skin, slowly))
        await asyncio.to_thread(half_sent.wait)
        async with asyncio.timeout(5):
            while True:
                if callers.gateway.streams._open["alice"]:
                    break
                await asyncio.sleep(0.01)
        await until_status(callers, ALICE, jobs[ALICE], 429)
        await until_status(callers, BOB, jobs[BOB], 200)
        sent.set()
        await asyncio.to_thread(reading.wait)
        await until_status(callers, ALICE, jobs[ALICE], 429)
        assert len(uploads_in(tmp_path)) == 1
        read.set()
        await until_status(callers, ALICE, jobs[ALICE], 200)
        assert uploads_in(tmp_path) == []
        assert not encoded.done()
        worker.open.set()
        assert "succeeded" in await encoded


@asynccontextmanager
async def at_last(*releases: Callable[[], None]) -> AsyncIterator[None]:
    """So that a test that fails ends."""
    try:
        yield
    finally:
        for release in releases:
            release()


def uploads_in(folder: Path) -> list[Path]:
    return list(folder.glob("lagem-upload-*"))


async def test_an_upload_beyond_the_streams_is_refused_unread_over_rest(
    settings: GatewaySettings, worker: FakeWorker
) -> None:
    worker.open.clear()
    async with gateway(settings, stream_cap=1) as callers:
        job_id = await waiting_job(callers)
        async with callers.client.stream("GET", f"/jobs/{job_id}/events"):
            refused = await callers.client.post("/encode", content=sphere_bytes())
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            later = {"Prefer": "respond-async"}
            bodiless = await callers.client.post("/generate", headers=later)
            assert bodiless.status_code == 202
            unknown = await callers.client.post("/decode?shape=shp_none", headers=later)
            assert unknown.status_code == 404  # without a body there is nothing to count
        worker.open.set()


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[fe80::2]:80", "fe80::2"),
        ("unix:/tmp/x.sock", "unix:/tmp/x.sock"),
    ],
)
def test_a_peer_has_the_address_that_rest_sees(peer: str, address: str) -> None:
    assert peer_address(peer) == address
