"""One embedded server for the whole run, emptied for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServer
from service.jobqueue.queue import JobQueue
from service.jobs import QueueLimits


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the session's server; tests take ``redis`` or ``queue`` instead, which empty it."""
    folder: Path = tmp_path_factory.mktemp("embedded")
    with EmbeddedServer(folder) as server:
        yield server.url


@pytest_asyncio.fixture
async def redis(redis_server: str) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    client = connect(redis_server)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def limits() -> QueueLimits:
    """Small caps, a lease that does not run out on a busy machine, and retries at once."""
    return QueueLimits(queue_cap=20, tenant_cap=5, lease_ms=15_000, retry_pause_ms=0)


@pytest.fixture
def queue(redis: Redis, limits: QueueLimits) -> JobQueue:
    """A queue on an empty server."""
    return JobQueue(redis, limits)
