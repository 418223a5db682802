"""A browser for all tests, a tab for each test, and a gateway with a worker to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.browser.chrome import EXECUTABLE, WEBGL, Page, running_chromium, tab
from tests.browser.studio import open_page
from tests.service.conftest import redis, redis_server
from tests.service.gateway.conftest import (
    blobs,
    client,
    gateway_url,
    own_queue,
    settings,
    worker,
)
from tests.service.gateway.fakeworker import FakeWorker

__all__ = [
    "blobs",
    "client",
    "gateway_url",
    "own_queue",
    "redis",
    "redis_server",
    "settings",
    "worker",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            if EXECUTABLE is None:
                item.add_marker(pytest.mark.skip(reason="there is no chromium"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[int]:
    with running_chromium(*WEBGL) as port:
        yield port


@pytest_asyncio.fixture
async def page(chromium: int) -> AsyncIterator[Page]:
    """A tab in which nothing is open yet; no script of the page may fail."""
    async with tab(chromium) as page:
        yield page
        assert page.thrown == []


@pytest_asyncio.fixture
async def studio(page: Page, gateway_url: str, worker: FakeWorker) -> AsyncIterator[Page]:
    """The page with nothing made yet; the policy must have nothing to refuse."""
    await open_page(page, gateway_url)
    yield page
    assert [entry for entry in page.refused if "status of" not in entry] == []
