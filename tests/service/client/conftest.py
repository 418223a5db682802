"""Both clients before a real gateway with a fake worker: every test that takes one runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.client import AsyncLagemClient, Event, LagemClient, RetryPolicy
from tests.service.gateway.conftest import (  # noqa: F401 (fixtures)
    blobs,
    gateway_url,
    own_queue,
    settings,
    worker,
)

QUICK = RetryPolicy(tries=3, total_s=20, first_delay_s=0.01, max_delay_s=0.02)


class Awaited:
    """A blocking client in threads, so that tests read alike."""

    def __init__(self, client: LagemClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def call(*args: Any, **options: Any) -> Any:
            return await asyncio.to_thread(method, *args, **options)

        return call

    async def watch(self, *args: Any, **options: Any) -> AsyncIterator[Event]:
        events: Any = self._client.watch(*args, **options)
        try:
            while (event := await asyncio.to_thread(next, events, None)) is not None:
                yield event
        finally:
            await asyncio.to_thread(events.close)

    async def __aenter__(self) -> Self:
        self._client.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._client.__exit__(*error)


Connect = Callable[..., Any]


@pytest_asyncio.fixture(params=["blocking", "asynchronous"])
async def connect(
    request: pytest.FixtureRequest,
    redis: Redis,
    gateway_url: str,  # noqa: F811
) -> AsyncIterator[Connect]:
    """Makes a client of the gateway, impatient by default; it is closed at the end."""
    async with AsyncExitStack() as stack:

        async def connected(**options: Any) -> Any:
            options = {"base_url": gateway_url, "retries": QUICK} | options
            if request.param == "asynchronous":
                return await stack.enter_async_context(AsyncLagemClient(**options))
            return await stack.enter_async_context(Awaited(LagemClient(**options)))

        yield connected


@pytest_asyncio.fixture
async def client(connect: Connect) -> Any:
    return await connect()
