"""How often callers may submit: one token bucket each in Redis, shared by all gateways."""

import math
from dataclasses import dataclass

from redis.asyncio import Redis

from service.jobqueue import refusals
from service.jobqueue.connection import Connection
from service.jobs import CallerLimits


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller has left.

    Attributes:
        submissions: that may follow at once; None where their rate has no limit.
        next_s: seconds until there is one more; 0 where there are all.
        live_jobs: that may be added to those that wait or run.
    """

    submissions: int | None
    next_s: int
    live_jobs: int


class Rates:
    """Counts submissions. A bucket holds what a minute brings, so a pause allows a burst.

    Both methods raise ``QueueUnavailable`` while Redis cannot serve.

    Args:
        redis: a client made by ``connect``; the caller closes it.
        limits: of each caller.
    """

    def __init__(self, redis: Redis, limits: CallerLimits) -> None:
        self.limits = limits
        self._connection = Connection(redis)

    async def take(self, tenant: str) -> None:
        """Count one submission, whatever becomes of it.

        Raises:
            RateLimited: the caller has none left; says when there is one.
        """
        if not self.limits.per_minute:
            return
        taken, standing = await self._ask(tenant, 1)
        if not taken:
            raise refusals.too_fast(self.limits.per_minute, standing.next_s)

    async def standing(self, tenant: str) -> Standing:
        """What the caller has left; counts nothing."""
        _, standing = await self._ask(tenant, 0)
        return standing

    async def _ask(self, tenant: str, wanted: int) -> tuple[bool, Standing]:
        per_minute = self.limits.per_minute
        taken, left, next_ms, live = await self._connection.run("rate", tenant, wanted, per_minute)
        standing = Standing(
            submissions=left if per_minute else None,
            next_s=math.ceil(next_ms / 1000),
            live_jobs=max(self.limits.live_jobs - live, 0),
        )
        return bool(taken), standing
