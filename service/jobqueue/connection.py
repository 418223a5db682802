"""How the queue reaches Redis: one way to connect, its scripts, one translation of its failures."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from service.errors import QueueUnavailable

RETRY_AFTER_S = 2
"""What a caller is told to wait while Redis is away."""

_CONNECTIONS = 64
"""Connections of one process; more commands than that at a time wait for their turn."""

_LONGEST_BLOCK_S = 5.0
"""Commands that wait inside the server wait less than this."""

_CANNOT_SERVE = ("MISCONF", "LOADING", "MASTERDOWN", "OOM", "READONLY", "BUSY", "NOREPLICAS")


def connect(url: str, timeout_s: float = 5.0) -> Redis:
    """A client with the settings the queue relies on: text replies, few retries, one time limit.

    Commands may be sent twice when a connection breaks; every script of the queue allows for that.
    A server that accepts and does not answer is not asked again: that would take as long once more.

    Args:
        url: ``redis://host:port/db``, ``rediss://...`` or ``unix:///path/to/socket``.
        timeout_s: for one command in all: its turn, the connection, every try, the answer.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_s,
        decode_responses=True,
        protocol=2,
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s + _LONGEST_BLOCK_S,
        retry=Retry(
            ExponentialBackoff(cap=0.4, base=0.05),
            retries=3,
            supported_errors=(exceptions.ConnectionError,),
        ),
    )
    return Redis.from_pool(pool)


class Connection:
    """Runs commands, and the scripts in ``lua/`` by name (each prefixed with ``common.lua``).

    Both raise ``QueueUnavailable`` where Redis cannot be reached, refuses to serve, or does not
    answer within the time that ``connect`` was given.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        pool = redis.connection_pool
        assert isinstance(pool, BlockingConnectionPool)
        self._timeout_s = pool.timeout
        folder = files("service.jobqueue") / "lua"
        common = (folder / "common.lua").read_text()
        self._scripts = {
            file.name.removesuffix(".lua"): redis.register_script(common + file.read_text())
            for file in folder.iterdir()
            if file.name.endswith(".lua") and file.name != "common.lua"
        }

    async def run(self, script: str, *args: str | float) -> Any:
        """Run ``lua/<script>.lua`` atomically; its head says what it takes and returns."""
        async with self.reaching():
            return await self._scripts[script](args=args)

    async def command(self, *args: str | float, block_s: float = 0) -> Any:
        """Run one Redis command, which may wait this long inside the server."""
        async with self.reaching(block_s):
            return await self.redis.execute_command(*args)  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def reaching(self, block_s: float = 0) -> AsyncIterator[None]:
        """Around anything asked of Redis: its time limit, and its failures as ours."""
        limit_s = None if self._timeout_s is None else self._timeout_s + block_s
        with _reaching_redis():
            async with asyncio.timeout(limit_s):
                yield


@contextmanager
def _reaching_redis() -> Iterator[None]:
    """Turn everything that means "Redis cannot serve this now" into ``QueueUnavailable``."""
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError, TimeoutError) as error:
        raise _unavailable(error) from error
    except exceptions.ResponseError as error:
        if isinstance(error, exceptions.ReadOnlyError | exceptions.OutOfMemoryError) or str(
            error
        ).startswith(_CANNOT_SERVE):
            raise _unavailable(error) from error
        raise


def _unavailable(error: Exception) -> QueueUnavailable:
    return QueueUnavailable(
        f"The job queue does not answer ({type(error).__name__}).",
        suggestion="Try again in a moment.",
        retry_after=RETRY_AFTER_S,
    )
