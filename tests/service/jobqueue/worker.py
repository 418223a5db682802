"""A worker's view of the queue in a few calls, for tests."""

from typing import Any

from service.jobqueue.lease import Entry, Lease
from service.jobqueue.queue import JobQueue
from service.jobs import NewJob, Operation


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
