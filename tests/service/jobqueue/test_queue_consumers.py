"""Consumers of the streams: idle ones, and those that end."""

import asyncio

import pytest
from redis.asyncio import Redis

from service.jobqueue.lease import Succeeded
from service.jobqueue.queue import JobQueue
from tests.service.jobqueue.clock import grow_silent
from tests.service.jobqueue.worker import (
    new_job,
    start,
    take,
)


async def until_one_waits(redis: Redis) -> None:
    """Return once a worker waits inside the server."""
    while (await redis.info("clients"))["blocked_clients"] == 0:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def test_a_new_job_wakes_an_idle_worker(
    queue: JobQueue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobqueue.queue._WAIT_S", 60)
    idle = asyncio.ensure_future(take(queue))
    await until_one_waits(redis)
    await queue.submit(new_job())
    assert len(await asyncio.wait_for(idle, 30)) == 1


async def test_cancelling_an_idle_fetch_loses_no_job(queue: JobQueue, redis: Redis) -> None:
    idle = asyncio.ensure_future(take(queue, "alice"))
    await until_one_waits(redis)
    idle.cancel()
    await queue.submit(new_job())
    assert len(await take(queue, "bob")) == 1


async def test_a_consumer_with_pending_jobs_is_kept(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue, "alice")
    await queue.close_consumer("alice", [job.operation])
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert entry.job.id == lease.job.id


async def test_a_consumer_without_jobs_is_forgotten(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    await queue.finish(await start(queue, "alice"), Succeeded(result={}))
    await queue.close_consumer("alice", [job.operation])
    assert await redis.xinfo_consumers("lg:q:generate:1", "w") == []
