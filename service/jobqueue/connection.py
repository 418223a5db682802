"""How the queue reaches Redis: one way to connect, its scripts, one translation of its failures."""

from collections.abc import Iterator
from contextlib import contextmanager
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

_TURN_S = 20
"""How long a command waits for its turn before the server counts as too slow."""

_CANNOT_SERVE = ("MISCONF", "LOADING", "MASTERDOWN", "OOM", "READONLY", "BUSY", "NOREPLICAS")


def connect(url: str) -> Redis:
    """A client with the settings the queue relies on: text replies, short timeouts, few retries.

    Commands may be sent twice when a reply is lost; every script of the queue allows for that.

    Args:
        url: ``redis://host:port/db``, ``rediss://...`` or ``unix:///path/to/socket``.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_TURN_S,
        decode_responses=True,
        protocol=2,
        socket_connect_timeout=2.0,
        socket_timeout=5.0,
        retry=Retry(ExponentialBackoff(cap=0.4, base=0.05), retries=3),
    )
    return Redis.from_pool(pool)


class Connection:
    """Runs commands, and the scripts in ``lua/`` by name (each prefixed with ``common.lua``).

    Both raise ``QueueUnavailable`` where Redis cannot be reached or refuses to serve.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        folder = files("service.jobqueue") / "lua"
        common = (folder / "common.lua").read_text()
        self._scripts = {
            file.name.removesuffix(".lua"): redis.register_script(common + file.read_text())
            for file in folder.iterdir()
            if file.name.endswith(".lua") and file.name != "common.lua"
        }

    async def run(self, script: str, *args: str | float) -> Any:
        """Run ``lua/<script>.lua`` atomically; its head says what it takes and returns."""
        with reaching_redis():
            return await self._scripts[script](args=args)

    async def command(self, *args: str | float) -> Any:
        """Run one Redis command."""
        with reaching_redis():
            return await self.redis.execute_command(*args)  # type: ignore[no-untyped-call]


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Turn everything that means "Redis cannot serve this now" into ``QueueUnavailable``."""
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
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
