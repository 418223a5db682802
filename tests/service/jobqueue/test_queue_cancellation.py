"""Canceling jobs that wait, are held, or run."""

import asyncio
from dataclasses import replace

from redis.asyncio import Redis

from service.errors import InternalError
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits
from tests.service.jobqueue.clock import grow_silent
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    start,
    take,
)


async def test_a_queued_job_is_canceled_at_once(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    canceled = await queue.cancel(job.id)
    assert canceled.state is JobState.CANCELED
    assert await take(queue) == []
    await assert_nothing_is_left(redis)


async def test_a_held_job_that_was_canceled_cannot_be_claimed(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue)
    await queue.cancel(job.id)
    assert await queue.claim("alice", entry) is None


async def test_a_job_waiting_for_its_retry_can_be_canceled(
    redis: Redis, limits: QueueLimits
) -> None:
    queue = JobQueue(redis, replace(limits, retry_pause_ms=10_000))
    job, _ = await queue.submit(new_job())
    await queue.retry(await start(queue), InternalError("x").to_dict())
    assert (await queue.cancel(job.id)).state is JobState.CANCELED
    await assert_nothing_is_left(redis)


async def test_a_canceled_job_of_a_dead_worker_is_not_started_again(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job())
    await start(queue, "alice")
    await queue.cancel(job.id)
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert await queue.claim("bob", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.CANCELED


async def test_cancellations_reach_workers_without_a_beat(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    await start(queue)
    cancellations = queue.cancellations()
    heard = asyncio.ensure_future(anext(cancellations))
    while dict(await redis.pubsub_numsub("lg:cancel"))["lg:cancel"] == 0:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    await queue.cancel(job.id)
    assert await asyncio.wait_for(heard, 20) == job.id
    await cancellations.aclose()
