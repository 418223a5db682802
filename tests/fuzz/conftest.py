"""One gateway and one worker for all of these tests; what must hold afterwards, for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.errors import ServiceError
from service.gateway.ingest import IngestedMesh, MeshIngest
from service.gateway.limits import IngestLimits
from service.jobqueue.embedded import EmbeddedServer
from tests.fuzz.gateway import Gateway, running_gateway, running_worker

LIMITS = IngestLimits(
    max_bytes=4 * 2**20, max_faces=20_000, memory_bytes=256 * 2**20, timeout_s=10.0
)

Reader = Callable[[bytes, str | None], IngestedMesh | ServiceError]


@pytest.fixture(scope="package")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("fuzz")
    with (
        EmbeddedServer(tmp_path_factory.mktemp("server")) as server,
        running_worker(server.url, folder),
        running_gateway(server.url, folder, repo_root) as gateway,
    ):
        yield gateway


@pytest.fixture(scope="module")
def checked_gateway(shared_gateway: Gateway) -> Iterator[Gateway]:
    yield shared_gateway
    shared_gateway.check(readers=True)


@pytest.fixture
def gateway(checked_gateway: Gateway) -> Iterator[Gateway]:
    """The gateway; when the test has ended, all must be well."""
    yield checked_gateway
    checked_gateway.check()


@pytest.fixture(scope="package")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The pool of mesh readers: bytes and a hint to a mesh or a typed error; the rest raises."""
    path = tmp_path_factory.mktemp("reader") / "upload"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ingest = MeshIngest(LIMITS, processes=1)

    async def read(data: bytes, hint: str | None) -> IngestedMesh | ServiceError:
        path.write_bytes(data)
        try:
            return await ingest.read(path, hint=hint)
        except ServiceError as error:
            return error

    def ask(data: bytes, hint: str | None) -> IngestedMesh | ServiceError:
        return asyncio.run_coroutine_threadsafe(read(data, hint), loop).result(60)

    asyncio.run_coroutine_threadsafe(ingest.__aenter__(), loop).result()
    yield ask
    asyncio.run_coroutine_threadsafe(ingest.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
