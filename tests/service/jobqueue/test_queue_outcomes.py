"""What a run job leaves: its state, its result or error, nothing else."""

from redis.asyncio import Redis

from service.errors import InternalError
from service.jobqueue.lease import Beat, Failed, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, Stage
from tests.service.jobqueue.worker import (
    assert_nothing_is_left,
    new_job,
    shape,
    start,
)


async def test_a_job_runs_and_succeeds(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job(preprocess_ms=3.0))
    lease = await start(queue)
    assert (lease.job.id, lease.job.state, lease.job.attempts) == (job.id, JobState.RUNNING, 1)
    assert not lease.redelivered
    assert await queue.beat(lease, stage=Stage.DENOISE_L2, progress=0.25) is Beat.OK
    running = await queue.get(job.id)
    assert running is not None
    assert (running.stage, running.progress) == (Stage.DENOISE_L2, 0.25)
    made = shape("shp_parent")
    result = {"shapes": [{"id": made.id}]}
    outcome = Succeeded(result=result, shapes=(made,), timings_ms={"decode": 4.5})
    assert await queue.finish(lease, outcome)
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.stage, done.progress) == (JobState.SUCCEEDED, None, 1.0)
    assert done.result == {"shapes": [{"id": made.id}]}
    assert done.error is None
    assert done.timings_ms.keys() == {"queue", "preprocess", "decode"}
    assert done.expires_ms == done.finished_ms + queue.limits.job_retention_ms
    assert await queue.shape(made.id) == made
    await assert_nothing_is_left(redis)


async def test_seq_grows_with_every_visible_change(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await queue.beat(lease, stage=Stage.DECODE, progress=0.5)
    await queue.beat(lease, stage=Stage.DECODE, progress=0.5)
    await queue.finish(lease, Succeeded(result={}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.seq == 4  # queued, running, decode, succeeded


async def test_a_failed_job_keeps_its_error(queue: JobQueue, redis: Redis) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    error = InternalError("broken").to_dict()
    assert await queue.finish(lease, Failed(error=error))
    done = await queue.get(job.id)
    assert done is not None
    assert (done.state, done.error, done.result) == (JobState.FAILED, error, None)
    await assert_nothing_is_left(redis)


async def test_finish_may_be_repeated(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await queue.finish(lease, Succeeded(result={"a": 1}))
    assert await queue.finish(lease, Succeeded(result={"a": 2}))
    done = await queue.get(job.id)
    assert done is not None
    assert done.result == {"a": 1}
