"""A worker process without a model: runs each job by waiting for the time its parameters say.

``python -m tests.chaos.worker <redis url> <name>`` prints ``start <job>`` and ``done <job>`` lines.
"""

import asyncio
import sys

from service.errors import QueueUnavailable
from service.jobqueue.connection import connect
from service.jobqueue.lease import Beat, Lease, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import Operation, QueueLimits

LIMITS = QueueLimits(lease_ms=400, max_attempts=1000, queue_cap=10_000, tenant_cap=10_000)
BEAT_S = 0.1


def tell(verb: str, lease: Lease) -> None:
    sys.stdout.write(f"{verb} {lease.job.id}\n")
    sys.stdout.flush()


async def run(queue: JobQueue, lease: Lease, name: str) -> None:
    tell("start", lease)
    left = lease.job.params["seconds"]
    while left > 0:
        await asyncio.sleep(min(left, BEAT_S))
        left -= BEAT_S
        if await queue.beat(lease, stage=None, progress=0.5) is not Beat.OK:
            return
    if await queue.finish(lease, Succeeded(result={"worker": name})):
        tell("done", lease)


async def main(url: str, name: str) -> None:
    queue = JobQueue(connect(url), LIMITS)
    while True:
        try:
            for entry in await queue.fetch(name, list(Operation), 1):
                lease = await queue.claim(name, entry)
                if lease is not None:
                    await run(queue, lease, name)
        except QueueUnavailable:
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
