"""Consumers of the streams: idle ones, and those that end."""

import asyncio
import time

from redis.asyncio import Redis

from service.jobqueue.lease import Succeeded
from service.jobqueue.queue import JobQueue
from tests.service.jobqueue.worker import (
    LEASE_S,
    new_job,
    start,
    take,
)


async def test_a_new_job_wakes_an_idle_worker(queue: JobQueue) -> None:
    idle = asyncio.ensure_future(take(queue))
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    await queue.submit(new_job())
    assert len(await idle) == 1
    assert time.monotonic() - begin < 0.5


async def test_cancelling_an_idle_fetch_loses_no_job(queue: JobQueue) -> None:
    idle = asyncio.ensure_future(take(queue, "alice"))
    await asyncio.sleep(0.1)
    idle.cancel()
    await queue.submit(new_job())
    assert len(await take(queue, "bob")) == 1


async def test_a_consumer_with_pending_jobs_is_kept(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue, "alice")
    await queue.close_consumer("alice", [job.operation])
    await asyncio.sleep(LEASE_S)
    (entry,) = await take(queue, "bob")
    assert entry.job.id == lease.job.id


async def test_a_consumer_without_jobs_is_forgotten(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    await queue.finish(await start(queue, "alice"), Succeeded(result={}))
    await queue.close_consumer("alice", [job.operation])
    assert await redis.xinfo_consumers("lg:q:generate:1", "w") == []
