"""What needs no key cannot take the server from those who have one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from service.errors import NoWorker, RateLimited
from service.gateway.grpc.health import Health
from service.gateway.grpc.interceptors import SERVICE
from service.gateway.streams import OpenStreams
from service.gateway.submission import Call
from service.settings import GatewaySettings
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.transport.drivers import Refusal, refusal_of_call
from tests.service.transport.test_limits import ALICE, gateway, keys

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
HEALTH = "grpc.health.v1.Health"


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of_call(caught.value)


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def wordless(channel: grpc.aio.Channel, method: str, metadata: Any = ()) -> Any:
    """A call whose message never comes."""
    return channel.stream_unary(method)(silence(), metadata=metadata)


async def test_nobody_holds_all_calls_by_watching_health(
    settings: GatewaySettings, worker: FakeWorker
) -> None:
    async with gateway(settings, stream_cap=2, api_keys=keys()) as callers:
        health: Any = HealthStub(callers.channel)
        reflection: Any = ServerReflectionStub(callers.channel)
        watching = health.Watch(HealthCheckRequest())
        assert (await anext(aiter(watching))).status == SERVING
        questions = reflection.ServerReflectionInfo()
        await questions.write(ServerReflectionRequest(list_services=""))
        assert (await questions.read()).list_services_response.service

        for call in (
            anext(aiter(health.Watch(HealthCheckRequest()))),
            reflection.ServerReflectionInfo().read(),
        ):
            refusal = await refusal_of(call)
            assert (refusal.code, refusal.retry_after) == ("rate_limited", True)
        assert (await health.Check(HealthCheckRequest())).status == SERVING
        assert (await callers.grpc(ALICE))[0] == "ok"

        await questions.done_writing()
        assert await questions.read() is grpc.aio.EOF
        assert (await anext(aiter(health.Watch(HealthCheckRequest())))).status == SERVING
        watching.cancel()


async def test_who_has_no_key_holds_no_call_by_not_sending_its_message(
    settings: GatewaySettings,
) -> None:
    async with gateway(settings, upload_timeout_s=0.2, api_keys=keys()) as callers:
        own = f"/{SERVICE}/ListJobs"
        assert (await refusal_of(wordless(callers.channel, own))).code == "unauthenticated"
        refusal = await refusal_of(wordless(callers.channel, own, (("x-api-key", ALICE),)))
        assert refusal.code == "malformed_request"
        assert "0.2 seconds" in refusal.detail


async def test_a_probe_without_its_message_is_given_up_and_counted(
    settings: GatewaySettings, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.gateway.grpc.interceptors._KEYLESS_MESSAGE_S", 0.5)
    async with gateway(settings, stream_cap=1) as callers:
        held = wordless(callers.channel, f"/{HEALTH}/Check")
        await held.initial_metadata()
        health: Any = HealthStub(callers.channel)
        assert (await refusal_of(health.Check(HealthCheckRequest()))).code == "rate_limited"
        assert (await refusal_of(held)).code == "malformed_request"
        assert (await health.Check(HealthCheckRequest())).status == SERVING


@pytest.mark.parametrize("method", [f"/{SERVICE}/ListJobs", f"/{HEALTH}/Check"])
async def test_a_message_that_is_no_protobuf_is_refused_as_such(
    channel: grpc.aio.Channel, method: str
) -> None:
    refusal = await refusal_of(channel.unary_unary(method)(b"\xff\xff"))
    assert refusal.code == "malformed_request"
    assert method.rpartition("/")[2] in refusal.detail
    refusal = await refusal_of(channel.stream_unary(method)(iter(())))
    assert refusal.code == "malformed_request"


def test_streams_have_a_limit_of_each_caller_and_one_of_all() -> None:
    streams = OpenStreams(2, in_all=3)
    one, two, three = (Call(peer=f"10.0.0.{number}") for number in range(3))
    with streams.opened(one), streams.opened(one), streams.opened(two):
        for call, found in ((one, "This caller has 2"), (two, "There are 3"), (three, "There are")):
            with pytest.raises(RateLimited, match=found), streams.opened(call):
                pass
    with streams.opened(three), streams.opened(three):
        pass


async def test_all_watchers_of_health_share_their_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    watchers, looks, ready = 20, 0, True

    async def check_ready(_queue: object) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        if not ready:
            raise NoWorker("No worker is alive.")

    monkeypatch.setattr("service.gateway.grpc.health.check_ready", check_ready)
    monkeypatch.setattr("service.gateway.grpc.health._LOOK_S", 0.2)
    state: Any = SimpleNamespace(draining=asyncio.Event(), queue=None)
    health, context = Health(state), SimpleNamespace()
    watches = [aiter(health.Watch(HealthCheckRequest(), context)) for _ in range(watchers)]  # type: ignore[arg-type]
    first = await asyncio.gather(*(anext(watch) for watch in watches))
    ready, looks = False, 0
    second = await asyncio.gather(*(anext(watch) for watch in watches))
    assert [{answer.status for answer in told} for told in (first, second)] == [
        {SERVING},
        {NOT_SERVING},
    ]
    assert 1 <= looks < watchers / 2
    state.draining.set()
    assert [[answer async for answer in watch] for watch in watches] == [[]] * watchers
