"""Held jobs that their worker cannot run: ended, or put off for a worker that can."""

import time
from dataclasses import replace

from redis.asyncio import Redis

from service.errors import InternalError
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits
from tests.service.jobqueue.clock import grow_silent
from tests.service.jobqueue.test_queue_workers import worker
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    start,
    take,
)

ERROR = InternalError("not here").to_dict()


async def test_a_job_keeps_the_weights_it_was_accepted_for(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job(weights_sha256="ab" * 32))
    other, _ = await queue.submit(new_job())
    assert (job.weights_sha256, other.weights_sha256) == ("ab" * 32, None)


async def test_a_declined_job_ends_with_the_error_and_no_attempt(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue)
    assert await queue.decline(entry, ERROR, weights_sha256="a") == "failed"
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error, done.attempts) == (JobState.FAILED, ERROR, 0)
    await assert_nothing_is_left(redis)
    assert await queue.decline(entry, ERROR) == "lost"  # sent again


async def test_a_job_that_a_live_worker_can_run_is_put_off(
    redis: Redis, limits: QueueLimits
) -> None:
    queue = JobQueue(redis, replace(limits, retry_pause_ms=1_000_000))
    able = worker("w1")
    able.model["weights_sha256"] = "a"
    await queue.register_worker(worker("w0"))
    await queue.register_worker(able)
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue)
    assert await queue.decline(entry, ERROR, weights_sha256="a") == "queued"
    due = await redis.zscore("lg:delay", job.id)
    assert 900 < due / 1000 - time.time() < 1100
    assert await take(queue) == []
    await redis.zadd("lg:delay", {job.id: 0})
    await queue.tick()
    assert (await start(queue)).job.attempts == 1


async def test_a_put_off_job_never_comes_back_before_a_tick(queue: JobQueue) -> None:
    able = worker("w1")
    able.model["weights_sha256"] = "a"
    await queue.register_worker(able)
    await queue.submit(new_job())
    (entry,) = await take(queue)
    await queue.decline(entry, ERROR, weights_sha256="a")  # the pause of these tests is 0
    assert await take(queue) == []


async def test_only_the_holder_can_decline(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    (frozen,) = await take(queue, "alice")
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert await queue.decline(frozen, ERROR) == "lost"
    assert await queue.claim("bob", entry) is not None


async def test_a_declined_job_that_is_to_be_canceled_is_canceled(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job())
    await start(queue, "alice")
    await queue.cancel(job.id)
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert await queue.decline(entry, ERROR) == "canceled"
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.CANCELED
