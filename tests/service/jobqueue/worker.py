"""A worker's view of the queue in a few calls, for tests."""

import time
from typing import Any

from redis.asyncio import Redis

from service.jobqueue.lease import Entry, Lease
from service.jobqueue.queue import JobQueue
from service.jobs import NewJob, Operation, ShapeRecord, new_id


def new_job(**changes: Any) -> NewJob:
    """A request that differs from the plainest one only in ``changes``."""
    plain: dict[str, Any] = {
        "operation": Operation.GENERATE,
        "params": {"category": "table", "seed": 7},
        "batch_key": "generate/starter/18",
    }
    return NewJob(**(plain | changes))


async def take(queue: JobQueue, consumer: str = "alice", count: int = 1) -> list[Entry]:
    """Fetch from all operations."""
    return await queue.fetch(consumer, list(Operation), count)


async def start(queue: JobQueue, consumer: str = "alice") -> Lease:
    """Fetch and claim the next job; there must be one."""
    (entry,) = await take(queue, consumer)
    lease = await queue.claim(consumer, entry)
    assert lease is not None
    return lease


def shape(*parents: str, **changes: Any) -> ShapeRecord:
    """A shape as a worker would publish it."""
    now = int(time.time() * 1000)
    plain: dict[str, Any] = {
        "id": new_id("shp"),
        "meta": {"seed": 7, "category": "table"},
        "latents_ref": "latents/x.safetensors",
        "parents": parents,
        "created_ms": now,
        "expires_ms": now + 60_000,
    }
    return ShapeRecord(**(plain | changes))


async def assert_nothing_is_left(redis: Redis) -> None:
    """No queue structure remembers an ended job: only its record, the lists and wake-ups do."""
    assert await redis.zcard("lg:live") == 0
    assert await redis.zcard("lg:delay") == 0
    for pattern in ("lg:tl:*", "lg:in:queued:*", "lg:in:running:*"):
        assert await redis.keys(pattern) == []
    for stream in await redis.keys("lg:q:*"):
        assert await redis.xlen(stream) == 0
        for group in await redis.xinfo_groups(stream):
            assert group["pending"] == 0
