"""Time that passes for what a queue keeps, while the test waits for nothing.

Leases and lives are long in these tests, so that none runs out because the machine is busy.
"""

from redis.asyncio import Redis

LEASE_MS = 15_000
"""The lease of the ``limits`` fixture."""

LONG_AGO_MS = 1


async def grow_silent(redis: Redis, milliseconds: int = LEASE_MS) -> None:
    """The last sign of life of all who hold entries is so much older."""
    for stream in await redis.keys("lg:q:*"):
        for group in await redis.xinfo_groups(stream):
            for held in await redis.xpending_range(stream, group["name"], "-", "+", 1000):
                await redis.xclaim(
                    stream,
                    group["name"],
                    held["consumer"],
                    0,
                    [held["message_id"]],
                    idle=held["time_since_delivered"] + milliseconds,
                    justid=True,
                )


async def miss_deadline(redis: Redis, job_id: str) -> None:
    """The deadline of a live job was long ago."""
    await redis.hset(f"lg:job:{job_id}", "deadline_ms", LONG_AGO_MS)
    await redis.zadd("lg:live", {job_id: LONG_AGO_MS})


async def end_pause(redis: Redis, job_id: str) -> None:
    """The pause before a job's retry is over."""
    await redis.zadd("lg:delay", {job_id: LONG_AGO_MS}, xx=True)


async def outlive_shape(redis: Redis, shape_id: str, *parents: str) -> None:
    """A shape has expired."""
    await redis.pexpireat(f"lg:shape:{shape_id}", LONG_AGO_MS)
    for parent in parents:
        await redis.zadd(f"lg:made_from:{parent}", {shape_id: LONG_AGO_MS})


async def outlive_job(redis: Redis, tenant: str, job_id: str) -> None:
    """The record of a job that has ended has expired."""
    await redis.pexpireat(f"lg:job:{job_id}", LONG_AGO_MS)
    await redis.zadd("lg:expiring", {f"{tenant} {job_id}": LONG_AGO_MS}, xx=True)
