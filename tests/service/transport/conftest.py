"""A real gateway with both skins for this folder; an empty queue and a fake worker each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc.aio
import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.gateway.grpc.server import GrpcServer
from service.gateway.state import Gateway
from service.settings import GatewaySettings
from tests.service.gateway.conftest import blobs as blobs
from tests.service.gateway.conftest import own_queue as own_queue
from tests.service.gateway.conftest import running_gateway
from tests.service.gateway.conftest import worker as worker
from tests.service.transport.drivers import GrpcDriver, RestDriver


@pytest.fixture(scope="package")
def settings(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> GatewaySettings:
    return GatewaySettings(
        redis_url=redis_server,
        data_dir=tmp_path_factory.mktemp("transport"),
        grpc_port=0,
        max_upload_bytes=2**20,
        max_faces=20_000,
        ingest_processes=1,
        wait_s=10,
        queue_cap=5,
        tenant_cap=5,
    )


@pytest.fixture(scope="package")
def addresses(settings: GatewaySettings) -> Iterator[tuple[str, str]]:
    """REST's URL and gRPC's target, of one gateway in a thread of its own."""
    opened: list[GrpcServer] = []

    def beside(gateway: Gateway) -> GrpcServer:
        opened.append(GrpcServer(gateway))
        return opened[0]

    with running_gateway(settings, beside=beside) as url:
        yield url, f"127.0.0.1:{opened[0].port}"


@pytest_asyncio.fixture
async def channel(redis: Redis, addresses: tuple[str, str]) -> AsyncIterator[grpc.aio.Channel]:
    """Speaks gRPC to the gateway; the queue is empty."""
    async with grpc.aio.insecure_channel(addresses[1]) as channel:
        yield channel


@pytest.fixture
def over_grpc(channel: grpc.aio.Channel) -> GrpcDriver:
    return GrpcDriver(channel)


@pytest_asyncio.fixture
async def over_rest(redis: Redis, addresses: tuple[str, str]) -> AsyncIterator[RestDriver]:
    async with httpx.AsyncClient(base_url=addresses[0], timeout=20) as client:
        yield RestDriver(client)


@pytest.fixture(params=["rest", "grpc"])
def skin(
    request: pytest.FixtureRequest, over_rest: RestDriver, over_grpc: GrpcDriver
) -> RestDriver | GrpcDriver:
    """Each of the two, in turn."""
    return over_rest if request.param == "rest" else over_grpc


@pytest.fixture
def both(over_rest: RestDriver, over_grpc: GrpcDriver) -> tuple[RestDriver, GrpcDriver]:
    return over_rest, over_grpc
