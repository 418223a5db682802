"""A real gateway for this folder; an empty queue and a fake worker for each test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from redis.asyncio import Redis
from starlette.types import ASGIApp

from service.gateway.app import create_app
from service.gateway.protocol import ProblemProtocol
from service.jobqueue.queue import JobQueue
from service.jobs import QueueLimits
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import MODEL, FakeWorker

START_TIMEOUT_S = 30.0


@pytest.fixture(scope="package")
def settings(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> GatewaySettings:
    return GatewaySettings(
        redis_url=redis_server,
        data_dir=tmp_path_factory.mktemp("gateway"),
        max_upload_bytes=2**20,
        max_faces=20_000,
        ingest_processes=1,
        parse_timeout_s=10,
        wait_s=10,
        queue_cap=5,
        tenant_cap=5,
    )


@contextmanager
def running_gateway(settings: GatewaySettings, **options: Any) -> Iterator[str]:
    """Address of a gateway that runs in a thread of its own."""
    app = create_app(settings, asyncio.Event(), **options)
    config = uvicorn.Config(app, port=0, http=ProblemProtocol, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + START_TIMEOUT_S
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def unwrapped(app: ASGIApp) -> ASGIApp:
    return app


@asynccontextmanager
async def gateway_of_this_loop(
    settings: GatewaySettings,
    draining: asyncio.Event,
    wrap: Callable[[ASGIApp], ASGIApp] = unwrapped,
) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to a gateway that runs in the test's own loop, until ``draining`` is set."""
    app = create_app(settings, draining)
    transport = httpx.ASGITransport(wrap(app))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield client


@pytest.fixture
def lone_settings(settings: GatewaySettings, tmp_path: Path) -> GatewaySettings:
    """For a second gateway of the same queue."""
    return settings.model_copy(update={"data_dir": tmp_path})


@pytest.fixture(scope="package")
def gateway_url(settings: GatewaySettings) -> Iterator[str]:
    with running_gateway(settings) as url:
        yield url


@pytest_asyncio.fixture
async def client(redis: Redis, gateway_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the gateway; the queue is empty and knows of no worker."""
    async with httpx.AsyncClient(base_url=gateway_url, timeout=20) as client:
        yield client


@pytest.fixture
def own_queue(redis: Redis) -> JobQueue:
    """The test's own access to the gateway's queue."""
    return JobQueue(redis, QueueLimits())


@pytest.fixture
def blobs(settings: GatewaySettings) -> LocalBlobStore:
    """The gateway's blob store."""
    return LocalBlobStore(settings.blob_dir)


@pytest_asyncio.fixture
async def worker(own_queue: JobQueue, blobs: LocalBlobStore) -> AsyncIterator[FakeWorker]:
    async with FakeWorker(own_queue, blobs, MODEL) as worker:
        yield worker
