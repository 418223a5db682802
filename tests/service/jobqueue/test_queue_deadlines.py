"""Jobs that are too late."""

import asyncio
import time

from redis.asyncio import Redis

from service.errors import ErrorCode
from service.jobqueue.lease import Beat, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    start,
    take,
)


async def test_a_waiting_job_past_its_deadline_fails(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 30))
    assert (await queue.tick()).expired == ()
    await asyncio.sleep(0.05)
    assert len((await queue.tick()).expired) == 1
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error["code"] == ErrorCode.DEADLINE_EXCEEDED
    await assert_nothing_is_left(redis)


async def test_a_running_job_past_its_deadline_is_taken_from_its_worker(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 60))
    lease = await start(queue)
    await asyncio.sleep(0.08)
    await queue.tick()
    assert await queue.beat(lease, stage=None, progress=0.9) is Beat.LOST
    assert not await queue.finish(lease, Succeeded(result={}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED


async def test_a_late_job_is_not_started(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=int(time.time() * 1000) + 30))
    (entry,) = await take(queue)
    await asyncio.sleep(0.05)
    assert await queue.claim("alice", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED
