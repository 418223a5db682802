"""Attempts: what counts as one, retries, poison, release."""

import json
import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from service.errors import ErrorCode, InternalError
from service.jobqueue.lease import Beat
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits
from tests.service.jobqueue.clock import end_pause, grow_silent
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    start,
    take,
)


async def test_a_lost_claim_reply_does_not_cost_an_attempt(queue: JobQueue) -> None:
    await queue.submit(new_job())
    (entry,) = await take(queue)
    first = await queue.claim("alice", entry)
    again = await queue.claim("alice", entry)
    assert first is not None
    assert again is not None
    assert (again.token, again.job.attempts) == (first.token, 1)


async def test_a_job_that_kills_its_workers_is_given_up(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    for attempt in (1, 2, 3):
        lease = await start(queue, f"worker{attempt}")
        assert lease.job.attempts == attempt
        await grow_silent(redis)
    (entry,) = await take(queue, "worker4")
    assert await queue.claim("worker4", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.attempts) == (JobState.FAILED, 3)
    assert done.error is not None
    assert done.error["code"] == ErrorCode.WORKER_CRASHED
    ((_, letter),) = await redis.xrange("lg:dlq")
    assert letter["id"] == job.id
    assert json.loads(letter["error"])["code"] == ErrorCode.WORKER_CRASHED
    await assert_nothing_is_left(redis)


async def test_holding_a_job_is_no_attempt(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    for number in range(4):
        (entry,) = await take(queue, f"worker{number}")
        assert not entry.redelivered
        await grow_silent(redis)
    assert (await start(queue, "last")).job.attempts == 1


async def test_a_retry_waits_then_runs_again(redis: Redis, limits: QueueLimits) -> None:
    queue = JobQueue(redis, replace(limits, retry_pause_ms=60_000))
    job, _ = await queue.submit(new_job())
    await queue.retry(await start(queue), InternalError("child died").to_dict())
    waiting = await queue.get(job.id)
    assert waiting is not None
    assert (waiting.state, waiting.started_ms) == (JobState.QUEUED, None)
    assert await queue.positions([waiting]) == {}
    assert (await queue.tick()).retried == 0
    await end_pause(redis, job.id)
    assert (await queue.tick()).retried == 1
    again = await start(queue)
    assert again.redelivered
    assert again.job.attempts == 2


async def test_each_retry_waits_twice_as_long(redis: Redis, limits: QueueLimits) -> None:
    queue = JobQueue(redis, replace(limits, retry_pause_ms=1_000_000, max_attempts=5))
    job, _ = await queue.submit(new_job())
    for pause_s in (1000, 2000, 4000):
        await queue.retry(await start(queue), InternalError("child died").to_dict())
        due = await redis.zscore("lg:delay", job.id)
        assert due / 1000 - time.time() == pytest.approx(pause_s, abs=300)
        await redis.zadd("lg:delay", {job.id: 0})
        await queue.tick()


async def test_a_retry_without_attempts_left_fails_with_its_error(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job())
    error = InternalError("child died").to_dict()
    for _ in range(3):
        await queue.retry(await start(queue), error)
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error) == (JobState.FAILED, error)
    assert await redis.xlen("lg:dlq") == 1
    await assert_nothing_is_left(redis)


async def test_a_fenced_retry_changes_nothing(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    frozen = await start(queue, "alice")
    await grow_silent(redis)
    lease = await start(queue, "bob")
    await queue.retry(frozen, InternalError("late").to_dict())
    await queue.release(frozen)
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.OK


@pytest.mark.parametrize("started", [False, True])
async def test_a_released_job_is_available_at_once_and_costs_nothing(
    queue: JobQueue, started: bool
) -> None:
    job, _ = await queue.submit(new_job())
    (entry,) = await take(queue, "alice")
    lease = await queue.claim("alice", entry) if started else None
    await queue.release(lease or entry)
    again = await start(queue, "bob")
    assert (again.job.id, again.job.attempts, again.redelivered) == (job.id, 1, False)
