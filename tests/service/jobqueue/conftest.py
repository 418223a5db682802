"""A server of the queue's own: gateways of other tests, still up, would tick its jobs."""

from collections.abc import Iterator

import pytest

from service.jobqueue.embedded import EmbeddedServer


@pytest.fixture(scope="package")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedServer(tmp_path_factory.mktemp("jobqueue")) as server:
        yield server.url
