"""Whether jobs could be run now: what ``/readyz`` and ``grpc.health.v1`` tell."""

import asyncio

from service.errors import NoWorker, QueueUnavailable
from service.jobqueue.queue import JobQueue

RETRY_AFTER_S = 5
_WITHIN_S = 2.0
"""Time for Redis to answer: probes are given up after a few seconds themselves."""


async def check_ready(queue: JobQueue) -> None:
    """Return where the queue can be reached and a worker is alive.

    Raises:
        QueueUnavailable: Redis does not answer, or not soon.
        NoWorker: no worker is alive.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            workers = await queue.workers()
    except TimeoutError:
        raise QueueUnavailable("Redis does not answer.", retry_after=RETRY_AFTER_S) from None
    if not workers:
        raise NoWorker(
            "No worker is alive.",
            suggestion="A worker that starts needs a while to load its model.",
            retry_after=RETRY_AFTER_S,
        )
