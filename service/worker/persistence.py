"""Getting through to Redis, however long it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from service.errors import QueueUnavailable

_PAUSE_S = 0.5

T = TypeVar("T")
P = ParamSpec("P")


async def persistently(call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """The answer of a call to the queue, repeated while Redis cannot serve.

    All calls to the queue may be repeated; what is lost meanwhile is at most a lease.
    """
    while True:
        try:
            return await call(*args, **kwargs)
        except QueueUnavailable as error:
            structlog.get_logger().warning("queue_unavailable", detail=error.detail)
            await asyncio.sleep(_PAUSE_S)
