"""Leases: holding, beating, taking over, fencing."""

import dataclasses

from redis.asyncio import Redis

from service.jobqueue.lease import Beat, Canceled, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, QueueLimits, Stage
from tests.service.jobqueue.clock import LEASE_MS, grow_silent
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    shape,
    start,
    take,
)


async def test_a_held_entry_is_not_given_to_others(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    entries = await take(queue, "alice")
    for _ in range(4):
        await grow_silent(redis, LEASE_MS // 2)
        await queue.hold("alice", entries)
    await grow_silent(redis, LEASE_MS // 2)
    assert await take(queue, "bob") == []
    assert await queue.claim("alice", entries[0]) is not None


async def test_holding_does_not_take_an_entry_back(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    old = await take(queue, "alice")
    await grow_silent(redis)
    (new,) = await take(queue, "bob")
    await queue.hold("alice", old)
    assert await queue.claim("bob", new) is not None


async def test_a_silent_workers_job_goes_to_another(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    frozen = await start(queue, "alice")
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert entry.redelivered
    lease = await queue.claim("bob", entry)
    assert lease is not None
    assert lease.redelivered
    assert (lease.job.id, lease.job.attempts) == (job.id, 2)
    assert await queue.beat(frozen, stage=None, progress=0.1) is Beat.LOST
    late = shape()
    assert not await queue.finish(frozen, Succeeded(result={"who": "alice"}, shapes=(late,)))
    assert await queue.shape(late.id) is None
    assert await queue.finish(lease, Succeeded(result={"who": "bob"}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.result == {"who": "bob"}


async def test_a_reclaimed_entry_is_found_behind_many_healthy_ones(
    redis: Redis, limits: QueueLimits
) -> None:
    queue = JobQueue(redis, dataclasses.replace(limits, queue_cap=100, tenant_cap=100))
    for _ in range(40):
        await queue.submit(new_job())
    healthy = await take(queue, "alice", count=39)
    await start(queue, "carol")
    await grow_silent(redis)
    await queue.hold("alice", healthy)
    (entry,) = await take(queue, "bob")
    assert entry.redelivered


async def test_beats_keep_a_running_job(queue: JobQueue, redis: Redis) -> None:
    await queue.submit(new_job())
    lease = await start(queue, "alice")
    for step in range(4):
        await grow_silent(redis, LEASE_MS // 2)
        assert await queue.beat(lease, stage=Stage.DECODE, progress=step / 4) is Beat.OK
    await grow_silent(redis, LEASE_MS // 2)
    assert await take(queue, "bob") == []


async def test_a_worker_that_wakes_before_its_job_is_started_elsewhere_keeps_it(
    queue: JobQueue, redis: Redis
) -> None:
    await queue.submit(new_job())
    lease = await start(queue, "alice")
    await grow_silent(redis)
    (entry,) = await take(queue, "bob")
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.OK
    assert await queue.claim("bob", entry) is None
    assert await queue.finish(lease, Succeeded(result={}))


async def test_an_entry_taken_over_cannot_be_claimed_by_its_old_holder(
    queue: JobQueue, redis: Redis
) -> None:
    await queue.submit(new_job())
    (old,) = await take(queue, "alice")
    await grow_silent(redis)
    (new,) = await take(queue, "bob")
    assert await queue.claim("alice", old) is None
    assert await queue.claim("bob", new) is not None


async def test_a_running_jobs_worker_is_told_to_stop(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    asked = await queue.cancel(job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert await queue.beat(lease, stage=None, progress=0.0) is Beat.CANCEL
    assert await queue.finish(lease, Canceled())
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error) == (JobState.CANCELED, None)
    await assert_nothing_is_left(redis)
