"""Jobs that are too late."""

import time

from redis.asyncio import Redis

from service.errors import ErrorCode
from service.jobqueue.lease import Beat, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState
from tests.service.jobqueue.clock import miss_deadline
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    start,
    take,
)


def in_an_hour() -> int:
    return int(time.time() * 1000) + 3_600_000


async def test_a_waiting_job_past_its_deadline_fails(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=in_an_hour()))
    assert (await queue.tick()).expired == ()
    await miss_deadline(redis, job.id)
    assert len((await queue.tick()).expired) == 1
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error["code"] == ErrorCode.DEADLINE_EXCEEDED
    await assert_nothing_is_left(redis)


async def test_a_running_job_past_its_deadline_is_taken_from_its_worker(
    queue: JobQueue, redis: Redis
) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=in_an_hour()))
    lease = await start(queue)
    await miss_deadline(redis, job.id)
    await queue.tick()
    assert await queue.beat(lease, stage=None, progress=0.9) is Beat.LOST
    assert not await queue.finish(lease, Succeeded(result={}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED


async def test_a_late_job_is_not_started(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(deadline_ms=in_an_hour()))
    (entry,) = await take(queue)
    await miss_deadline(redis, job.id)
    assert await queue.claim("alice", entry) is None
    done = await queue.get(job.id)
    assert done is not None
    assert done.state is JobState.FAILED
